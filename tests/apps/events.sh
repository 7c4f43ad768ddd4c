#!/bin/bash
# Events on their way out: to a command of the user's, to syslog, to a bounded file.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
policy told "destination payments
    match 127.0.0.1:1
    breaker streak 2 open 1m
destination other
    match 127.0.0.2:1
    breaker streak 2 open 1m"
guarded told true

# --- watch: whatever an operator types as a reason, it stays text ---
# shellcheck disable=SC2016
nasty='"; touch hacked; $(touch hacked) `touch hacked` '"' & | > x"
"$shearpin" trip payments --reason "$nasty" >/dev/null
# shellcheck disable=SC2016
"$shearpin" watch payments --since 1h --exec \
    'printf "%s|%s|%s\n" "$SHEARPIN_EVENT_KIND" "$SHEARPIN_EVENT_DESTINATION" "$SHEARPIN_EVENT_TEXT" >>ran' &
watch=$!
started+=("$watch")
until_true grep -q '^trip' ran
is 'the reason reaches the command as it was typed' "$(grep '^trip' ran)" "trip|payments|$nasty"
is 'and none of it was run' "$(find . -name hacked)" ''
"$shearpin" trip other --reason elsewhere >/dev/null
"$shearpin" reset payments --reason 'is back' >/dev/null
until_true grep -q '^reset' ran
is 'what is of another destination is not told' "$(grep -c other ran)" 0
kill "$watch"
wait "$watch"
is 'it ends when it is told' $? 0

# a program that calls: the breaker's own events, in their order, with a reason
# shellcheck disable=SC2016
"$shearpin" watch --since 1h --exec 'echo "$SHEARPIN_EVENT_FROM>$SHEARPIN_EVENT_TO $SHEARPIN_EVENT_REASON by $SHEARPIN_EVENT_COMMAND; $SHEARPIN; $(wc -c)" >>own' 2>watch.err &
watch=$!
started+=("$watch")
for _ in 1 2; do guarded told curl -s --noproxy '*' http://127.0.0.1:1/; done
until_true grep -q refused own
is 'state, reason, who; not guarded itself; nothing on its stdin' "$(grep refused own)" \
    'closed>open 2 refused in a row by curl; off; 0'
kill "$watch"
wait "$watch"

# one that hangs, with what it started
"$shearpin" watch --since 1h --timeout 300ms --exec 'sleep 100 & echo $! >>hung; wait' 2>watch.err &
watch=$!
started+=("$watch")
until_true grep -q 'killed after 300ms' watch.err
like 'a command that hangs is killed' "$(cat watch.err)" 'killed after 300ms: sleep 100'
sleeper=$(head -n 1 hung)
gone() { [ ! -e "/proc/$sleeper" ] || grep -q '^State:.Z' "/proc/$sleeper/status"; }
until_true gone
is 'and what it started' "$(gone && echo gone)" gone
kill "$watch"
wait "$watch"
like 'a command that fails is named' \
    "$(timeout 1 "$shearpin" watch --since 1h --exec 'exit 7' 2>&1)" 'ended with status 7: exit 7'
like 'watch without a command' "$("$shearpin" watch 2>&1 || echo "status $?")" 'needs --exec CMD.*status 2'
like 'an unknown destination' "$("$shearpin" watch paymnets --exec true 2>&1 || echo "status $?")" \
    "did you mean 'payments'.*status 3"

# --- a file of bounded size ---
count() { cat recorded recorded.1 2>/dev/null | grep -c sequence; }
"$shearpin" events --record recorded --max 8KiB
before=$(count)
is 'every event so far' "$before" "$("$shearpin" events | grep -c '')"
"$shearpin" events --record recorded --max 8KiB
is 'a second time adds nothing' "$(count)" "$before"
"$shearpin" trip other >/dev/null
"$shearpin" events --record recorded --max 8KiB
is 'then what is new' "$(count)" $((before + 1))
printf '{"sequence":3' >>recorded
"$shearpin" reset other >/dev/null
"$shearpin" events --record recorded --max 8KiB
is 'the line of a recorder that was killed half way stays alone' \
    "$(tail -n 2 recorded | sed 's/,"time.*other".*/ other/')" '{"sequence":3
{"sequence":'"$("$shearpin" events | grep -c '') other"
for _ in {1..60}; do
    "$shearpin" trip other --reason 'a reason of some length, so that files fill' >/dev/null
    "$shearpin" reset other >/dev/null
done
"$shearpin" events --record recorded --max 8KiB
below 'never more than was said' "$(cat recorded recorded.1 | wc -c)" 8193
at_least 'nor much less' "$(cat recorded recorded.1 | wc -c)" 4096
is 'in order, without a gap' "$(cat recorded.1 recorded | "$python" -c '
import json, sys
n = [json.loads(line)["sequence"] for line in sys.stdin]
print(n == list(range(n[0], n[-1] + 1)), n[-1])')" "True $("$shearpin" events --json | wc -l)"
like 'too small' "$("$shearpin" events --record x --max 1KiB 2>&1 || echo "status $?")" 'at least.*status 5'
like 'nowhere to write' "$("$shearpin" events --record /proc/none/x 2>&1 || echo "status $?")" \
    'cannot append to /proc/none/x: .*status 5'

# a segment that is made anew is followed
"$shearpin" events -f --record again --max 64KiB &
recorder=$!
started+=("$recorder")
until_true grep -q sequence again
"$shearpin" rm told --force >/dev/null
guarded told true
"$shearpin" trip payments --reason anew >/dev/null
until_true grep -q anew again
like 'the successor of a segment is followed' "$(tail -n 1 again)" '"sequence":1,.*anew'
kill "$recorder"
wait "$recorder"

# --- syslog: a /dev of our own with a /dev/log in it ---
cat >syslog.py <<'END'
import os, socket, subprocess, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/dev/log")
s.settimeout(10)
subprocess.run(sys.argv[1:], check=True)
print(s.recv(2000).decode())
END
said=$(unshare -m bash -c '
    mkdir -p dev && mount -t tmpfs none dev && mkdir dev/shm && mount --bind /dev/shm dev/shm &&
    mknod -m 666 dev/null c 1 3 && mknod -m 666 dev/urandom c 1 9 && mount --rbind dev /dev &&
    exec "$@"' - "$python" syslog.py "$shearpin" events --syslog 2>&1)
like 'syslog hears of it' "$said" 'shearpin\[[0-9]+\]: payments  tripped by root: anew \(pid [0-9]+ shearpin\)'
