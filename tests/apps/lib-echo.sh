# lib-echo.sh - a dependency that echoes on 127.0.0.1:$port, and what asks it.
# shellcheck shell=bash disable=SC2034,SC2154
# Prints the port, then echoes whatever comes, on every connection.
cat >"$work/echo.py" <<'EOF2'
import socket, threading
listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
def one(s):
    while data := s.recv(4096): s.sendall(data)
    s.close()
print(listening.getsockname()[1], flush=True)
while True:
    s, _ = listening.accept()
    threading.Thread(target=one, args=(s,), daemon=True).start()
EOF2
# ask.py PORT [N]: N connections with two exchanges each. Prints `fine` or what went wrong.
cat >"$work/ask.py" <<'EOF2'
import socket, sys
def ask(port, n):
    for i in range(n):
        try:
            with socket.create_connection(("127.0.0.1", port)) as s:
                for word in b"one", b"two":
                    s.sendall(word)
                    if s.recv(16) != word: return "wrong answer"
        except OSError as error: return error.strerror
    return "fine"
if __name__ == "__main__": print(ask(int(sys.argv[1]), int((sys.argv + ["3"])[2])))
EOF2
exec {echo}< <(exec "$python" "$work/echo.py")
started+=("$!")
read -r -u "$echo" port
# stay.py PORT: one connection; for each line it reads it asks once and prints how that went, until
# `leave` or the end.
cat >"$work/stay.py" <<'EOF2'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for line in sys.stdin:
    if line == "leave\n": break
    try:
        s.sendall(b"again"); print(s.recv(16).decode(), flush=True)
    except OSError as error: print(error.strerror, flush=True)
EOF2
