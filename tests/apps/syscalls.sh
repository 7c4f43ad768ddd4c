#!/bin/bash
# A healthy exchange makes no system call of ours: the same counts bare and under deadlines, by
# strace, for a blocking client, an event loop and redis-benchmark. What start and connect cost is
# taken off: each client runs with N exchanges and with 2 N, and the difference must be the same.
. "$(dirname "$0")/lib.sh"

coproc SERVERS { exec "$python" tests/apps/servers.py; }
started+=("$SERVERS_PID")
while read -r -u "${SERVERS[0]}" name number && [ -n "$name" ]; do [ "$name" != echo ] || port=$number; done

policy counts "destination d
    match 127.0.0.1 unix:$work/*.sock
    deadline connect 5s  response 5s
    breaker streak 3  rate 50% of 20 in 10s
    cap 100"

# counts COMMAND...: "syscall count" lines of a run; every run starts with a segment of its own
counts() {
    rm -f "$SHEARPIN_DIR"/*
    strace -f -qq -c -U calls,name -o "$work/strace" "${preload[@]}" "$@" >"$work/out" 2>&1 ||
        cat "$work/out"
    awk '$1 ~ /^[0-9]+$/ && $2 != "total" { print $2, $1 }' "$work/strace" | sort
}
preloads() {
    case $1 in
    bare) preload=() ;;
    guarded) preload=(-E "LD_PRELOAD=$build/libshearpin.so" -E "SHEARPIN_POLICY=$work/counts.conf") ;;
    esac
}
# grows HOW N COMMAND...: what another N exchanges cost; in the command NN stands for their number
grows() {
    local how=$1 n=$2
    shift 2
    preloads "$how"
    counts "${@//NN/$n}" >"$work/once"
    counts "${@//NN/$((2 * n))}" >"$work/twice"
    awk 'NR == FNR { once[$1] = $2; next } $2 - once[$1] { print $1, $2 - once[$1] }' \
        "$work/once" "$work/twice"
    [ "$how" = bare ] || cp "$work/once" "$work/once.guarded"
    [ "$how" = guarded ] || cp "$work/once" "$work/once.bare"
}
same() { # NAME N COMMAND...
    local name=$1 bare guarded
    shift
    bare=$(grows bare "$@")
    guarded=$(grows guarded "$@")
    printf '# %s, %d more exchanges: %s\n' "$name" "$1" "$(tr '\n' ' ' <<<"$guarded")"
    printf '# %s, to start and connect: %s\n' "$name" "$(join -a1 -a2 -e0 -o 0,1.2,2.2 "$work/once.bare" "$work/once.guarded" |
        awk '$2 != $3 { printf "%s %d -> %d  ", $1, $2, $3 }')"
    is "$name: $1 more exchanges cost the same bare and guarded" "$guarded" "$bare"
}

for how in recv read loop poll; do
    same "$how" 500 "$build/tests/exchanges" "$how" "$port" NN
done

# The first three are told by the kernel, and the breaker opens.
closed=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
is "a refusal by an open breaker makes no system call" \
    "$(grows guarded 200 "$build/tests/exchanges" connect "$closed" NN)" $'close 200\nsocket 200'

# redis-benchmark prints its progress by a timer, so its loop turns now and then without a reason.
server=$(command -v redis-server || command -v redis-check-rdb)
socket=$work/redis.sock
(exec -a redis-server "$server" --port 0 --unixsocket "$socket" --save '' --appendonly no \
    --dir "$work" --daemonize no >"$work/redis.log" 2>&1) &
started+=("$!")
until_true redis-cli -s "$socket" ping
for how in bare guarded; do
    preloads $how
    counts redis-benchmark -s "$socket" -c 1 -n 4000 -t get -q >"$work/redis.$how"
done
printf '# redis-benchmark, 4000 exchanges: %s\n' "$(join -a1 -a2 -e0 -o 0,1.2,2.2 "$work/redis.bare" "$work/redis.guarded" |
    awk '{ printf "%s %d/%d  ", $1, $2, $3 }')"
number() { awk -v name="$2" '$1 == name { print $2 }' "$work/redis.$1"; }
for name in sendto recvfrom epoll_wait; do
    more=$(($(number guarded $name) - $(number bare $name)))
    below "redis-benchmark: 4000 exchanges cost ${more#-} $name more or less" "${more#-}" 80
done
is "redis-benchmark: no other call is made by exchanges" \
    "$(awk '$2 > 1000 { print $1 }' "$work/redis.guarded" | tr '\n' ' ')" "$(awk '$2 > 1000 { print $1 }' "$work/redis.bare" | tr '\n' ' ')"
