#!/bin/bash
# redis-cli and redis-benchmark against a redis-server, over TCP and a unix socket.
. "$(dirname "$0")/lib.sh"

# redis-tools alone brings the server too, as the program that checks its files: under the right
# name it serves. The package redis-server would add a daemon.
server=$(command -v redis-server || command -v redis-check-rdb)
start_redis() {
    (exec -a redis-server "$server" --port "$port" --unixsocket "$socket" --save '' \
        --appendonly no --dir "$work" --daemonize no >"$work/redis.log" 2>&1) &
    redis=$!
    started+=("$redis")
    until_true redis-cli -s "$socket" ping
}
stop_redis() {
    kill "$redis"
    wait "$redis" 2>/dev/null
}

port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
socket=$work/redis.sock
start_redis

policy tcp "destination d
    match 127.0.0.1:$port
    deadline connect 1s
    breaker streak 3  open 60s
    cap 8"
policy unix "destination d
    match unix:$work/*.sock
    breaker streak 3  open 60s"

is "set over tcp" "$(guarded tcp redis-cli -p "$port" set word 7)" OK
is "get over a unix socket" "$(guarded unix redis-cli -s "$socket" get word)" 7
is "a pipeline" "$(printf 'incr word\nincr word\n' | guarded tcp redis-cli -p "$port" | tail -n 1)" 9
is "connects are counted once, though hiredis asks twice" \
    "$(field tcp d 'd["connects"]["ok"]')" 2

# redis-cli never closes its connections: with its processes their places are free, too.
guarded tcp redis-benchmark -p "$port" -n 2000 -c 8 -q -t ping,set >"$work/bench" 2>&1
is "redis-benchmark ends well within the cap" $? 0
is "and leaves no lease" "$(field tcp d 'd["cap"]["in_use"]')" 0
is "and no failure" "$(state tcp d)" closed

stop_redis
for n in 1 2 3; do
    like "refused, $n of 3" "$(guarded tcp redis-cli -p "$port" ping 2>&1)" 'Connection refused'
    guarded unix redis-cli -s "$socket" ping >"$work/out" 2>&1
done
is "tcp: open" "$(state tcp d)" open
is "unix: open" "$(state unix d)" open

start_redis
like "tcp: refused by the breaker" "$(guarded tcp redis-cli -p "$port" ping 2>&1)" 'Connection refused'
like "unix: refused by the breaker" "$(guarded unix redis-cli -s "$socket" ping 2>&1)" 'Connection refused'
"$shearpin" reset -s tcp d
"$shearpin" reset -s unix d
is "tcp: reset closes" "$(guarded tcp redis-cli -p "$port" ping)" PONG
is "unix: reset closes" "$(guarded unix redis-cli -s "$socket" ping)" PONG
