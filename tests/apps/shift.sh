#!/bin/bash
# The commands shift and drain: shares set, shown, taken back; stages, checks and what ends them.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-arms.sh"

blue=$(free_port) green=$(free_port)
arm blue "$blue"
arm green "$green"
policy search "destination search
    match     127.0.0.1:$blue
    split     127.0.0.1:$blue   share 100%  as blue
    split     127.0.0.1:$green  share 0%    as green"
export SHEARPIN_SEGMENT=search
guarded search true
get() { guarded search curl -s --noproxy '*' "http://127.0.0.1:$blue/"; }
# what N programs, one after the other, are answered
answers() { for _ in $(seq "$1"); do get; done | sort | uniq -c | awk '{ print $2, $1 }' | paste -sd ' '; }
shares() { "$shearpin" shift search | sed -n '1s/search  //p'; }
shift_() { "$shearpin" shift search "$@"; }
quick=(--checks 2 --check-every 50ms --every 300ms)

# --- at once ---

is "the policy's shares" "$(shares)" 'blue 100% green 0%'
is "set" "$(shift_ blue=75% green=25)" 'search  blue 100% green 0% -> blue 75% green 25%'
like "in force for the next programs" "$(answers 40)" '^blue (29|30|31) green (9|10|11)$'
is "for machines" "$(shift_ --json | "$python" -c 'import json, sys; d = json.load(sys.stdin)
print(d["shares"], d["policy"], d["before"], d["shifting"])')" \
    "{'blue': 0.75, 'green': 0.25} {'blue': 1, 'green': 0} {'blue': 1, 'green': 0} False"
is "back" "$(shift_ --rollback)" 'search  blue 75% green 25% -> blue 100% green 0%'
is "not twice" "$(shift_ --rollback 2>&1; echo "$?")" \
    "shearpin: search: nothing to go back to; in force: blue 100% green 0%
1"
like "an event says who and what" "$("$shearpin" events | sed -n '/shift set/p')" \
    'search  shift set by .*   blue 75% green 25% \(pid [0-9]+ shearpin\)'

# --- mistakes ---

like "not 100% together" "$(shift_ blue=75 green=20 2>&1; echo "$?")" 'blue 75% green 20% is 95% together, not 100%.2'
like "an arm without a share" "$(shift_ blue=100 2>&1)" 'every arm of search needs a share; missing here: green'
like "an arm that it has not" "$(shift_ blue=75 gren=25 2>&1)" "no arm 'gren'; did you mean 'green'"
like "the line with the right one" "$(shift_ --to gren 2>&1)" 'shearpin shift search --to green'
like "no share" "$(shift_ blue=7x green=3 2>&1)" "'blue=7x' is no share of 0% to 100%"
like "twice" "$(shift_ blue=50 blue=50 2>&1)" 'blue has two shares'
like "stages that fall" "$(shift_ --to green --stages 50,10 2>&1)" 'shares that rise'
like "a condition" "$(shift_ --to green --healthy 'eror < 1%' 2>&1)" "unknown measure 'eror'"
like "no arm said" "$(shift_ --stages 50 2>&1)" 'say which arm: shift search --to ARM'
like "too much at once" "$(shift_ --to green --rollback 2>&1)" 'one of them'
like "nothing to be done" "$(shift_ --to blue 2>&1)" 'blue has 100% already; no stage of 10,25,50,75,100 is more'
is "none of these changed anything" "$(shares)" 'blue 100% green 0%'

# --- checks ---

end "$pid"
like "an arm that nobody answers for is not shifted to" "$(shift_ --to green "${quick[@]}" --check-for 300ms 2>&1; echo "$?")" \
    "a check of green failed, 0 of 2 healthy: connect: Connection refused
.*not shifted to green: green was not healthy 2 times in a row within 300ms: connect: Connection refused
  in force after 0s: blue 100% green 0%
1"
start_nginx green "$green"
green_pid=$pid
like "a probe that says no" "$(shift_ --to green "${quick[@]}" --check-for 300ms --probe 'exit 3' 2>&1)" \
    'the probe ended with status 3'
like "a probe that hangs" "$(shift_ --to green --checks 1 --check-every 100ms --check-for 300ms \
    --probe 'sleep 600' 2>&1)" 'no answer within 100ms'
# says yes, no, yes, yes; the no starts the count again
cat >"$work/probe" <<'END'
echo x >>"$1"
curl -s --noproxy '*' "http://$SHEARPIN_ARM_ADDRESS/" | grep -q "$SHEARPIN_ARM" || exit 9
[ "$(wc -l <"$1")" != 2 ]
END
like "a failure starts the count again" "$(shift_ --to green "${quick[@]}" --verbose --timeout 2s \
    --probe "sh $work/probe $work/probed" 2>&1 | grep -c 'healthy')" 4
