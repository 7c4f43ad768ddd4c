#!/bin/bash
# nc: blocking reads and writes, a unix socket, and a server under the shim.
. "$(dirname "$0")/lib.sh"
start_dependency

policy nc "destination d
    match 127.0.0.1:$port
    breaker streak 2  open 60s
destination u
    match unix:$work/nc.sock
    breaker streak 2  open 60s"

like "asks and hears" "$(printf 'GET / HTTP/1.0\r\n\r\n' | guarded nc nc -N 127.0.0.1 "$port")" hello
is "the answer is counted" "$(state nc d)" closed
become down
for _ in 1 2; do
    guarded nc nc -z 127.0.0.1 "$port" 2>/dev/null
done
is "nc -z is no less a failure" "$(state nc d)" open
become up
before=$accepted
guarded nc nc -z 127.0.0.1 "$port" 2>/dev/null
is "refused" $? 1
become count
is "before it reaches the listener" "$accepted" "$before"

# A server under the shim: accepted connections are none of ours.
guarded nc nc -lU "$work/nc.sock" </dev/null >"$work/heard" &
listener=$!
started+=("$listener")
until_true test -S "$work/nc.sock"
echo "good day" | guarded nc nc -N -U "$work/nc.sock"
is "says it over a unix socket" $? 0
wait "$listener"
is "to a server that is guarded as well" "$(cat "$work/heard")" "good day"
