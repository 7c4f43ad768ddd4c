#!/bin/bash
# curl: three processes open the breaker for a fourth program; a probe closes it; deadline; faults.
. "$(dirname "$0")/lib.sh"
start_dependency

policy curl "destination d
    match 127.0.0.1:$port
    deadline connect 300ms
    breaker streak 3  open 500ms..500ms  probe 1  close 1"

like "a healthy dependency answers" "$(curl_says curl "$url")" '^HTTP 200'
become down
for n in 1 2 3; do
    like "refused by the kernel, $n of 3" "$(curl_says curl "$url")" '^exit 7 '
done
is "the breaker is open" "$(state curl d)" open
become up
before=$accepted
like "the fourth curl is refused" "$(curl_says curl "$url")" '^exit 7 '
like "python3 is refused too" "$(guarded curl "$python" -c "
import socket
try: socket.create_connection(('127.0.0.1', $port))
except OSError as error: print(type(error).__name__)")" '^ConnectionRefusedError$'
become count
is "neither reached the listener" "$accepted" "$before"

"$shearpin" wait -s curl d half-open --timeout 10s
crowd=()
for n in {1..16}; do
    curl_says curl "$url" >"$work/crowd.$n" &
    crowd+=($!)
done
wait "${crowd[@]}"
answered=$(cat "$work"/crowd.* | grep -c '^HTTP 200')
at_least "a probe got through" "$answered" 1
is "the breaker is closed" "$(state curl d)" closed

become deaf
said=$(curl_says curl "$url")
like "a deaf dependency: the connect deadline ends it" "$said" '^exit (7|28) '
at_least "not before the deadline" "${said##* }" 0.3
below "soon after it" "${said##* }" 1
become up

policy faults "destination d
    match 127.0.0.1:$port"
run_options=(--inject 'refuse' --on d)
like "refuse injected" "$(curl_says faults "$url")" '^exit 7 '
run_options=()
like "and nothing stays behind" "$(curl_says faults "$url")" '^HTTP 200'

# the dependency itself
"$python" -c '
import socket, struct, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()' "$port"
like "a client that resets while it is read is not the last one" "$(curl_says faults "$url")" '^HTTP 200'