is "the probe was asked four times" "$(wc -l <"$work/probed")" 4

# --- stages ---

# at SHARES: what `shift --to` has in force has come so far.
at() { [ "$(shares)" = "$1" ]; }
# begin WORD...: a shift in the background
begin() {
    "$shearpin" shift search --to green --checks 1 --check-every 50ms "$@" >"$work/shifting" 2>&1 &
    shifting=$!
    started+=("$shifting")
}
# ends NAME REGEX: it does, and says
ends() {
    wait "$shifting"
    echo "$?" >>"$work/shifting"
    like "$1" "$(cat "$work/shifting")" "$2"
}

begin --stages 10,25 --every 200ms
until_true grep -q waits "$work/shifting"
like "without calls a stage waits, and says for how many" "$(cat "$work/shifting")" \
    "waits at 10%: 'errors < 1%' needs 100 calls on green, 0 so far"
is "its shares are in force" "$(shares)" 'blue 90% green 10%'
like "and so does shift" "$(shift_)" 'being shifted by .* \(pid [0-9]+\); stable: blue 100% green 0%'
like "status says it" "$("$shearpin" status)" 'blue 90%  green 10%, shifting'
like "in depth by whom" "$("$shearpin" status search)" "shift +to green by .* \(pid $shifting\), begun [0-9]+s ago"
like "a second shift is refused" "$(shift_ --to green 2>&1; echo "$?")" \
    "search is being shifted to green by .* \(pid $shifting\) since .*--rollback.1"
like "so are shares" "$(shift_ blue=0 green=100 2>&1; echo "$?")" 'is being shifted to green .*1$'
like "and drain" "$("$shearpin" drain search blue 2>&1; echo "$?")" 'is being shifted to green .*1$'
is "another terminal ends it" "$(shift_ --rollback)" 'search  blue 90% green 10% -> blue 100% green 0%'
ends "and it says so" 'not shifted to green: it was ended by another command.*1$'

for signal in INT TERM HUP; do
    begin --stages 50 --every 200ms
    until_true at 'blue 50% green 50%'
    kill -s "$signal" "$shifting"
    ends "SIG$signal brings the shares back" 'in force after [0-9]+s: blue 100% green 0%.*1$'
done

begin --stages 50 --every 200ms
until_true at 'blue 50% green 50%'
kill -STOP "$shifting"
until_true at 'blue 100% green 0%' && echo "ok - a command that is stopped loses its shares"
kill -CONT "$shifting"
ends "and knows it when it goes on" 'this one was stopped for too long.*1$'

begin --stages 50 --every 200ms
until_true at 'blue 50% green 50%'
echo '    deadline connect 1s' >>"$work/search.conf"
"$shearpin" reload -q "$work/search.conf"
is "a reload leaves a shift alone" "$(shares)" 'blue 50% green 50%'
sed -i 's/share 100%/share 90%/; s/share 0% /share 10%/' "$work/search.conf"
like "a reload with other shares ends it, and says so" "$("$shearpin" reload "$work/search.conf")" \
    'search: the shares that .shift. had set end with the lines .split. that they were for: blue 50% green 50%'
ends "and the shift says why" 'a reload has other lines .split..*1$'
is "the policy's are in force" "$(shares)" 'blue 90% green 10%'
shift_ -q blue=0 green=100
echo '    deadline response 1s' >>"$work/search.conf"
"$shearpin" reload -q "$work/search.conf"
is "shares that were set live on over a reload of other words" "$(shares)" 'blue 0% green 100%'
shift_ -q --rollback

begin --stages 50 --every 100ms --timeout 600ms
ends "a shift ends when it is told to, and says what it waited for" "not done after 600ms: 'errors < 1%' needs .*1$"
"$shearpin" disable -q search
like "not where everything goes straight through" "$(shift_ --to green 2>&1; echo "$?")" 'search is disabled: .*1$'
"$shearpin" enable -q search

# --- with calls ---

load search "$blue"
# a stage may have to wait for its calls on a busy machine
like "healthy, from one to the next" "$({ shift_ --to green "${quick[@]}" --stages 25,50,100 \
    --healthy 'errors < 1% for 1s' --healthy 'p95 < 1s' 2>&1; echo "$?"; } | grep -v ' waits at ')" \
    "search  shift to green \(127.0.0.1:$green\) from blue 90% green 10%
search  green is healthy, 2 of 2 checks
search  blue 75% green 25%
search  25% held for [0-9]+s: green 0.0% errors of [0-9]+ calls, p95 .*   blue 0.0% errors of .*
search  blue 50% green 50%
.*search  blue 0% green 100%
.*search  green is healthy, 2 of 2 checks
search  shifted to green in [0-9]+s: blue 0% green 100%
  back to blue 90% green 10%: shearpin shift search --rollback
