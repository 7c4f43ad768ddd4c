#!/bin/bash
# Faults of our own world: whatever happens to the segment, the policy, the fds, the memory or the
# other processes, a program under the shim does what it does bare.
# shellcheck disable=SC2016
. "$(dirname "$0")/lib.sh"

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
dead=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

both="destination up
    match 127.0.0.1:$port
    deadline response 5s
    cap 100
destination down
    match 127.0.0.1:$dead
    breaker streak 2  open 60s"
policy world "$both"
preload=$build/libshearpin.so
# preloaded COMMAND...: bare LD_PRELOAD, as a service unit has it. Environment may stand in front.
preloaded() { SHEARPIN_POLICY=$work/world.conf LD_PRELOAD=$preload "$@"; }
ask() { preloaded "$python" "$work/ask.py" "$port"; }
logged() { tail -n 1 "$work/log" 2>/dev/null; }
segment() { find "$SHEARPIN_DIR" -type f -name '*world*'; }
count() { field world up 'sum(d["connects"].values())'; }

is 'bare' "$("$python" "$work/ask.py" "$port")" fine
is 'guarded' "$(ask)" fine
is 'and counted' "$(count)" 3

# --- the place of the segment ---

namespaces=$(unshare -m mount -t tmpfs none /mnt 2>&1 && echo yes)
# in_shm OPTIONS SCRIPT: with a tmpfs of these options in the place of $SHEARPIN_DIR.
in_shm() {
    SCRIPT=$2 OPTIONS=$1 unshare -m bash -c '
        mount -t tmpfs -o "$OPTIONS,mode=700" none "$SHEARPIN_DIR" && eval "$SCRIPT"'
}
export -f preloaded ask logged
export work port python preload shearpin
if [ "$namespaces" = yes ]; then
    said=$(in_shm size=64k 'ask; logged')
    like 'full: the program runs' "$said" '^fine'
    like 'full: the log says why' "$said" 'No space left'
    like 'full: run refuses' "$(in_shm size=64k '"$shearpin" run -p "$work/world.conf" -- true 2>&1; echo $?')" \
        'No space left.*125$'
    is 'full: --anyway' "$(in_shm size=64k '"$shearpin" run --anyway -p "$work/world.conf" -- \
        "$python" "$work/ask.py" "$port" 2>/dev/null')" fine
    like 'full, and then room: guarded again' "$(in_shm size=64k 'ask >"$work/first"
        mount -o remount,size=64m "$SHEARPIN_DIR"; ask; "$shearpin" status -s world')" 'fine.*up '
    said=$(in_shm size=64m,ro 'ask; logged')
    like 'read-only: the program runs' "$said" '^fine'
    like 'read-only: the log says why' "$said" 'Read-only file system'
    like 'noexec: guarded as ever' "$(in_shm size=64m,noexec 'ask; "$shearpin" status -s world')" 'fine.*up '
    like 'read-only under a segment that stands' "$(in_shm size=64m 'ask
        mount -o remount,ro "$SHEARPIN_DIR"; ask; logged')" 'fine.*fine.*Read-only'
else
    echo "ok - /dev/shm full, read-only, noexec # SKIP no mount namespaces: $namespaces"
fi
is 'missing: the program runs' "$(SHEARPIN_DIR=$work/nowhere ask)" fine
like 'missing: the log says so' "$(logged)" 'nowhere'

# --- the segment itself ---

# stay.py PORT: one connection; for each line it reads it asks once and prints how that went.
cat >"$work/stay.py" <<'EOF2'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for line in sys.stdin:
    try:
        s.sendall(b"again"); print(s.recv(16).decode(), flush=True)
    except OSError as error: print(error.strerror, flush=True)
EOF2
stay() {
    coproc STAY { preloaded "$python" "$work/stay.py" "$port"; }
    started+=("$STAY_PID")
}
once() { echo go >&"${STAY[1]}" && read -r -t 10 -u "${STAY[0]}" answer && echo "$answer"; }
# leave: it reads its end; $left is how it ended.
leave() {
    local pid=$STAY_PID in=${STAY[1]}
    exec {in}>&-
    wait "$pid"
    left=$?
}

