#!/bin/bash
# What is written about the command agrees with the command: shearpin(1), shearpin-json(7), and what
# bash completes.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

# --- shearpin(1) ---
"$shearpin" help man >shearpin.1
is 'man has nothing to say against shearpin(1)' "$(man --warnings -E UTF-8 -l shearpin.1 2>&1 >page)" ''
is 'nor against shearpin-json(7)' "$(man --warnings -E UTF-8 -l "$root/docs/shearpin-json.7" 2>&1 >/dev/null)" ''
"$shearpin" help bash >completion
commands=$(sed -n "s/^    local commands='\(.*\)'/\1/p" completion)
at_least 'commands' "$(wc -w <<<"$commands")" 20
missing=
for command in $commands; do
    grep -q "^\\\\fB$command\\\\fR" shearpin.1 || missing+=" $command"
    # every option that the help of the command lists
    for option in $("$shearpin" help "$command" | sed -n 's/^ .*\(--[a-z][a-z-]*\) .*/\1/p'); do
        grep -qF -- "${option//-/\\-}" shearpin.1 || missing+=" $command/$option"
    done
done
is 'every command and every option is in the manual' "$missing" ''
is 'every word of a policy, too' "$(for word in deadline breaker cap limit retry; do
    grep -q "^\\\\fB$word\\\\fR" shearpin.1 || echo "$word"
done)" ''

# --- bash ---
is 'shellcheck likes what bash reads' "$(command -v shellcheck >/dev/null && shellcheck -s bash completion)" ''
policy filled "destination payments
    match 127.0.0.1:1
destination other-one
    match 127.0.0.1:2"
guarded filled true
PATH=$build:$PATH
# shellcheck disable=SC1091
. ./completion
# completed WORDS...: what the last of them may become
completed() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _shearpin
    echo "${COMPREPLY[*]}"
}
is 'a command' "$(completed shearpin stat)" status
is 'its options' "$(completed shearpin trip --r)" --reason
is 'a destination' "$(completed shearpin trip pay)" payments
is 'one of the segment that is named' "$(completed shearpin trip -s filled oth)" other-one
is 'a state' "$(completed shearpin hold payments cl)" closed
is 'a segment' "$(completed shearpin status -s fil)" filled
is 'a topic' "$(completed shearpin help env)" environment
is 'a file' "$(completed shearpin check filled.c)" filled.conf
is 'a file after an option' "$(completed shearpin run -p filled.c)" filled.conf
wrong=
for command in $commands; do
    offered=" $(completed shearpin "$command" --) "
    for option in $("$shearpin" help "$command" | sed -n 's/^ .*\(--[a-z][a-z-]*\) .*/\1/p'); do
        [[ $offered = *" $option "* ]] || wrong+=" $command/$option"
    done
done
is 'every option of every command' "$wrong" ''

# --- shearpin-json(7): what is printed is written down, and what is written down is printed ---
policy json "defaults
    journal 64KiB
destination payments
    match 127.0.0.1:1
    breaker streak 2 open 1m
    cap 4
    retry 1 backoff 1ms..2ms
    slo errors < 50% for 1m
    fallback 127.0.0.1:6 when open
    fallback localhost:7 when open
destination rated
    match 127.0.0.1:2
    breaker rate 50% of 2 in 10s open 1m
    mode enforce 10%
destination slow
    match 127.0.0.1:3
destination probed
    match 127.0.0.1:4
    breaker streak 1 open 10ms
destination scoped
    match 127.0.0.1:5
    breaker streak 1 open 1m scope endpoint eject 100%
destination divided
    match 127.0.0.1:8
    breaker streak 1 open 1m
    split 127.0.0.1:9 share 50% as blue
    split localhost:10 share 50% as green
destination tried
    match 127.0.0.1:7
    breaker streak 1 open 1m
    retry off
experiment quick
    expect nobody notices
    target payments
    steady rps < 1000000 for 1m
    inject refuse
    last 1m
    abort tried opens
experiment slower
    target rated
    inject latency 1ms
    last 1m
    abort errors > 0% for 1m"