0"
unload >/dev/null
is "nobody has noticed" "$(said failed)" 0
is "it stays" "$(shares) $(answers 5)" 'blue 0% green 100% green 5'
is "and can be taken back" "$(shift_ --rollback)" 'search  blue 0% green 100% -> blue 90% green 10%'

load search "$blue"
shift_ --to green "${quick[@]}" --healthy "p95 < 1s" --stages 50,100 --json --every 1s >"$work/json" 2>&1
unload >/dev/null
is "lines for machines" "$("$python" -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
kinds = [line["kind"] for line in lines if line["kind"] not in ("look", "waits")]
stages = [line for line in lines if line["kind"] == "held"]
end = lines[-1]
print(*kinds)
print([line["share"] for line in stages], all(line["arm"]["calls"] >= 100 and line["arm"]["p95_s"] < 1 for line in stages))
print(end["status"], end["shares"], end["from"], end["rollback"])' "$work/json")" \
    "begin check check stage held stage held last check check result
[0.5, 1] True
completed {'blue': 0, 'green': 1} {'blue': 0.9, 'green': 0.1} True"

# --- a terminal ---

shift_ -q --rollback
load search "$blue"
script -qec "env TERM=xterm LC_ALL=C.UTF-8 $shearpin shift search --to green ${quick[*]} --healthy 'p95 < 1s' --stages 50,100" /dev/null >"$work/screen"
unload >/dev/null
like "bars on a terminal" "$(tail -n 12 "$work/screen" | tr -d '\r')" \
    ' 50%  ████████████████████ .*green 0.0% errors of [0-9]+ calls.* 100%  ████████████████████ '
is "not too many lines" "$(tail -n 12 "$work/screen" | grep -c 'shifted to green')" 1

# --- drain ---

shift_ -q blue=50 green=50
cat >"$work/hold.py" <<'PYTHON'
import socket, sys
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(8)]
for s in held:
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
print(sum(s.recv(4096).split()[-1] == b"green" for s in held), flush=True)
sys.stdin.read()
PYTHON
coproc HOLD { guarded search "$python" "$work/hold.py" "$blue"; }
started+=("$HOLD_PID")
read -r -u "${HOLD[0]}" held
like "some of eight connections stand on green" "$held" '^[345]$'
is "drained not while they stand" "$("$shearpin" drain search green --timeout 300ms 2>&1; echo "$?")" \
    "search  blue 50% green 50% -> blue 100% green 0%
search  green: $held connections open
shearpin: green still has $held connections open; it gets no new ones
  to take the drain back: shearpin shift search --rollback
1"
is "no new ones" "$(answers 10)" 'blue 10'
"$shearpin" drain search green --timeout 20s >"$work/drain" 2>&1 &
draining=$!
until_true grep -q "$held connections" "$work/drain"
hold_in=${HOLD[1]}
exec {hold_in}>&-
wait "$draining"
is "drained when they are gone" "$? $(tail -n 1 "$work/drain" | sed 's/[0-9]*s$//')" '0 search  green is drained, after '
like "the last arm is not drained" "$("$shearpin" drain search blue 2>&1; echo "$?")" \
    'blue is the only arm of search with a share; shift it first.*1$'
is "taken back" "$(shift_ --rollback)" 'search  blue 100% green 0% -> blue 50% green 50%'
like "a drain for machines" "$("$shearpin" drain search green --json)" \
    '"kind":"drain","destination":"search","arm":"green","status":"drained","open":0'
like "events tell all of it" "$("$shearpin" events --json | grep -c '"step":"drain"')" '^2$'
like "and of which arm" "$("$shearpin" events --json | jq -r 'select(.kind == "shift") | .step + " " + (.arm // "-")' | sort -u | paste -sd,)" \
    'begun green,.*done green,drain green,rolled back -,.*set -,stage green'

# --- an arm that is given by name ---

policy named "destination named
    match     127.0.0.1:$blue
    split     127.0.0.1:$blue   share 50%  as blue
    split     localhost:$green  share 50%  as green"
bare() { SHEARPIN_POLICY=$work/named.conf SHEARPIN_SEGMENT=named LD_PRELOAD=$build/libshearpin.so \
    curl -s --noproxy '*' "http://127.0.0.1:$blue/"; }
is "nobody has looked it up" "$(for _ in {1..6}; do bare; done | sort -u)" blue
"$shearpin" shift named -q -s named blue=0 green=100
is "shift does" "$(bare)" green

end "$green_pid"
