#!/bin/bash
# What `chaos report` says of an experiment on a program that calls all the time: ended by a
# condition, ended by hand, kept; as text, for machines, as a page.
. "$(dirname "$0")/lib.sh"
cat >"$work/server.py" <<'EOF2'
import socket, threading
listening = socket.create_server(("127.0.0.1", 0), backlog=128)
print(listening.getsockname()[1], flush=True)
def one(s):
    try:
        while s.recv(100): s.sendall(b"!")
    except OSError: pass
while True:
    threading.Thread(target=one, args=(listening.accept()[0],), daemon=True).start()
EOF2
# asks every 2 ms, until its stdin ends; whatever fails is begun anew
cat >"$work/client.py" <<'EOF2'
import select, socket, sys
s = None
while not select.select([sys.stdin], [], [], 0.002)[0]:
    try:
        s = s or socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        s.sendall(b"?")
        if not s.recv(1): raise OSError
    except OSError:
        if s: s.close()
        s = None
EOF2
exec {served}< <(exec "$python" "$work/server.py")
started+=("$!")
read -r -u "$served" port

policy game "destination payments
    match 127.0.0.1:$port
    deadline response 150ms
    breaker streak 3 open 1m
experiment friday-gameday
    expect <checkout> keeps its error rate under 1%
    target payments
    seed 918273
    steady errors < 5% for 2s
    inject latency 20ms share 20%
    inject latency 5s share 10%
    last 1m
    abort errors > 4% for 1s
experiment harmless
    target payments
    steady errors < 50% for 1s
    inject latency 5ms share 50%
    last 300ms
experiment dead
    target payments
    inject refuse
    inject reset
    last 1m
    abort payments opens
experiment unsteady
    target payments
    steady p50 < 1us for 1s
    inject refuse
    last 1m"
export SHEARPIN_SEGMENT=game
mkfifo "$work/end"
guarded game "$python" "$work/client.py" "$port" <"$work/end" &
client=$!
started+=("$client")
exec {end}>"$work/end"
calls() { [ "$(field game payments 'd["exchanges"]["ok"]')" -ge "$1" ]; }
until_true calls 300
report() { "$shearpin" chaos report "$@"; }
stands() { [ "$("$shearpin" chaos status "$1" --json | jq -r '.experiments[0].status')" = "$2" ]; }
like 'before there is one' "$(report 2>&1 || echo "status $?")" 'status [13]'

# --- ended by a condition ---
"$shearpin" chaos start -q friday-gameday
until_true stands friday-gameday aborted
after() { [ "$(report friday-gameday --json | jq '.targets[0].after.calls')" -gt 50 ]; }
until_true after
told=$(report friday-gameday)
is 'aborted is a no' "$(report friday-gameday >/dev/null; echo $?)" 1
like 'how it ended, and when' "$told" \
    '^friday-gameday   aborted after [0-9.]+m?s   20[0-9-]+ [0-9:]+ to [0-9:]+   seed 918273
  status        aborted, deviated
  because       errors > 4% for 1s +\([0-9.]+% on payments at [0-9:]+\)
  expect        <checkout> keeps its error rate under 1%
  expectation   not kept: errors [0-9.]+% \(expected < 5%\)'
like 'before, during, after' "$told" '
 +BEFORE +DURING +AFTER
  payments  errors           0[.]0% +[0-9.]+% +[0-9.]+%
            p50 .*
            p99 +[0-9.]+[mu]s +timed out +[0-9.a-z ]+
            refused             0 '
