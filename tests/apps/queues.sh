#!/bin/bash
# Caps, queues and rates as an operator sees them: who holds a place, who waits, what was refused.
. "$(dirname "$0")/lib.sh"

server=$work/server.sock
policy queues "destination db
    match     unix:$server
    breaker   streak 3
    cap       connections 1  inflight 4  wait 30s
    limit     1000/s  burst 100  wait 1s"

"$python" - "$server" <<'EOF' &
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen(64)
kept = []
while True:
    kept.append(s.accept())
EOF
started+=($!)
until_true test -S "$server"

# Connects, says so, and stays until its input ends.
cat >"$work/client.py" <<'EOF'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
print("connected", flush=True)
sys.stdin.read()
EOF

run=("$shearpin" run -p "$work/queues.conf" -- "$python" "$work/client.py" "$server")
coproc HOLDER { exec "${run[@]}"; }
holder=$HOLDER_PID holder_out=${HOLDER[0]}
started+=("$holder")
read -r -u "$holder_out" said
is 'the first has the place' "$said" connected
"${run[@]}" >"$work/second" </dev/null &
second=$!
started+=("$second")
waits() { [ "$(field queues db 'd["cap"]["waiting"]')" = 1 ]; }
until_true waits
is 'the second waits' "$(cat "$work/second")" ''
is 'status --json: the cap' "$(field queues db 'd["cap"]')" \
    "{'limit': 1, 'in_use': 1, 'waiting': 1, 'kind': 'connections'}"
like 'status: in use, and waiting' "$("$shearpin" status -s queues)" '1/1 .*1 waiting for a place'
depth=$("$shearpin" status -s queues db)
like 'status DEST: who holds' "$depth" "1 by pid $holder python"
like 'status DEST: who waits' "$depth" "waiting +1 to connect by pid $second python"

kill "$holder"
until_true grep -q connected "$work/second"
is 'the second has it now' "$(cat "$work/second")" connected
wait "$second"
like 'status DEST: how long the wait was' "$("$shearpin" status -s queues db)" 'wait time +p50'
is 'and in numbers' "$(field queues db 'd["waited"], d["wait_p99_s"] > 0')" '(1, True)'

# --- the breaker's figures ---
is 'figures: never opened' "$(field queues db 'd["open_s"], d["recovery_s"], d["last_failure_s"]')" \
    '(0, None, None)'
"$shearpin" trip -q -s queues db
like 'open for some time' "$(field queues db 'd["open_s"] > 0, d["next_probe_s"] > 0')" 'True, True'
"$shearpin" reset -q -s queues db
is 'and closed again' "$(field queues db '0 < d["recovery_s"] < 60, d["state"]')" "(True, 'closed')"
like 'status DEST says both' "$("$shearpin" status -s queues db)" \
    'open for .* altogether; .* from the last opening to the closing'

like 'show: the words as they are written' "$("$shearpin" show "$work/queues.conf")" \
    'cap +1  inflight 4  wait 30s.*limit +1000/s  burst 100  wait 1s'
like 'a limit is shared, a wait is not' \
    "$("$shearpin" run -p "$work/queues.conf" -o db.limit=5/s -- true 2>&1)" 'all processes'
is 'a wait of its own' "$("$shearpin" run -p "$work/queues.conf" -o db.cap.wait=1s -- echo ok 2>&1)" ok
