#!/bin/bash
# A policy drafted from what was observed passes `check`, and refuses nothing of the same programs.
# SUGGEST_SECONDS=600 replays ten minutes of known latencies, observed and then enforced.
. "$(dirname "$0")/lib.sh"

# Servers with known latencies: 20 ms, then at once; and one that never answers.
cat >"$work/servers.py" <<'EOF2'
import socket, threading, time
def serve(host, answer):
    listening = socket.create_server((host, 0), backlog=64)
    def one(s):
        while data := s.recv(100):
            answer(s, data)
        s.close()
    def run():
        while True:
            s, _ = listening.accept()
            threading.Thread(target=one, args=(s,), daemon=True).start()
    threading.Thread(target=run, daemon=True).start()
    return listening.getsockname()[1]
def late(s, data):
    time.sleep(0.02)
    s.sendall(data)
print(serve("127.0.0.1", late), serve("127.0.0.2", lambda s, d: s.sendall(d)),
      serve("127.0.0.2", lambda s, d: None), flush=True)
input()
EOF2
cat >"$work/client.py" <<'EOF2'
import socket, sys, threading
slow, fast, mute = map(int, sys.argv[1:])
failed = []
def ask(s):
    s.sendall(b"?")
    if s.recv(1) != b"?": failed.append("no answer")
def work():
    try:
        s = socket.create_connection(("localhost", slow)); f = socket.create_connection(("127.0.0.2", fast))
        m = socket.create_connection(("127.0.0.2", mute))
        for i in range(30):
            ask(s); ask(f); m.sendall(b"log")
        together.wait()
        for x in s, f, m: x.close()
    except OSError as error: failed.append(error)
together = threading.Barrier(6)
for t in [threading.Thread(target=work) for i in range(6)]: t.start()
for t in threading.enumerate():
    if t is not threading.current_thread(): t.join()
print(failed or "fine")
EOF2
coproc SERVERS { exec "$python" "$work/servers.py"; }
started+=("$SERVERS_PID")
read -r -u "${SERVERS[0]}" slow fast mute

client() { "$python" "$work/client.py" "$slow" "$fast" "$mute"; }
is 'bare' "$(client)" fine
for run in 1 2; do
    is "observed without a policy, $run" \
        "$("$shearpin" run -s learn --observe -- "$python" "$work/client.py" "$slow" "$fast" "$mute")" fine
done
draft=$("$shearpin" suggest -s learn)
is 'suggest ends well' $? 0
echo "$draft" >"$work/draft.conf"
like 'what it drafts has no mistakes' "$("$shearpin" check "$work/draft.conf")" 'no mistakes, 3 dest'
like 'an endpoint by the name that was looked up' "$draft" "match +localhost:$slow"
like 'and by its address' "$draft" "match +127.0.0.2:$fast"
like 'six at once are a cap of sixteen' "$draft" 'cap +16 +# at most 6 at once'
like 'who never answers' "$draft" 'exchange +none +# 1080 bytes were sent on 12 connections, none'
is 'a response deadline for the other two' "$(grep -c 'deadline  response' <<<"$draft")" 2
like 'over twice the slowest answer' \
    "$(sed -n "/localhost/,/cap/p" <<<"$draft")" 'response (100|250|500)ms +# 360 took p50 2[0-9.]+ms'

sed "s/observe/enforce/; 1i segment enforced" "$work/draft.conf" >"$work/enforced.conf"
like 'it can be enforced' "$("$shearpin" check "$work/enforced.conf")" 'no mistakes'
for run in 1 2; do
    is "enforced, $run" "$(guarded enforced "$python" "$work/client.py" "$slow" "$fast" "$mute")" fine
done
for name in "localhost-$slow" "127.0.0.2-$fast" "127.0.0.2-$mute"; do
    is "$name: connects, refused, cut" \
        "$(field enforced "$name" 'd["connects"]["ok"], d["refused_total"], sum(d["expired"].values())')" \
        '(12, 0, 0)'
done
like 'nothing seen, nothing drafted' "$("$shearpin" run -s none --observe -- true
    "$shearpin" suggest -s none 2>&1)" 'segment none has seen no connect yet'

"$shearpin" run -s names --observe -- "$python" -c '
import socket
socket.getaddrinfo("localhost", None)'
is 'who only looks up has no endpoint' \
    "$("$shearpin" status -s names --json | jq -c '[.destinations[].name]')" '["everything"]'

# More endpoints than places: the rest is counted together.
# shellcheck disable=SC2016
"$shearpin" run -s many --observe -- "$python" -c '
import socket
for port in range(1, 201):
    socket.socket().connect_ex(("127.0.0.3", port))'
many=$("$shearpin" suggest -s many)
is 'endpoints are bounded' "$(grep -c '^destination' <<<"$many")" 79
like 'and what is left is said' "$many" '# 121 calls went to endpoints that found no place of their own'

# A replay: the server answers when the request says, and every run asks for the same latencies.
cat >"$work/replay.py" <<'EOF2'
import random, socket, sys, threading, time
port, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
asked, failed = [0] * 4, []
def work(i):
    latencies = random.Random(i)
    try:
        s = socket.create_connection(("127.0.0.1", port))
        while time.monotonic() < end:
            s.sendall(b"%04d" % min(400, int(1000 * latencies.lognormvariate(-4, 0.8))))
            if s.recv(1) != b"!": failed.append("no answer")
            asked[i] += 1
            if asked[i] % 50 == 0:
                s.close(); s = socket.create_connection(("127.0.0.1", port))
        s.close()
    except OSError as error: failed.append(error)
threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(failed or "fine", sum(asked))
EOF2
cat >"$work/replayed.py" <<'EOF2'
import socket, threading, time
listening = socket.create_server(("127.0.0.1", 0), backlog=64)
def one(s):
    while data := s.recv(4, socket.MSG_WAITALL):
        time.sleep(int(data) / 1000)
        s.sendall(b"!")
    s.close()
print(listening.getsockname()[1], flush=True)
while True:
    s, _ = listening.accept()
    threading.Thread(target=one, args=(s,), daemon=True).start()
EOF2
exec {replayed}< <(exec "$python" "$work/replayed.py")
started+=("$!")
read -r -u "$replayed" port
seconds=${SUGGEST_SECONDS:-4}

seen=$("$shearpin" run -s replay --observe -- "$python" "$work/replay.py" "$port" "$seconds")
like "observed for $seconds s" "$seen" '^fine [0-9]+$'
"$shearpin" suggest -s replay >"$work/replay.conf"
like 'its draft has no mistakes' "$("$shearpin" check "$work/replay.conf")" 'no mistakes, 1 dest'
sed -i "s/observe/enforce/; 1i segment replayed" "$work/replay.conf"
seen=$("$shearpin" run -p "$work/replay.conf" -- "$python" "$work/replay.py" "$port" "$seconds")
like "enforced for $seconds s" "$seen" '^fine [0-9]+$'
is 'every call answered, none refused, none cut' \
    "$(field replayed "127.0.0.1-$port" \
        'd["exchanges"]["ok"], sum(d["exchanges"].values()), d["refused_total"], sum(d["expired"].values())')" \
    "(${seen#fine }, ${seen#fine }, 0, 0)"
