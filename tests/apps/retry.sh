#!/bin/bash
# A dependency that comes up a moment too late is reached, by programs that never try twice. Those
# that block are made to wait, those with an event loop see one slow connect.
. "$(dirname "$0")/lib.sh"

start_dependency
policy late "destination dep
    match    127.0.0.1:$port
    deadline connect 5s
    retry    20  backoff 150ms..150ms  on refused"

cat >"$work/blocking.py" <<'PYTHON'
import http.client, sys
timeout = float(sys.argv[2]) if len(sys.argv) > 2 else None
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=timeout)
c.request("GET", "/")
print(c.getresponse().status)
PYTHON
cat >"$work/loop.py" <<'PYTHON'
import asyncio, sys
async def main():
    r, w = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    w.write(b"GET / HTTP/1.0\r\n\r\n")
    print((await r.readline()).split()[1].decode())
asyncio.run(main())
PYTHON
cat >"$work/kept.py" <<'PYTHON'
import socket, sys
s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20000)
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, b"\x14" + bytes(15))
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
s.bind(("127.0.0.1", port)) # by number: one that the kernel chose goes with a connect that fails
def kept():
    return (s.getsockname(), s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
            s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF), s.getblocking(), s.fileno(),
            s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, 16))
before = kept()
if len(sys.argv) > 2:
    s.settimeout(30)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.settimeout(None)
after = kept()
print(before == after or (before, after))
PYTHON
cat >"$work/get.js" <<'NODE'
require("http").get({port: process.argv[2], host: "127.0.0.1", agent: false},
    r => { console.log(r.statusCode); r.resume(); }).on("error", e => console.log(e.code));
NODE
cat >"$work/fetch.js" <<'NODE'
fetch("http://127.0.0.1:" + process.argv[2] + "/").then(r => console.log(r.status),
    e => console.log(e.cause.code));
NODE

refused() { field late dep 'd["connects"]["refused"]'; }
more_refused() { [ "$(refused)" -gt "$1" ]; }

# late NAME EXPECTED COMMAND...: starts while nobody listens; somebody does after the first refusal.
late() {
    local name=$1 expected=$2 before=0
    shift 2
    [ -e "$SHEARPIN_DIR" ] && before=$(refused 2>/dev/null) && before=${before:-0}
    become down
    guarded late "$@" >"$work/said" 2>&1 &
    local client=$!
    until_true more_refused "${before:-0}"
    become up
    wait "$client"
    is "$name" "$(cat "$work/said")" "$expected"
}

late 'curl' 200 curl -s -o /dev/null --noproxy '*' -w '%{http_code}\n' "$url"
late 'python, blocking' 200 "$python" "$work/blocking.py" "$port"
late 'python, with a timeout of its own' 200 "$python" "$work/blocking.py" "$port" 20
late 'python, asyncio' 200 "$python" "$work/loop.py" "$port"
late 'node, http' 200 node "$work/get.js" "$port"
late 'node, fetch' 200 node "$work/fetch.js" "$port"
late 'options and the bound port survive, blocking' True "$python" "$work/kept.py" "$port"
late 'and waiting in poll' True "$python" "$work/kept.py" "$port" wait
at_least 'each was tried again' "$(field late dep 'd["retries"]["ok"]')" 8
is 'nothing was given up' "$("$shearpin" events -s late | grep -c 'gave up')" 0

# --- nginx: edge-triggered, registered before it connects ---
mkdir -p "$work/nginx"
front=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/nginx.conf" <<NGINX
user root;
daemon off;
pid $work/nginx/pid;
error_log $work/nginx/error.log;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path $work/nginx; proxy_temp_path $work/nginx; fastcgi_temp_path $work/nginx;
    uwsgi_temp_path $work/nginx; scgi_temp_path $work/nginx;
    server {
        listen 127.0.0.1:$front;
        location / { proxy_pass http://127.0.0.1:$port; proxy_next_upstream off; }
    }
}
NGINX
"$shearpin" run -p "$work/late.conf" -- nginx -c "$work/nginx.conf" 2>"$work/nginx/said" &
started+=($!)
until_true curl -s -o /dev/null --noproxy '*' "http://127.0.0.1:$front/"
before=$(refused)
become down
curl -s -o /dev/null --noproxy '*' -w '%{http_code}\n' "http://127.0.0.1:$front/" >"$work/said" &
client=$!
until_true more_refused "$before"
become up
wait "$client"
is 'nginx, as a client of its upstream' "$(cat "$work/said")" 200

# --- what the program asks for itself comes first ---
policy patient "destination dep
    match    127.0.0.1:$port
    retry    20  backoff 5s..5s  on refused"
become down
like "curl --connect-timeout" "$(curl_says patient --connect-timeout 0.3 "$url")" '^exit 28 0\.(29[0-9]|[3-9])'
cat >"$work/timeout.py" <<'PYTHON'
import socket, sys, time
s = socket.socket()
s.settimeout(0.3)
began = time.monotonic()
try:
    s.connect(("127.0.0.1", int(sys.argv[1])))
except OSError as error:
    print(type(error).__name__, 0.29 < time.monotonic() - began < 2)
PYTHON
is 'python settimeout' "$(guarded patient "$python" "$work/timeout.py" "$port")" 'TimeoutError True'
policy total "destination dep
    match    127.0.0.1:$port
    deadline total 400ms
    retry    20  backoff 100ms..100ms  on refused"
like 'deadline total ends it with the last error' "$(curl_says total "$url")" '^exit 7 0\.[0-4]'
like 'and its story says so' "$("$shearpin" events -s total)" \
    'dep  retry gave up   [0-9]+ tries failed in [0-9.]+m?s: [0-9]+ refused; no time is left'