export SHEARPIN_SEGMENT=json
for port in 1 1 1 2 2 2 2 4 5 8; do guarded json curl -s --noproxy '*' "http://127.0.0.1:$port/"; done
probed() {
    guarded json curl -s --noproxy '*' http://127.0.0.1:4/
    "$shearpin" events --json | grep -q '"probe"'
}
until_true probed
"$shearpin" status --json >>printed.STATUS
"$shearpin" hold slow open --for 1h --reason maintenance >/dev/null
"$shearpin" status --json >>printed.STATUS
"$shearpin" trip rated --for 1h >/dev/null
"$shearpin" reset slow >/dev/null
"$shearpin" disable slow >/dev/null
"$shearpin" enable slow >/dev/null
"$shearpin" shift divided -q blue=75 green=25
"$shearpin" shift divided --json >printed.SHIFT
"$shearpin" shift divided --to green --checks 1 --probe true --every 50ms --timeout 1s --json >>printed.SHIFT
"$shearpin" drain divided green --json >printed.DRAIN
sed -i 's/^destination scoped/&\n    deadline connect 1s/' json.conf
"$shearpin" reload json.conf >/dev/null
"$shearpin" chaos start quick >/dev/null
aborted() {
    for port in 7 1; do guarded json curl -s --noproxy '*' "http://127.0.0.1:$port/"; done
    "$shearpin" chaos status quick --json | grep -q aborted
}
until_true aborted
"$shearpin" chaos start slower >/dev/null
{ "$shearpin" chaos report quick --json; "$shearpin" chaos report slower --json; } >'printed.CHAOS REPORT'
{ "$shearpin" chaos list --json; "$shearpin" chaos status --json; } >printed.CHAOS
"$shearpin" chaos stop >/dev/null
"$shearpin" events --json >printed.EVENTS
"$shearpin" journal --json >printed.JOURNAL
"$shearpin" whatif -o payments.breaker.streak=1 --json >printed.WHATIF
"$shearpin" slo --json >printed.SLO
"$shearpin" disable >/dev/null
{ "$shearpin" health --json; "$shearpin" ready --json; } >printed.HEALTH
"$shearpin" enable >/dev/null
printf 'destination a\n    deadline conect 1s\n' >wrong.conf
"$shearpin" check wrong.conf --json >printed.CHECK
{ "$shearpin" match 127.0.0.1:1 -p json.conf --json; "$shearpin" match 127.0.0.1:1 -p json.conf -o payments.deadline.connect=2s --json
    "$shearpin" match 127.0.0.1:8 -p json.conf --json; "$shearpin" match 9.9.9.9:9 -p json.conf --json; } >printed.MATCH
policy damaged 'destination d
    match 127.0.0.1:1'
SHEARPIN_SEGMENT=damaged guarded damaged true
truncate -s 4096 "$SHEARPIN_DIR"/*.damaged
"$shearpin" segments --json >printed.SEGMENTS
"$shearpin" version --json >printed.VERSION
guarded json "$python" -c '
import socket, subprocess, sys
l = socket.create_server(("127.0.0.1", 3), reuse_port=True)
s = socket.create_connection(("127.0.0.1", 3)); l.accept(); s.send(b"?")
print(subprocess.run([sys.argv[1], "status", "--waiting", "--json"], env={"SHEARPIN": "off", "SHEARPIN_SEGMENT": "json",
      "SHEARPIN_DIR": sys.argv[2]}, capture_output=True, text=True).stdout)' "$shearpin" "$SHEARPIN_DIR" >printed.WAITING
"$shearpin" run -p json.conf --save printed.RUN --slo 'payments errors < 1%' --slo 'p95 < 1s' -- true 2>/dev/null
for file in printed.*; do
    at_least "something in $file" "$(wc -c <"$file")" 3
done
is 'shearpin-json(7) is what is printed' "$("$python" "$root/tests/apps/json_keys.py" "$root/docs/shearpin-json.7" printed.*)" ''
# every command that prints for machines is in there
missing=
for command in $commands; do
    "$shearpin" help "$command" | grep -q -- '^ .*--json ' || continue
    sed 's/\\-/-/g' "$root/docs/shearpin-json.7" | grep -q "shearpin $command .*--json" || missing+=" $command"
done
is 'every command with --json has its place there' "$missing" ''