stay
is 'before' "$(once)" again
before=$(count)
rm -f "$(segment)"
is 'unlinked: who has it goes on' "$(once)" again
is 'unlinked: the next makes a new one' "$(ask)" fine
is 'unlinked: which counts from nothing' "$(count)" 3
leave
is 'unlinked: and ends well' "$left" 0
at_least 'there was one to lose' "$before" 4

head -c 100000 "$(segment)" >"$work/short" && cat "$work/short" >"$(segment)"
is 'cut short: the program runs' "$(ask)" fine
like 'cut short: the log says so' "$(logged)" 'world'
like 'cut short: so does run, and what to do' "$("$shearpin" run -p "$work/world.conf" -- true 2>&1)" 'remove the file and start again'
rm -f "$(segment)"
is 'removed: as new' "$(ask)" fine
is 'removed: and guarded' "$(count)" 3
if [ "$(id -u)" = 0 ]; then
    chmod 711 "$work"
    runuser -u nobody -- truncate -s 0 "$(segment)" 2>/dev/null
    is 'another user cannot cut it' "$(ask)" fine
    is 'and it counts on' "$(count)" 6
else
    echo 'ok - another user cannot cut it # SKIP not root'
fi

stay
is 'noise: before' "$(once)" again
head -c "$(stat -c %s "$(segment)")" /dev/urandom | dd of="$(segment)" conv=notrunc status=none
is 'noise: who has it mapped goes on' "$(once; once; once)" $'again\nagain\nagain'
is 'noise: the next runs unguarded' "$(ask)" fine
leave
is 'noise: and ends well' "$left" 0
rm -f "$(segment)"

# --- the policy ---

is 'a new segment' "$(ask)" fine
cp "$work/world.conf" "$work/kept.conf"
export SHEARPIN_SEGMENT=world
echo garbage >"$work/world.conf"
is 'garbage in the policy: the program runs' "$(ask)" fine
head -c 60 "$work/kept.conf" >"$work/world.conf"
is 'half a policy' "$(ask)" fine
rm "$work/world.conf"
is 'no policy' "$(ask)" fine
cp "$work/kept.conf" "$work/world.conf"
unset SHEARPIN_SEGMENT
is 'the last good policy stayed in force' "$(count)" 12
echo garbage >"$work/world.conf"
like 'reload refuses it' "$("$shearpin" reload -s world "$work/world.conf" 2>&1; echo $?)" 'error: .*1$'
cp "$work/kept.conf" "$work/world.conf"
is 'and it is as it was' "$(ask; count)" $'fine\n15'

# --- clocks ---

if unshare -T true 2>/dev/null; then
    is 'another monotonic clock' "$(unshare -T --monotonic 100000000 --fork bash -c ask)" fine
    is 'and back' "$(ask)" fine
else
    echo 'ok - another monotonic clock # SKIP no time namespaces'
fi

# --- limits ---

# full.py PORT N: with N fds open, or all there may be (0), on the last of which a socket is.
cat >"$work/full.py" <<'EOF2'
import os, socket, sys
from ask import ask
port, n = map(int, sys.argv[1:])
last = socket.socket()
try:
    while n == 0 or last.fileno() < n:
        os.dup(0) if n == 0 or last.fileno() == -1 else None
        if n: os.dup2(last.detach(), n); last = socket.socket(fileno=n)
except OSError as error: print(error.strerror)
last.settimeout(None)
last.connect(("127.0.0.1", port)); last.sendall(b"high"); print(last.recv(16).decode(), last.fileno() >= n)
EOF2
export PYTHONPATH=$work
full() { preloaded "$python" "$work/full.py" "$port" "$@"; }
is 'no fd is left' "$(ulimit -n 64; full 0)" $'Too many open files\nhigh True'
most=$(ulimit -Hn)
[ "$most" != unlimited ] && [ "$most" -le 100000 ] || most=100001
was=$(count)
is "fd $((most - 1))" "$(ulimit -n "$most"; full $((most - 1)))" 'high True'
is 'is guarded' "$(($(count) - was))" 1
[ "$most" = 100001 ] || echo "ok - fd 100,000 # SKIP the limit cannot be raised over $most"
is 'little memory' "$(ulimit -v 60000; ask)" fine
is 'no memory for tables: as bare' "$(ulimit -v 28000; ask 2>&1)" \
    "$(ulimit -v 28000; "$python" "$work/ask.py" "$port" 2>&1)"