like 'in numbers, too' "$("$shearpin" events -s total --json)" '"end":"time","tries":[0-9]+,"took_s":0\.'

# --- a breaker that opens in the middle ends it; its refusal is not what the program is told ---
policy trips "destination dep
    match    127.0.0.1:$port
    breaker  streak 2  open 60s
    retry    5  backoff 1ms..2ms  on refused"
like 'what the network said' "$(curl_says trips "$url")" '^exit 7'
is 'no try went out against the open breaker' "$(field trips dep 'd["connects"]["refused"]')" 2
like 'the story' "$("$shearpin" events -s trips)" '2 tries failed in .*: 2 refused; a guard refused'

# --- a storm: the kernel counts what really went out, in a network of the test's own ---
policy storm "destination dep
    match    127.0.0.1
    retry    2  backoff 1ms..5ms  on refused"
cat >"$work/storm.py" <<'PYTHON'
import os, socket, sys, time
while not os.path.exists(sys.argv[1]):
    time.sleep(0.001)
for i in range(20):
    s = socket.socket()
    if i % 2:
        s.settimeout(30)
    try:
        s.connect(("127.0.0.1", 9))
        print("connected")
    except ConnectionRefusedError:
        pass
    s.close()
PYTHON
cat >"$work/inside" <<'INSIDE'
ip link set lo up
opens() { awk '$1 == "Tcp:" && $6 ~ /^[0-9]+$/ { print $6 }' /proc/net/snmp; }
before=$(opens)
for _ in $(seq 50); do
    "$2" run -p "$1/storm.conf" -- "$3" "$1/storm.py" "$1/gate" &
    clients+=($!)
done
touch "$1/gate"
for client in "${clients[@]}"; do wait "$client" || echo "a client failed"; done
echo $(($(opens) - before))
INSIDE
if unshare -n true 2>/dev/null; then
    went=$(unshare -n bash "$work/inside" "$work" "$shearpin" "$python")
    below '50 processes, 1,000 calls that are refused: connects' "$went" $((1200 + 150 + 1))
    is 'each of them counted' "$(field storm dep 'sum(d["connects"].values())')" "$went"
    at_least 'within the budget they were tried again' "$(field storm dep 'd["retries"]["failed"]')" 100
    at_least 'what it did not allow is counted' "$(field storm dep 'd["retries"]["over_budget"]')" 100
    told() {
        guarded storm "$python" "$work/storm.py" "$work/gate"
        "$shearpin" events -s storm | grep -q 'refused; [0-9]* others too'
    }
    until_true told
    is 'a storm tells its story once a second, with how many' "$(told && echo yes)" yes
    below 'and does not wash out other events' "$("$shearpin" events -s storm | grep -c 'gave up')" 100
else
    echo 'ok - a storm # SKIP no network namespaces here'
fi

# --- look-ups: a name server that comes up a moment too late, in a network of the test's own ---
policy names 'destination api
    match    *.example.com
    retry    20  backoff 150ms..150ms  on lookup'
cat >"$work/dns.py" <<'PYTHON'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
while True:
    q, peer = s.recvfrom(512)
    name_end = q.index(b"\0", 12) + 1
    known, v4 = b"api" in q, q[name_end:name_end + 2] == b"\0\1"
    a = b"\xc0\x0c\0\1\0\1\0\0\0\1\0\4\x7f\0\0\7" if known and v4 else b""
    s.sendto(q[:2] + (b"\x81\x80" if known else b"\x81\x83") + b"\0\1\0%c\0\0\0\0" % (a != b"") +
             q[12:name_end + 4] + a, peer)
PYTHON
cat >"$work/ask.py" <<'PYTHON'
import socket, sys
try:
    print(socket.getaddrinfo(sys.argv[1], 443, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])
except OSError as error:
    print("NONAME" if error.errno == socket.EAI_NONAME else error)
PYTHON
cat >"$work/names-inside" <<'INSIDE'
work=$1 shearpin=$2 python=$3
ip link set lo up
echo "nameserver 127.0.0.1" >"$work/resolv.conf"
echo "hosts: files dns" >"$work/nsswitch.conf"
mount --bind "$work/resolv.conf" /etc/resolv.conf
mount --bind "$work/nsswitch.conf" /etc/nsswitch.conf
lookups() {
    "$shearpin" status -s names --json api 2>/dev/null |
        "$python" -c 'import json, sys; print(json.load(sys.stdin)["destinations"][0]["connects"]["lookup"])' 2>/dev/null
}
"$shearpin" run -p "$work/names.conf" -- "$python" "$work/ask.py" api.example.com &
client=$!
until [ "$(lookups)" -gt 0 ] 2>/dev/null; do sleep 0.005; done
"$python" "$work/dns.py" &
server=$!
wait "$client"
failed=$(lookups)
"$shearpin" run -p "$work/names.conf" -- "$python" "$work/ask.py" nobody.example.com
"$shearpin" run -p "$work/names.conf" -- curl -s --noproxy '*' --connect-timeout 1 http://api.example.com:1/
echo "$? $(($(lookups) - failed))"
kill "$server"
INSIDE
if unshare -mn true 2>/dev/null; then
    mapfile -t said < <(unshare -mn bash "$work/names-inside" "$work" "$shearpin" "$python")
    is 'a look-up that the name server missed' "${said[0]:-}" 127.0.0.7
    is 'a name that is none is not asked for again' "${said[1]:-} ${said[2]:-}" 'NONAME 7 1'
    is 'look-ups are counted as retries' "$(field names api 'd["retries"]["ok"]')" 1
else
    echo 'ok - look-ups # SKIP no mount and network namespaces here'
fi
