#!/bin/bash
# Injected latency: what real programs see of it, blocking or not, and that it is theirs alone.
# PAIRS says how many exchanges a program makes with either port; 1000 takes three minutes.
. "$(dirname "$0")/lib.sh"
pairs=${PAIRS:-60}

coproc SERVER { exec "$python" tests/apps/paired.py serve; }
started+=("$SERVER_PID")
server_in=${SERVER[1]}
read -r -u "${SERVER[0]}" bare late

policy late "destination late
    match 127.0.0.1:$late
    deadline response 20s"
run_options=(--private --inject 'latency 100ms on request' --on late)

# measured NAME COMMAND...: it prints the median difference and the median bare time
measured() {
    local name=$1 difference own
    shift
    read -r difference own < <("$@" 2>"$work/errors") || { echo "not ok - $name: $(<"$work/errors")"; return; }
    like "$name: 100 to 104 ms more ($difference ms, bare $own ms)" \
        "$(awk "BEGIN { print ($difference >= 100 && $difference <= 104) }")" '^1$'
    below "$name: the other destination is not delayed" "$own" 20
}

for form in block epoll asyncio; do
    measured "python, $form" guarded late "$python" tests/apps/paired.py $form "$bare" "$late" "$pairs"
done
measured node guarded late node tests/apps/paired.js "$bare" "$late" "$pairs"

# --- nginx: who asks it is not guarded ---

read -r front < <("$python" -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
mkdir "$work/nginx"
cat >"$work/nginx.conf" <<EOF
daemon off; master_process off; pid $work/nginx/pid; error_log $work/nginx/log;
events { }
http {
    access_log off;
    client_body_temp_path $work/nginx/a; proxy_temp_path $work/nginx/b; fastcgi_temp_path $work/nginx/c;
    uwsgi_temp_path $work/nginx/d; scgi_temp_path $work/nginx/e;
    upstream bare { server 127.0.0.1:$bare; keepalive 8; }
    upstream late { server 127.0.0.1:$late; keepalive 8; }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    server {
        listen 127.0.0.1:$front;
        location /bare/ { proxy_pass http://bare/; }
        location /late/ { proxy_pass http://late/; }
    }
}
EOF
guarded late nginx -e "$work/nginx/log" -c "$work/nginx.conf" >"$work/nginx.out" 2>&1 &
started+=($!)
until_true curl -s --noproxy '*' -o /dev/null "http://127.0.0.1:$front/bare/"
measured 'nginx, to its upstream' "$python" tests/apps/paired.py http "$front" "$front" "$pairs"

exec {server_in}>&-
