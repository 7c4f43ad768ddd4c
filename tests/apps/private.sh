#!/bin/bash
# run --private: a segment of its own, gone with its last process; nobody else's state is seen.
. "$(dirname "$0")/lib.sh"
start_dependency
become down

policy shared "destination d
    match 127.0.0.1:$port
    breaker streak 2  open 60s"
# dials N times: the last word says whether the listener was reached
dial='
import socket, sys, os
for i in range(int(sys.argv[2])):
    try: socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close(); print("up", flush=True)
    except OSError: print("refused", flush=True)
if len(sys.argv) > 3: sys.stdin.readline()'

guarded shared "$python" -c "$dial" "$port" 2 >/dev/null
is "the shared breaker is open" "$(state shared d)" open
become up

run_options=(--private)
is "a private run does not see it" "$(guarded shared "$python" -c "$dial" "$port" 1)" up

# One private run opens its own breaker and stays; another beside it and one after it see nothing.
become down
mkfifo "$work/hold"
guarded shared "$python" -c "$dial" "$port" 3 stay <"$work/hold" >"$work/first" &
first=$!
started+=("$first")
exec 9>"$work/hold"
until_true sh -c "[ \$(wc -l <'$work/first') = 3 ]"
become up
is "two at once are apart" "$(guarded shared "$python" -c "$dial" "$port" 1)" up
exec 9>&-
wait "$first"
is "the first ended well" $? 0
is "one after the other, too" "$(guarded shared "$python" -c "$dial" "$port" 1)" up
run_options=()
is "the shared one is as it was" "$(guarded shared "$python" -c "$dial" "$port" 1)" refused
one_left() { [ "$(find "$SHEARPIN_DIR" -type f | wc -l)" = 1 ]; }
until_true one_left && echo "ok - and the only one that is left"
