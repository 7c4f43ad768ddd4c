#!/bin/bash
# health and ready, as a probe asks them: by exit status, with the reason for people.
. "$(dirname "$0")/lib.sh"

start_dependency
policy health "destination payments
    match    127.0.0.1:$port
    breaker  streak 3  open 60s
    slo      errors < 50% for 1m
destination other
    match    127.0.0.9:1"

# health|ready OPTION...: what it says in $said, its status in $status
ask() {
    said=$("$shearpin" "$1" -s health "${@:2}" 2>&1)
    status=$?
}
is_asked() { # NAME STATUS FIRST-WORDS COMMAND...
    ask "${@:4}"
    like "$1" "$status $said" "^$2 $3"
}

is_asked 'no segment: not ready' 3 'shearpin: ' ready
is_asked 'and none to be healthy' 3 'shearpin: ' health
become up
guarded health curl -s -o /dev/null "$url"
is_asked 'all is well' 0 'healthy$' health
is_asked 'but nothing is attached' 1 'not ready  no process is attached' ready
# The probe that waits sees the first process come.
"$shearpin" ready -s health --checks 2000 --every 5ms >"$work/ready" &
waits=$!
mkfifo "$work/hold"
exec 9<>"$work/hold"
"$shearpin" run -p "$work/health.conf" -- "$python" -c 'import sys; sys.stdin.read()' <"$work/hold" &
started+=("$!")
wait "$waits"
is 'ready waits until there is one' "$? $(cut -d' ' -f1 "$work/ready")" '0 ready'

become down
for _ in 1 2 3; do guarded health curl -s -o /dev/null "$url"; done
is 'the breaker is open' "$(state health payments)" open
is_asked 'unhealthy' 1 'unhealthy' health
like 'with the destination and the reason' "$said" 'payments +unhealthy +open: 3 refused in a row; probe in'
is_asked 'not ready' 1 'not ready' ready
is_asked 'the other one is asked alone' 0 'healthy$' health other
is_asked 'a name that is none' 3 'shearpin: .* did you mean' health paymens
is_asked 'in a row' 1 'unhealthy  \(3 checks\)' health --checks 3 --every 1ms
is 'once and no more' "$(grep -c unhealthy <<<"$said")" 2
is_asked 'quietly' 1 '$' health -q
is 'for machines' "$("$shearpin" health -s health --json | jq -r '"\(.health) \(.destinations[0].health) \(.destinations[1].health)"')" \
    'unhealthy unhealthy healthy'

# A check that comes out well ends the row.
"$shearpin" health -s health --checks 2000 --every 5ms >"$work/health" &
waits=$!
"$shearpin" reset -q -s health payments
wait "$waits"
is 'one that is well ends it' "$?" 0

ask health
like 'a broken slo is degraded' "$status $said" '^0 degraded.*payments +degraded +slo errors < 50% for 1m is broken: 7[0-9].[0-9]%'
is_asked 'strictly, that is a no' 1 'degraded' health --strict
is_asked 'ready, degraded' 0 'ready, degraded' ready
"$shearpin" reload -q -s health "$work/health.conf" 2>/dev/null
policy health "destination payments
    match    127.0.0.1:$port
    mode     observe
    breaker  streak 3  open 60s"
"$shearpin" reload -s health "$work/health.conf" >/dev/null
for _ in 1 2 3; do guarded health curl -s -o /dev/null "$url"; done
is_asked 'only observed: degraded' 0 'degraded' health
like 'for it refuses nothing' "$said" 'payments +degraded +open: .*only observed'
"$shearpin" disable -q -s health
is_asked 'disabled: degraded' 0 'degraded' health
