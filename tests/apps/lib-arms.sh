# lib-arms.sh - arms that are real nginx servers, and clients that go to them; for the tests of split,
# shift and drain. Source it after lib.sh.
# shellcheck shell=bash disable=SC2154

nginx=$(command -v nginx || echo /usr/sbin/nginx)
free_port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# nginx_conf NAME: a server of one process, from the lines `server { }` on stdin.
nginx_conf() {
    mkdir -p "$work/$1.d"
    cat >"$work/$1.nginx" <<END
daemon off;
master_process off;
pid $work/$1.d/pid;
error_log $work/$1.d/log;
worker_rlimit_nofile 4096;
events { worker_connections 2048; }
http {
    access_log off;
    client_body_temp_path $work/$1.d; proxy_temp_path $work/$1.d; fastcgi_temp_path $work/$1.d;
    uwsgi_temp_path $work/$1.d; scgi_temp_path $work/$1.d;
    $(cat)
}
END
}

# start_nginx NAME PORT [WORD...]: runs it, perhaps guarded, until it listens; its pid is in $pid.
start_nginx() {
    local name=$1 port=$2
    shift 2
    "$@" "$nginx" -c "$work/$name.nginx" 2>>"$work/$name.d/log" &
    pid=$!
    started+=("$pid")
    until_true curl -s -o /dev/null --noproxy '*' "http://127.0.0.1:$port/"
}

# arm NAME PORT [LINES]: answers with its name; LINES stand in its `location /` instead.
arm() {
    nginx_conf "$1" <<END
    reset_timedout_connection on;
    split_clients "\$request_id" \$one_in_twenty { 5% 1; * ""; }
    server { listen 127.0.0.1:$2 backlog=1024; location / { ${3:-return 200 "$1\\n";} } }
END
    start_nginx "$1" "$2"
}
end() { kill "$1" && wait "$1" 2>/dev/null; }

# What a client in python does until the file goes: a new connection for each call. Prints how many
# calls each answer had, failures under their own name.
cat >"$work/calls.py" <<'PYTHON'
import collections, http.client, os, sys, time
port, running = int(sys.argv[1]), sys.argv[2]
said = collections.Counter()
while os.path.exists(running):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    began = time.monotonic()
    try:
        client.request("GET", "/")
        answer = client.getresponse()
        name = answer.read().decode().strip() if answer.status == 200 else str(answer.status)
        said[name] += 1
        if time.monotonic() - began > 0.2:
            said["slow"] += 1
    except (OSError, http.client.HTTPException) as error:
        said[type(error).__name__] += 1
        said["failed"] += 1
    said["calls"] += 1
    client.close()
    time.sleep(float(sys.argv[3]) if len(sys.argv) > 3 else 0.001)
print(" ".join(f"{name}={count}" for name, count in sorted(said.items())))
PYTHON

# load NAME PORT [PAUSE]: that client in the background, until unload prints what it says.
load() {
    touch "$work/running"
    guarded "$1" "$python" "$work/calls.py" "$2" "$work/running" ${3:+"$3"} >"$work/said" &
    loading=$!
    started+=("$loading")
}
unload() {
    rm "$work/running"
    wait "$loading"
    cat "$work/said"
}
# said WORD: how often, in what unload has printed.
said() { sed -n "s/.*\\b$1=\\([0-9]*\\).*/\\1/p;" "$work/said" | grep . || echo 0; }
