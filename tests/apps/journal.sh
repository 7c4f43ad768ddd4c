#!/bin/bash
# The journal on disk: every call of real programs, through rotation, a recorder that is killed, a
# ring that is too small and a segment that is made anew; and `whatif` from that file alone.
. "$(dirname "$0")/lib.sh"
start_dependency
cd "$work" || exit 1
policy calls "defaults
    journal 64KiB
destination payments
    match 127.0.0.1:$port
    deadline connect 5s response 5s
    breaker streak 3 open 1m
    cap 8"
ask() { guarded calls curl -s -o /dev/null --noproxy '*' "$url"; }
# calls EXPRESSION: over all lines of the record, oldest first; e are the events among them
calls() {
    cat recorded.1 recorded 2>/dev/null | "$python" -c '
import json, sys
lines = [json.loads(line) for line in sys.stdin]
c = [line for line in lines if "number" in line]
e = [line for line in lines if "sequence" in line]
print(eval(sys.argv[1]))' "$1"
}

like 'a segment without one' "$(policy bare 'destination d
    match 127.0.0.1:1'; guarded bare true; "$shearpin" journal -s bare 2>&1 || echo "status $?")" \
    'has no journal; with .journal 1MiB..*status 1'
"$shearpin" rm bare >/dev/null
export SHEARPIN_SEGMENT=calls
for _ in 1 2 3; do ask; done
like 'printed: a connect, its exchange, its end' "$("$shearpin" journal | tail -n 3 | xargs)" \
    'payments connect ok [0-9.]+[um]?s process [0-9]+ connection [0-9]+ .* exchange ok .* closed '
is 'and for machines' "$("$shearpin" journal --json | jq -c '[.number, .kind, .outcome]' | tail -n 3 | xargs)" \
    '[6,connect,ok] [7,exchange,ok] [8,closed,null]'

"$shearpin" journal --record recorded
is 'recorded: every one so far' "$(calls 'len(c), c[0]["number"], c[-1]["number"]')" '(9, 0, 8)'
"$shearpin" journal --record recorded
is 'a second time adds nothing' "$(calls 'len(c)')" 9
like 'the time of the day is right' "$(calls 'abs(c[-1]["time_s"] - __import__("time").time()) < 60')" True

