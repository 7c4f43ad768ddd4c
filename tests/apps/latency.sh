#!/bin/bash
# Injected latency: what real programs see of it, blocking or not, and that it is theirs alone.
# PAIRS says how many exchanges a program makes with either port; 1000 takes three minutes.
. "$(dirname "$0")/lib.sh"
pairs=${PAIRS:-60}

coproc SERVER { exec "$python" tests/apps/paired.py serve; }
started+=("$SERVER_PID")
server_in=${SERVER[1]}
read -r -u "${SERVER[0]}" bare late sink
narrow_pids=()

policy late "destination late
    match 127.0.0.1:$late
    deadline response 20s"
run_options=(--private --inject 'latency 100ms on request' --on late)

# measured NAME COMMAND...: it prints the median difference and the median bare time. A machine that has
# more to do than it can is late by itself: then once more, and again.
measured() {
    local name=$1 difference own right once
    shift
    for once in 1 2 3; do
        read -r difference own < <("$@" 2>"$work/errors") || { echo "not ok - $name: $(<"$work/errors")"; return; }
        right=$(awk "BEGIN { print ($difference >= 100 && $difference <= 104) }")
        [ "$right" = 0 ] || break
        echo "# $name: $difference ms at try $once"
    done
    is "$name: 100 to 104 ms more ($difference ms, bare $own ms)" "$right" 1
    below "$name: the other destination is not delayed" "$own" 20
}

for form in block epoll asyncio; do
    measured "python, $form" guarded late "$python" tests/apps/paired.py $form "$bare" "$late" "$pairs"
done
measured node guarded late node tests/apps/paired.js "$bare" "$late" "$pairs"

# --- nginx: who asks it is not guarded. Another one has files. ---

read -r front store < <("$python" -c 'import socket
print(*(s.getsockname()[1] for s in [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]))')
mkdir "$work/front" "$work/store" "$work/www"
# nginx_conf NAME: what both begin with, from stdin the rest
nginx_conf() {
    local at=$work/$1
    cat - >"$at.conf" <<EOF
daemon off; master_process off; pid $at/pid; error_log $at/log;
events { }
http {
    access_log off; client_max_body_size 0;
    client_body_temp_path $at/a; proxy_temp_path $at/b; fastcgi_temp_path $at/c;
    uwsgi_temp_path $at/d; scgi_temp_path $at/e;
$(cat)
}
EOF
}
nginx_conf store <<EOF
    server { listen 127.0.0.1:$store; root $work/www; sendfile on; }
EOF
nginx_conf front <<EOF
    upstream bare { server 127.0.0.1:$bare; keepalive 8; }
    upstream late { server 127.0.0.1:$late; keepalive 8; }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server {
        listen 127.0.0.1:$front;
        location /bare/ { proxy_pass http://bare/; }
        location /late/ { proxy_pass http://late/; }
        location /store/ { proxy_pass http://127.0.0.1:$store/; }
    }
EOF
# start_front POLICY: as guarded(), but what ends is nginx itself, not a shell around it
start_front() {
    "$shearpin" run -p "$work/$1.conf" "${run_options[@]}" -- nginx -e "$work/front/log" \
        -c "$work/front.conf" >"$work/front.out" 2>&1 &
    front_pid=$!
    started+=("$front_pid")
}
start_front late
nginx -e "$work/store/log" -c "$work/store.conf" >"$work/store.out" 2>&1 &
started+=($!)
until_true curl -s --noproxy '*' -o /dev/null "http://127.0.0.1:$front/bare/"
measured 'nginx, to its upstream' "$python" tests/apps/paired.py http "$front" "$front" "$pairs"

kill "$front_pid" && wait "$front_pid"

# --- bandwidth: ten seconds at 64 KiB/s, down and up, blocking and not ---

head -c 640K /dev/urandom >"$work/www/ten-seconds"
policy narrow "destination narrow
    match 127.0.0.1:$store 127.0.0.1:$sink"
run_options=(--private --inject 'bandwidth 64KiB/s' --on narrow)

# within NAME SECONDS: ten, give or take 5 %
within() { like "$1: 640 KiB in 9.5 to 10.5 s ($2)" "$(awk "BEGIN { print ($2 >= 9.5 && $2 <= 10.5) }")" '^1$'; }

guarded narrow curl -s --noproxy '*' -o "$work/got.curl" -w '%{time_total}' \
    "http://127.0.0.1:$store/ten-seconds" >"$work/took.curl" &
curl_pid=$!
for form in 'asyncio get' 'block get' 'asyncio put' 'block put'; do
    # shellcheck disable=SC2086
    guarded narrow "$python" tests/apps/paced.py $form "$store" "$sink" "$work/www/ten-seconds" \
        >"$work/took.${form/ /-}" 2>&1 &
    narrow_pids+=($!)
done
wait "$curl_pid" "${narrow_pids[@]}"
within curl "$(<"$work/took.curl")"
is 'curl: what came is what there was' "$(cmp "$work/got.curl" "$work/www/ten-seconds" && echo same)" same
for form in 'asyncio get' 'block get' 'asyncio put' 'block put'; do
    read -r took same <"$work/took.${form/ /-}"
    within "python, $form" "$took"
    is "python, $form: what came is what there was" "$same" same
done

# --- nothing is lost: 64 MiB (MIB says otherwise) that come late, and in parts ---

head -c "${MIB:-64}M" /dev/urandom >"$work/www/large"
sum=$(sha256sum <"$work/www/large")
run_options=(--private --inject 'latency 20ms' --on narrow --inject 'bandwidth 300MiB/s' --on narrow)
is 'curl: large and late' "$(guarded narrow curl -s --noproxy '*' "http://127.0.0.1:$store/large" | sha256sum)" "$sum"
for form in 'asyncio get' 'block get' 'asyncio put' 'block put'; do
    # shellcheck disable=SC2086
    like "python, $form: large and late" \
        "$(guarded narrow "$python" tests/apps/paced.py $form "$store" "$sink" "$work/www/large" 2>&1)" 'same$'
done
start_front narrow
until_true curl -s --noproxy '*' -o /dev/null "http://127.0.0.1:$front/store/ten-seconds"
is 'nginx, from its upstream: large and late' \
    "$(curl -s --noproxy '*' "http://127.0.0.1:$front/store/large" | sha256sum)" "$sum"
exec {server_in}>&-