# --- many, stopped and killed processes ---

cat >"$work/bomb.py" <<'EOF2'
import os, sys
from ask import ask
pids = []
for i in range(1000):
    pid = os.fork()
    if pid == 0: os._exit(0 if ask(int(sys.argv[1]), 1) == "fine" else 1)
    pids.append(pid)
print(sum(os.waitpid(pid, 0)[1] == 0 for pid in pids))
EOF2
sed -i 's/cap 100$/cap 2000/; s/response 5s/response 60s/' "$work/world.conf"
rm -f "$(segment)"
is 'a thousand children' "$(preloaded "$python" "$work/bomb.py" "$port")" 1000
is 'each counted once' "$(count)" 1000
is 'none holds a place' "$(field world up 'd["cap"]["in_use"]')" 0

policy one "destination d
    match 127.0.0.1:$port
    cap 1"
one() { guarded one "$python" "$work/ask.py" "$port" 1; }
coproc STAY { guarded one "$python" "$work/stay.py" "$port"; }
started+=("$STAY_PID")
holder=$STAY_PID
is 'the only place is taken' "$(once; one)" $'again\nConnection refused'
kill -STOP "$holder"
is 'its holder is stopped, and still holds it' "$(one)" 'Connection refused'
kill -CONT "$holder"
is 'and goes on' "$(once)" again
kill -KILL "$holder" 2>/dev/null
wait "$holder"
is 'killed, it holds nothing' "$(until_true bash -c '[ "$("$0" run -p "$1" -- "$2" "$3" "$4" 1)" = fine ]' \
    "$shearpin" "$work/one.conf" "$python" "$work/ask.py" "$port" && echo fine)" fine

if unshare -pf true 2>/dev/null; then
    coproc STAY { guarded one unshare -pf --kill-child "$python" "$work/stay.py" "$port"; }
    started+=("$STAY_PID")
    holder=$STAY_PID
    is 'a holder in another pid namespace is alive' "$(once; one)" $'again\nConnection refused'
    kill -KILL "$holder"
    wait "$holder"
    is 'and then dead' "$(until_true bash -c '[ "$("$0" run -p "$1" -- "$2" "$3" "$4" 1)" = fine ]' \
        "$shearpin" "$work/one.conf" "$python" "$work/ask.py" "$port" && echo fine)" fine
else
    echo 'ok - a holder in another pid namespace # SKIP no pid namespaces'
fi

# heirs.py PORT: children of a parent that has made no socket itself, but has run a program. Each
# holds a connection, and says so.
cat >"$work/heirs.py" <<'EOF2'
import os, subprocess, sys, time
subprocess.run(["true"])
for i in range(2):
    if os.fork() == 0:
        import socket
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        s.sendall(b"x"); s.recv(1)
        os.write(1, b"%d\n" % os.getpid())
        sys.stdin.read()
        os._exit(0)
os.waitpid(-1, 0)
sys.stdin.read()
EOF2
policy two "destination d
    match 127.0.0.1:$port
    cap 2"
two() { guarded two "$python" "$work/ask.py" "$port" 1; }
coproc HEIRS { guarded two "$python" "$work/heirs.py" "$port"; }
started+=("$HEIRS_PID")
read -r -u "${HEIRS[0]}" heir
read -r -u "${HEIRS[0]}" other
started+=("$heir" "$other")
is 'heirs hold both places' "$(two)" 'Connection refused'
kill -KILL "$heir"
is 'what one held is free when it is killed, though its parent lives' \
    "$(until_true bash -c '[ "$("$0" run -p "$1" -- "$2" "$3" "$4" 1)" = fine ]' \
        "$shearpin" "$work/two.conf" "$python" "$work/ask.py" "$port" && echo fine)" fine
is 'and the other holds its own' "$(field two d 'd["cap"]["in_use"]')" 1