# --- entries that nobody will ever write whole: one second for all of them, not for each ---
cp "$SHEARPIN_DIR"/*.calls whole.segment
dd if=/dev/urandom of="$(echo "$SHEARPIN_DIR"/*.calls)" bs=64K seek=4096 oflag=seek_bytes conv=notrunc status=none \
    count=$(($(stat -c %s whole.segment) - 4096)) iflag=count_bytes
since=$SECONDS
like 'a ring of noise is said to be one' "$(timeout 30 "$shearpin" journal 2>&1)" 'calls? overwritten before they could be read'
below 'and is passed over in seconds' "$((SECONDS - since))" 4
cat whole.segment >"$(echo "$SHEARPIN_DIR"/*.calls)"

# --- a recorder that follows, and is killed ---
"$shearpin" journal -f --record recorded &
recorder=$!
started+=("$recorder")
ask
twelve() { [ "$(calls 'len(c)')" = 12 ]; }
until_true twelve
kill -9 "$recorder"
wait "$recorder" 2>/dev/null
printf '{"number":12,"time_s":17' >>recorded
ask
become down
for _ in 1 2 3 4; do ask; done
become up
"$shearpin" journal --record recorded
is 'what came meanwhile is written down, none twice' \
    "$(grep -v '17$' recorded >whole; mv whole recorded; calls '[l["number"] for l in c] == list(range(len(c))), len(c)')" \
    '(True, 22)'
is 'and how the breaker changed' "$(calls '[(l["destination"], l["from"], l["to"]) for l in e if l["kind"] == "breaker"]')" \
    "[('payments', 'closed', 'open')]"

# --- whatif from the file: as from the segment, and with no segment at all ---
of() { "$shearpin" whatif "$@" --json | jq -c '.lost, .destinations[0].would, .destinations[0].did'; }
is 'whatif says of the file what it says of the segment' "$(of --from recorded -o payments.breaker.streak=2)" \
    "$(of -o payments.breaker.streak=2)"
like 'which is what is true' "$(of --from recorded -o payments.breaker.streak=2)" \
    '0.*"calls":7,"trips":1,"refused_by_breaker":2.*"calls":8,"trips":1,"refused_by_breaker":1'
"$shearpin" rm calls --force >/dev/null
like 'also when the segment is gone' "$("$shearpin" whatif --from recorded -p calls.conf)" \
    'recorded .* 22 lines .*payments +9 +1/1 .*closed -> open .*happened.*payments  closed -> open +streak'
like 'then the policy must be said' "$("$shearpin" whatif --from recorded 2>&1 || echo "status $?")" 'status 3'
like 'no such file' "$("$shearpin" whatif --from none -p calls.conf 2>&1 || echo "status $?")" \
    'cannot read none: No such file.*status 5'
cat "$build/shearpin" >rubbish
like 'no such thing' "$("$shearpin" whatif --from rubbish -p calls.conf 2>&1 || echo "status $?")" \
    'rubbish has no call.*status 1'

# --- a segment that is made anew is followed ---
guarded calls true
"$shearpin" journal -f --record recorded &
recorder=$!
started+=("$recorder")
before=$(calls 'len(c)')
ask
more() { [ "$(calls 'len(c)')" = "$1" ]; }
until_true more $((before + 3))
"$shearpin" rm calls --force >/dev/null
ask
until_true more $((before + 6))
is 'its numbers begin again' "$(calls '[l["number"] for l in c[-6:]]')" '[0, 1, 2, 0, 1, 2]'
is 'nothing is lost by that' "$("$shearpin" whatif --from recorded -p calls.conf --json | jq .lost)" 0
kill "$recorder"
wait "$recorder"
is 'it ends when it is told' $? 0

# --- bounded, and a ring that is too small says so ---
cat >many.py <<'EOF2'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
for i in range(int(sys.argv[2])):
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    while not s.recv(4096).endswith(b"\n"): pass
EOF2
cat >answers.py <<'EOF2'
import socket, threading
l = socket.create_server(("127.0.0.1", 0))
print(l.getsockname()[1], flush=True)
while True:
    s, _ = l.accept()
    while s.recv(4096): s.sendall(b"well\n")
EOF2
exec {answers}< <(exec "$python" answers.py)
started+=("$!")
read -r -u "$answers" fast
sed "s/:$port/:$fast/; s/64KiB/4KiB/" calls.conf >small.conf
sed -i 's/segment calls/segment small/' small.conf
export SHEARPIN_SEGMENT=small
rm -f recorded recorded.1
guarded small "$python" many.py "$fast" 200
"$shearpin" journal --record recorded
guarded small "$python" many.py "$fast" 1000
like 'what was overwritten is said' "$("$shearpin" journal --record recorded 2>&1)" \
    '746 calls overwritten before they could be read; a larger .journal. holds more'
is 'and whatif says that they are missing' "$("$shearpin" whatif --from recorded --json | jq .lost)" 746
like 'to people, too' "$("$shearpin" whatif --from recorded)" '746 calls of that time are missing'
for _ in {1..8}; do
    guarded small "$python" many.py "$fast" 250
    "$shearpin" journal --record recorded --max 64KiB
done
below 'never more than was said' "$(cat recorded recorded.1 | wc -c)" 65537
at_least 'nor much less' "$(cat recorded recorded.1 | wc -c)" 32768

# --- a follower keeps up with a program that does nothing but call ---
sed "s/:$port/:$fast/; s/64KiB/1MiB/; s/segment calls/segment busy/" calls.conf >busy.conf
export SHEARPIN_SEGMENT=busy
rm -f recorded recorded.1
guarded busy true
"$shearpin" journal -f --record recorded 2>said &
recorder=$!
started+=("$recorder")
until_true test -e recorded
for _ in 1 2; do guarded busy "$python" many.py "$fast" 10000; done
kill "$recorder"
wait "$recorder"
is '20,000 calls, none lost, nothing said' \
    "$(calls 'len(c), [l["number"] for l in c] == list(range(len(c)))') $(cat said)" '(20004, True) '
