#!/bin/bash
# Who waits on what: programs that wait for each thing that there is to wait for, seen from outside.
. "$(dirname "$0")/lib.sh"

# deaf: accepts and says nothing; full: its backlog is full, so a connect to it hangs.
cat >"$work/server.py" <<'EOF2'
import socket, threading
def deaf(listening):
    kept = []
    while True: kept.append(listening.accept())
listening = [socket.create_server(("127.0.0.%d" % n, 0), backlog=16) for n in (1, 2, 3, 4, 5)]
for l in listening[:4]: threading.Thread(target=deaf, args=(l,), daemon=True).start()
full = socket.socket(); full.bind(("127.0.0.6", 0)); full.listen(0)
stuck = []
for i in range(4):
    s = socket.socket(); s.setblocking(False); s.connect_ex(full.getsockname()); stuck.append(s)
print(*[l.getsockname()[1] for l in listening[:4]], full.getsockname()[1], flush=True)
threading.Event().wait()
EOF2
# ask.py PORT HOST [asyncio]: sends a request and waits for its answer
cat >"$work/ask.py" <<'EOF2'
import asyncio, socket, sys
async def ask():
    reader, writer = await asyncio.open_connection(sys.argv[2], int(sys.argv[1]))
    writer.write(b"?")
    await reader.read(1)
if len(sys.argv) > 3: asyncio.run(ask())
s = socket.socket(); s.connect((sys.argv[2], int(sys.argv[1])))
s.sendall(b"?"); s.sendall(b"!"); s.recv(1)
EOF2
coproc SERVER { exec "$python" "$work/server.py"; }
started+=("$SERVER_PID")
read -r -u "${SERVER[0]}" answer place rate injected connect
policy waiting "destination answer
    match    127.0.0.1:$answer
    deadline response 50s
destination place
    match    127.0.0.2:$place
    cap      1 wait 50s
destination rate
    match    127.0.0.3:$rate
    limit    1/h  burst 1  wait 1h
destination injected
    match    127.0.0.4:$injected
destination connect
    match    127.0.0.6:$connect
    deadline connect 50s"

waits() { # waits DESTINATION FIELD VALUE: of the first in it that has this value
    "$shearpin" status -s waiting --waiting --json | jq -e "[.waiting[] | select(.destination == \"$1\" and .$2 == $3)][0]" >"$work/row"
}
start() { # start COMMAND...: in the background; its pid is $!
    "$shearpin" run -q -p "$work/waiting.conf" "${run_options[@]}" -- "$@" 2>/dev/null &
    started+=("$!")
}
ask() { start "$python" "$work/ask.py" "$@"; }

guarded waiting true
is 'nobody waits' "$("$shearpin" status -s waiting --waiting)" 'nobody waits in 0 processes'

ask "$answer" 127.0.0.1
pid=$!
until_true waits answer tid "$pid"
is 'an answer: pid, thread, fd' "$(jq -r '"\(.pid) \(.tid) \(.waits_for) \(.fd)"' "$work/row")" "$pid $pid answer 3"
like 'how long, and how much longer' "$(jq -r '.since_s + .left_s' "$work/row")" '^(50|49\.9)'
like 'for people' "$("$shearpin" status -s waiting --waiting answer)" \
    "$pid +$pid +python3.* answer +[0-9.]+m?u?s  an answer, fd 3; cut in [45][0-9.]+s"

ask "$answer" 127.0.0.1 asyncio
pid=$!
until_true waits answer pid "$pid"
until_true waits answer tid "$pid"
is 'a loop that watches the fd by epoll' "$(jq -r .waits_for "$work/row")" answer

ask "$place" 127.0.0.2
until_true waits place waits_for '"answer"'
ask "$place" 127.0.0.2
pid=$!
until_true waits place waits_for '"place"'
is 'a place of a cap' "$(jq -r '"\(.pid) \(.tid) \(.fd)"' "$work/row")" "$pid $pid 3"
since() { waits place waits_for '"place"' && jq -e '.since_s > 0.2' "$work/row"; }
until_true since
echo 'ok - since it stands in the line'

ask "$rate" 127.0.0.3
until_true waits rate waits_for '"answer"'
ask "$rate" 127.0.0.3
pid=$!
until_true waits rate waits_for '"rate"'
is 'the rate limit' "$(jq -r '"\(.pid) \(.tid)"' "$work/row")" "$pid $pid"

run_options=(--inject 'latency 50s' --on injected)
ask "$injected" 127.0.0.4
pid=$!
until_true waits injected waits_for '"injected"'
is 'an injected delay' "$(jq -r '"\(.pid) \(.tid)"' "$work/row")" "$pid $pid"
run_options=()

ask "$connect" 127.0.0.6
pid=$!
until_true waits connect tid "$pid"
is 'a connect' "$(jq -r '"\(.pid) \(.waits_for) \(.left_s > 30)"' "$work/row")" "$pid connect true"

is 'the longest first' "$("$shearpin" status -s waiting --waiting --json | jq '[.waiting[].since_s] == ([.waiting[].since_s] | sort | reverse)')" true
if [ "$(id -u)" = 0 ]; then
    said=$(setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace "$shearpin" status -s waiting --waiting 2>&1)
    is 'without permission' $? 4
    like 'that is said' "$said" 'the kernel does not let us look'
    like 'and what the segment knows is shown' "$said" 'place +-  a place: the cap is full'
fi