like 'what was injected' "$told" "injected      'latency 20ms share 20%' [0-9]+   'latency 5s share 10%' [0-9]+   of [0-9]+ calls"
like 'what is to be learnt' "$told" 'learned       deadlines ended [0-9]+ calls? to payments'
like 'and how to do it again' "$told" 'rerun         shearpin chaos start friday-gameday --seed 918273$'
report friday-gameday --json >"$work/json"
j() { "$python" -c 'import json, sys; j = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$work/json" "$1"; }
is 'for machines the same' "$(j 'j["status"], j["deviated"], j["because"]["condition"], j["because"]["limit"], j["seed"]')" \
    "('aborted', True, 'errors > 4% for 1s', 0.04, 918273)"
is 'it adds up' "$(j 'sum(f["total"] for f in j["injected"]) > 0, j["calls"] == j["targets"][0]["during"]["calls"], j["injected"][1]["total"] >= j["targets"][0]["during"]["timeouts"] > 0')" '(True, True, True)'

# --- as a page ---
report friday-gameday -q --html "$work/report.html"
like 'text of a policy is text in the page' "$(cat "$work/report.html")" '&#60;checkout> keeps'
is 'it asks for nothing else' "$(grep -cE '(src|href)="[^d]' "$work/report.html")" 0
if command -v chromium >/dev/null; then
    export HOME=$work XDG_CONFIG_HOME=$work XDG_CACHE_HOME=$work
    page=$(chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-proxy-server \
        --user-data-dir="$work/chromium" --dump-dom "file://$work/report.html" 2>/dev/null)
    like 'a browser shows how it ended' "$page" '<span id="status" class="bad">aborted, deviated</span>'
    is 'with three plots' "$(grep -oE '<svg class="(percentiles|outcomes|breaker)"' <<<"$page" | sort -u | wc -l)" 3
    is 'and a curve for each of before, during, after' "$(grep -c '<polyline class' <<<"$page")" 3
fi
like 'nowhere to write' "$(report friday-gameday -q --html /proc/none 2>&1 || echo "status $?")" '/proc/none: .*status 5'

# --- kept ---
"$shearpin" chaos start -q harmless
until_true stands harmless completed
told=$(report harmless)
is 'completed and kept is a yes' "$(report harmless >/dev/null; echo $?)" 0
like 'kept, in figures' "$told" 'status        completed
  expectation   kept: errors 0.0% \(expected < 50%\)'
like 'one fault, by its name' "$told" 'injected      latency [0-9]+   of [0-9]+ calls'

# --- not steady ---
"$shearpin" chaos start -q unsteady 2>/dev/null
told=$(report unsteady)
like 'not steady: nothing was injected' "$told" 'because       not steady: p50 < 1us for 1s +\([0-9.]+[mu]s on payments at .*nothing was injected.*injected      refuse 0 '

# --- ended by hand: Ctrl-C where it is followed ---
"$shearpin" chaos start -f --inject 'latency 3ms' --on payments --for 1m >"$work/told" 2>&1 &
follower=$!
started+=("$follower")
until_true stands ad-hoc running
kill -INT "$follower"
wait "$follower"
is 'Ctrl-C is no success' $? 1
like 'the report is written all the same' "$(cat "$work/told")" \
    "ad-hoc   interrupted after .*injected      latency [0-9]+ .*rerun         shearpin chaos start --inject 'latency 3ms' --on payments --for 1m --seed [0-9]+"
rerun=$(sed -n 's/^  rerun *//p' "$work/told")
PATH=$build:$PATH
eval "$rerun -q"
is 'and its last line does it again' "$(report ad-hoc --json | jq -r '.rerun')" "$rerun"
"$shearpin" chaos stop -q

# --- the breaker reacts ---
"$shearpin" chaos start -q dead
until_true stands dead aborted
told=$(report dead)
like 'a breaker that opens is a reason' "$told" 'because       payments opens +\(at [0-9:]+\)'
like 'and is learnt' "$told" 'the breaker of payments opened 1 time, first [0-9.]+m?s after the start'
exec {end}>&-
wait "$client"

# --- record and replay: 60 calls one after the other, of which it says what they met ---
cat >"$work/sixty.py" <<'EOF2'
import socket, sys
met = []
for i in range(int(sys.argv[2])):
    try:
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        s.sendall(b"?")
        met.append("well" if s.recv(1) else "eof")
        s.close()
    except OSError as error: met.append(type(error).__name__)
print(*[f"{i}:{m}" for i, m in enumerate(met, 1) if m != "well"])
EOF2
policy tape "destination payments
    match 127.0.0.1:$port
experiment flaky
    target payments
    seed 7
    inject refuse share 20%
    inject latency 2ms share 20%
    last 1m"
export SHEARPIN_SEGMENT=tape
guarded tape true
"$shearpin" chaos start -q flaky 2>/dev/null
first=$(guarded tape "$python" "$work/sixty.py" "$port" 60)
like 'some of sixty are refused' "$first" ':ConnectionRefusedError .*:ConnectionRefusedError'
like 'what runs is not recorded yet' "$("$shearpin" chaos record flaky "$work/tape" 2>&1 || echo "status $?")" 'status 1'
"$shearpin" chaos stop -q
total=$(report flaky --json | jq '[.injected[].total] | add')
is 'every strike is written down' "$("$shearpin" chaos record flaky "$work/tape")" "$work/tape: $total strikes"
is 'by number' "$(sed -n 's/^strike payments connection \([0-9]*\) 1$/\1:ConnectionRefusedError/p' "$work/tape" | xargs)" "$first"
"$shearpin" rm tape --force >/dev/null
sed -i '/^experiment/,$d' "$work/tape.conf"
guarded tape true
"$shearpin" chaos replay -q "$work/tape" 2>/dev/null
second=$(guarded tape "$python" "$work/sixty.py" "$port" 300)
is 'replayed, without a policy that has it: these and no others, however many calls there are' "$second" "$first"
"$shearpin" chaos stop -q
"$shearpin" chaos record flaky "$work/again" >/dev/null
is 'its record is the same' "$(grep -v '^#' "$work/again")" "$(grep -v '^#' "$work/tape")"
sed -i 's/^\(strike payments connection \)[0-9]*/\11000/' "$work/again"
like 'a record that was changed is refused' "$("$shearpin" chaos replay "$work/again" 2>&1 || echo "status $?")" \
    'again:[0-9]+: these are not the calls that would be struck.*status 1'
like 'what is none' "$("$shearpin" chaos replay "$work/tape.conf" 2>&1 || echo "status $?")" 'tape.conf:1: this is nothing.*status 1'
like 'what is not there' "$("$shearpin" chaos replay "$work/none" 2>&1 || echo "status $?")" 'No such file.*status 5'

# --- what reacts: retries, the breaker, a fallback; and a ramp, whose strikes depend on the time ---
exec {other}< <(exec "$python" "$work/server.py")
started+=("$!")
read -r -u "$other" elsewhere
policy react "destination payments
    match 127.0.0.1:$port
    retry 1 backoff 1ms..2ms budget 100% on refused
    breaker streak 8 open 100ms
    fallback 127.0.0.1:$elsewhere when open
experiment refusing
    target payments
    inject refuse share 95%
    last 1m
experiment rising
    target payments
    inject refuse share 50%
    ramp 30s
    last 1m
destination bare
    match 127.0.0.2
experiment unguarded
    target bare
    inject refuse share 50%
    last 1m"
export SHEARPIN_SEGMENT=react
guarded react "$python" "$work/sixty.py" "$port" 20 >/dev/null
"$shearpin" chaos start -q refusing 2>/dev/null
guarded react "$python" "$work/sixty.py" "$port" 60 >/dev/null
"$shearpin" chaos stop -q
told=$(report refusing)
like 'what retries multiplied' "$told" 'retries multiplied calls to payments by (1[.][0-9]|2[.]0)'
like 'what the breaker did' "$told" 'the breaker of payments opened [0-9]+ times?, first [0-9.]+[mu]?s after the start'
like 'where calls went instead' "$told" "[0-9]+ connections? went to the fallback 127.0.0.1:$elsewhere instead of payments"
like 'and the retries are a row' "$told" ' +retried +0 +[1-9][0-9]* '
"$shearpin" chaos start -q unguarded 2>/dev/null
guarded react "$python" -c '
import socket, sys
for i in range(60):
    try: socket.create_connection(("127.0.0.2", int(sys.argv[1])))
    except OSError: pass' "$port"
"$shearpin" chaos stop -q
like 'what should have reacted and is not there' "$(report unguarded)" \
    '[0-9]+% of the calls to bare failed, and it has no breaker'
"$shearpin" reset payments >/dev/null
"$shearpin" chaos start -q rising 2>/dev/null
guarded react "$python" "$work/sixty.py" "$port" 100 >/dev/null
"$shearpin" chaos stop -q
like 'a ramp cannot be recorded call by call' "$("$shearpin" chaos record rising "$work/tape" 2>&1 || echo "status $?")" \
    'were counted: while a .ramp. lasts fewer are struck.*status 1'
