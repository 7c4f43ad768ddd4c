#!/bin/bash
# Unmodified programs against dependencies that hang, each in its own way: a table of program, case,
# bound, measured time and message. SYSLOG_SECONDS=60 for the long form of the last case.
#
# The time is what moments.c saw from between program and shim: from the program's last send (or
# last byte, or its connect) to the return of the call in which it waited.
# shellcheck disable=SC2016 # perl and other shells have dollars of their own
. "$(dirname "$0")/lib.sh"

D=500 # ms, every deadline here
LATE=20 # what may come on top of it: max(20 ms, 2 %)
TRIES=3 # a row that is late is measured again: other tests use this machine, too
lib=$build/libshearpin.so
moments=$build/tests/libmoments.so
export HOME=$work GIT_TERMINAL_PROMPT=0 NODE_TLS_REJECT_UNAUTHORIZED=0 NODE_NO_WARNINGS=1
export MOMENTS_FILE=$work/moments

# --- dependencies and policy ---

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1 \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
coproc SERVERS { exec "$python" tests/apps/servers.py "$work/cert.pem" "$work/key.pem"; }
started+=("$SERVERS_PID")
declare -A port_of
while read -r -u "${SERVERS[0]}" name number && [ -n "$name" ]; do port_of[$name]=$number; done

at() { echo "127.0.0.1:${port_of[$1]}"; }
base="destination hang
    match $(at hang) $(at tls) $(at tlsrest)
    deadline response ${D}ms
destination half
    match $(at half) $(at tlshalf) $(at h2)
    deadline response ${D}ms  idle ${D}ms
destination unread
    match $(at unread)
    deadline send ${D}ms
destination deaf
    match $(at deaf) 10.9.0.2
    deadline connect ${D}ms
destination sink
    match $(at sink)
    exchange none
    deadline response ${D}ms  send ${D}ms  idle ${D}ms
    breaker streak 1"
policy base "$base"
# Where TLS is not libssl's or gnutls's own reading, `idle` covers what comes after a ticket.
policy idle "destination idle
    match 127.0.0.1
    deadline response ${D}ms  idle ${D}ms"
policy greeting "destination greeting
    match $(at hang)
    exchange greeting
    deadline response ${D}ms"

# --- one row ---

inside=() # a command in front of every program: nsenter
use=base  # the policy
wait_limit=15

stamped() {
    SHEARPIN_POLICY=$work/$use.conf LD_PRELOAD=$moments:$lib \
        timeout "$wait_limit" "${inside[@]}" "$@" </dev/null >"$work/out" 2>&1
}

# worst FIELD...: "LEAST MOST" in ms over all lines, each being its smallest field that is not -1.
# `close` counts where the program never asked for the error.
worst() {
    local lines=$work/moments
    grep -qv '^close ' "$lines" && lines=$work/told && grep -v '^close ' "$work/moments" >"$lines"
    awk -v fields="$*" 'BEGIN { n = split(fields, f, " ") }
        { m = -1; for (i = 1; i <= n; i++) if ($f[i] >= 0 && (m < 0 || $f[i] < m)) m = $f[i]
          if (m < 0) next
          if (least == "" || m < least) least = m; if (m > most) most = m }
        END { if (least != "") printf "%.1f %.1f\n", least / 1000, most / 1000 }' "$lines"
}

# measured FROM: sent, dialed, or quiet for whichever of sent and heard came last
measured() {
    case $1 in
    sent) worst 2 ;;
    quiet) worst 2 3 ;;
    dialed) worst 4 ;;
    esac
}

printf '%-22s %-14s %8s %10s %6s  %s\n' program case bound measured tries message

# row PROGRAM CASE FROM MESSAGE COMMAND...; the message is a regex that its output must have
row() {
    local program=$1 case=$2 from=$3 message=$4 tries least most said good
    shift 4
    for ((tries = 1; tries <= TRIES; tries++)); do
        : >"$work/moments"
        "${runner:-stamped}" "$@"
        read -r least most <<<"$(measured "$from")"
        said=$(grep -aiEm1 -- "$message" "$work/out" | tr -d '\r' | sed 's/^[[:space:]]*//' | cut -c1-70)
        good=$(awk "BEGIN { print (\"$least\" != \"\" && ${least:-0} >= $D && ${most:-0} <= $D + $LATE) }")
        [ "$good" = 1 ] && [ -n "$said" ] && break
    done
    ((tries <= TRIES)) || tries=$TRIES
    printf '%-22s %-14s %8d %10s %6d  %s\n' "$program" "$case" $((D + LATE)) "${most:--}" "$tries" "$said"
    if [ "$good" = 1 ] && [ -n "$said" ]; then
        echo "ok - $program, $case"
    else
        echo "not ok - $program, $case: measured ${least:-nothing} to ${most:-nothing} ms"
        sed 's/^/    /' "$work/moments"
        tail -n 5 "$work/out" | cut -c1-200 | sed 's/^/    | /'
    fi
}

# --- programs ---

py() { # py CODE ARGUMENT...
    local code=$1
    shift
    row_command=("$python" -c "$code" "$@")
}
late='timed? ?out|ETIMEDOUT|TimeoutError'
http_client='
import http.client, ssl, sys
kind, port = sys.argv[1], int(sys.argv[2])
c = (http.client.HTTPSConnection("127.0.0.1", port, context=ssl._create_unverified_context())
     if kind == "https" else http.client.HTTPConnection("127.0.0.1", port))
c.request("GET", "/")
print(len(c.getresponse().read()))'
asyncio_client='
import asyncio, ssl, sys
async def ask():
    context = ssl._create_unverified_context() if sys.argv[1] == "https" else None
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]), ssl=context)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    print(len(await reader.read()))
asyncio.run(ask())'
urllib_threads='
import concurrent.futures as f, sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def ask(_):
    try: opener.open("http://127.0.0.1:%s/" % sys.argv[1]).read(); return "answered"
    except OSError as error: return str(error)
with f.ThreadPoolExecutor(16) as pool:
    print(*sorted(set(pool.map(ask, range(16)))))'
connect_client='
import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])))'
connect_asyncio='
import asyncio, sys
asyncio.run(asyncio.open_connection(sys.argv[1], int(sys.argv[2])))'
sendall_client='
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(bytes(64 << 20))'
node_http='
const [url, size] = process.argv.slice(1);
const q = require(url.split(":")[0]).request(url, {method: size ? "PUT" : "GET"},
    r => { r.on("data", () => {}); r.on("error", e => console.log(e.code)); });
q.on("error", e => console.log(e.code));
q.end(size ? Buffer.alloc(+size) : undefined)'
node_fetch='
fetch(process.argv[1]).then(r => r.text()).catch(e => console.log((e.cause || e).code, (e.cause || e).message))'
node_h2='
const s = require("http2").connect(process.argv[1]);
s.on("error", e => { console.log(e.code); process.exit(1) });
s.request({":path": "/"}).on("error", e => { console.log(e.code); process.exit(1) }).end()'
node_connect='
require("net").connect(+process.argv[2], process.argv[1]).on("error", e => console.log(e.code))'
perl_http='
use HTTP::Tiny; my $r = HTTP::Tiny->new(timeout => 60)->get($ARGV[0]); print $r->{content}'
perl_socket='
use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => $ARGV[1]) or die "$@\n";'

curl=(curl -sS --noproxy '*' -o /dev/null)
wget=(wget --no-config --no-proxy -t 1 -O /dev/null)
java=(java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$work" Ask)
javac -d "$work" tests/apps/Ask.java 2>"$work/javac" || cat "$work/javac"
psql_to() { echo "host=$1 port=$2 user=u dbname=d sslmode=disable gssencmode=disable"; }

# --- 1. accepts, and then hangs ---

http=http://$(at hang)/
row curl hang sent "$late" "${curl[@]}" "$http"
row wget hang sent "$late" "${wget[@]}" "$http"
py "$http_client" http "${port_of[hang]}"
row 'python http.client' hang sent "$late" "${row_command[@]}"
py "$asyncio_client" http "${port_of[hang]}"
row 'python asyncio' hang sent "$late" "${row_command[@]}"
py "$urllib_threads" "${port_of[hang]}"
row 'python urllib x16' hang sent "$late" "${row_command[@]}"
row redis-cli hang sent "$late" redis-cli -p "${port_of[hang]}" ping
row psql hang sent "$late" psql "$(psql_to 127.0.0.1 "${port_of[hang]}")"
row 'node http' hang sent "$late" node -e "$node_http" "$http"
row 'node fetch' hang sent "$late" node -e "$node_fetch" "$http"
row 'java URLConnection' hang sent "$late" "${java[@]}" urlconnection "$http"
row 'java HttpClient' hang sent "$late|no bytes" "${java[@]}" httpclient "$http"
row 'perl HTTP::Tiny' hang sent "$late" perl -e "$perl_http" "$http"
row 'git clone' hang sent "$late" git clone -q "${http}x.git" "$work/clone"
# nc ends at POLLERR without a word: so it does when a peer resets, unguarded.
row nc hang sent 'status' bash -c 'printf "GET / HTTP/1.0\r\n\r\n" | nc -v 127.0.0.1 "$0"; echo "status $?"' "${port_of[hang]}"

# nginx is the guarded program; whoever asks it is not. It answers 502 or 504.
nginx_proxy() {
    local proxy=$work/nginx.$1 listen pid
    listen=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    printf 'daemon off; user root; pid %s.pid; error_log %s.log; events {}
http { access_log off; client_body_temp_path %s.b; proxy_temp_path %s.p; fastcgi_temp_path %s.f;
uwsgi_temp_path %s.u; scgi_temp_path %s.s; proxy_read_timeout 60s;
server { listen 127.0.0.1:%d; location / { proxy_pass http://%s; } } }\n' \
        "$proxy" "$proxy" "$proxy" "$proxy" "$proxy" "$proxy" "$proxy" "$listen" "$1" >"$proxy.conf"
    SHEARPIN_POLICY=$work/$use.conf LD_PRELOAD=$moments:$lib \
        nginx -e "$proxy.log" -c "$proxy.conf" >"$work/nginx.out" 2>&1 &
    pid=$!
    until_true nc -z 127.0.0.1 "$listen"
    curl -sS --noproxy '*' -o /dev/null --max-time 10 -w 'answered %{http_code}\n' "http://127.0.0.1:$listen/" >"$work/out" 2>&1
    kill "$pid"
    wait "$pid"
}
runner=nginx_proxy
row 'nginx (proxy)' hang sent 'answered 50[24]' "$(at hang)"
runner=

# --- 2. no SYN is answered: a full backlog, and a peer that is not there ---

connecting() { # CASE HOST PORT
    py "$connect_client" "$2" "$3"
    row 'python, blocking' "$1" dialed "$late" "${row_command[@]}"
    py "$connect_asyncio" "$2" "$3"
    row 'python asyncio' "$1" dialed "$late" "${row_command[@]}"
    row curl "$1" dialed 'after [0-9]+ ms' "${curl[@]}" "http://$2:$3/"
    row wget "$1" dialed "$late" "${wget[@]}" "http://$2:$3/"
    row nc "$1" dialed "$late" nc -v "$2" "$3"
    row redis-cli "$1" dialed "$late" redis-cli -h "$2" -p "$3" ping
    row psql "$1" dialed "$late" psql "$(psql_to "$2" "$3")"
    row 'node net' "$1" dialed "$late" node -e "$node_connect" "$2" "$3"
    row 'java URLConnection' "$1" dialed "$late" "${java[@]}" urlconnection "http://$2:$3/"
    row 'java HttpClient' "$1" dialed "$late|ConnectException" "${java[@]}" httpclient "http://$2:$3/"
    row 'perl IO::Socket' "$1" dialed "$late" perl -e "$perl_socket" "$2" "$3"
    row 'ssh' "$1" dialed "$late" ssh "${ssh_options[@]}" -p "$3" "nobody@$2"
}
ssh_options=(-F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null)
connecting 'full backlog' 127.0.0.1 "${port_of[deaf]}"
runner=nginx_proxy
row 'nginx (proxy)' 'full backlog' dialed 'answered 50[24]' "$(at deaf)"
runner=

# A namespace of our own, which ends with the process that holds it.
unshare -n sleep 600 &
holder=$!
started+=("$holder")
inside=(nsenter "--net=/proc/$holder/ns/net")
lonely() { [ "$(readlink "/proc/$holder/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
nobody() {
    until_true lonely &&
        "${inside[@]}" ip link add ve0 type veth peer name ve1 &&
        "${inside[@]}" ip addr add 10.9.0.1/24 dev ve0 &&
        "${inside[@]}" ip link set ve0 up && "${inside[@]}" ip link set ve1 up &&
        "${inside[@]}" ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev ve0 nud permanent
}
if [ "$(id -u)" = 0 ] && nobody; then
    connecting 'no such peer' 10.9.0.2 80
else
    echo 'ok - no such peer # SKIP no network namespace without root'
fi
inside=()

# --- 3. TLS 1.3: handshake and tickets, then nothing; HTTP/2: SETTINGS and its acknowledgement ---

https=https://$(at tls)/ h2=https://$(at h2)/
row 'curl https' tls sent "$late" "${curl[@]}" -k --http1.1 "$https"
row 'wget https' tls sent "$late|pull function" "${wget[@]}" --no-check-certificate "$https"
py "$http_client" https "${port_of[tls]}"
row 'python https' tls sent "$late|RemoteDisconnected" "${row_command[@]}"
row 'redis-cli --tls' tls sent "$late" redis-cli --tls --insecure -p "${port_of[tls]}" ping
row 'git clone https' tls sent "$late" git -c http.sslVerify=false clone -q "${https}x.git" "$work/clone"
row 'openssl s_client' tls sent "$late|errno=110" bash -c 'printf "GET / HTTP/1.0\r\n\r\n" | openssl s_client -quiet -ign_eof -connect "$0"' "$(at tls)"
use=idle
py "$asyncio_client" https "${port_of[tls]}"
row 'python asyncio ssl' 'tls, idle' quiet "$late" "${row_command[@]}"
row 'node https' 'tls, idle' quiet "$late" node -e "$node_http" "$https"
row 'node fetch https' 'tls, idle' quiet "$late" node -e "$node_fetch" "$https"
row 'java URLConnection' 'tls, idle' quiet "$late" "${java[@]}" urlconnection "$https"
row 'java HttpClient' 'tls, idle' quiet "$late|no bytes" "${java[@]}" httpclient "$https"
use=base
row 'curl https' 'http/2, idle' quiet "$late" "${curl[@]}" -k --http2 "$h2"
row 'node http2' 'http/2, idle' quiet "$late" node -e "$node_h2" "$h2"
row 'java HttpClient' 'http/2, idle' quiet "$late|no bytes" "${java[@]}" httpclient "$h2"

# The last flight of a handshake asks for nothing: a connection may rest after it. A thread that waits
# for something else is who would find it due.
py 'import os, select, socket, ssl, sys, threading, time
threading.Thread(target=select.select, args=([os.pipe()[0]], [], []), daemon=True).start()
s = ssl._create_unverified_context().wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
time.sleep(3 * int(sys.argv[2]) / 1000)
s.sendall(b"still there")
print(s.recv(100))' "${port_of[tlsrest]}" "$D"
stamped "${row_command[@]}"
is 'a TLS connection rests after its handshake' "$(cat "$work/out")" "b'still there'"

# --- 4. headers and half a body, then nothing ---

half=http://$(at half)/ halves=https://$(at tlshalf)/
row curl 'half, idle' quiet "$late" "${curl[@]}" "$half"
row 'curl https' 'half, idle' quiet "$late" "${curl[@]}" -k "$halves"
row wget 'half, idle' quiet "$late" "${wget[@]}" "$half"
row 'wget https' 'half, idle' quiet "$late|pull function" "${wget[@]}" --no-check-certificate "$halves"
py "$http_client" http "${port_of[half]}"
row 'python http.client' 'half, idle' quiet "$late" "${row_command[@]}"
py "$asyncio_client" http "${port_of[half]}"
row 'python asyncio' 'half, idle' quiet "$late" "${row_command[@]}"
row 'node http' 'half, idle' quiet "$late" node -e "$node_http" "$half"
row 'node https' 'half, idle' quiet "$late" node -e "$node_http" "$halves"
row 'node fetch' 'half, idle' quiet "$late" node -e "$node_fetch" "$half"
row 'java URLConnection' 'half, idle' quiet "$late" "${java[@]}" urlconnection "$half"
row 'java HttpClient' 'half, idle' quiet "$late|bytes received" "${java[@]}" httpclient "$half"
row 'perl HTTP::Tiny' 'half, idle' quiet "$late" perl -e "$perl_http" "$half"

# --- 5. a peer that stops reading ---

unread=http://$(at unread)/
truncate -s 64M "$work/big"
row 'curl -T' send sent "$late" "${curl[@]}" -H Expect: -T "$work/big" "$unread"
py "$sendall_client" "${port_of[unread]}"
row 'python sendall' send sent "$late" "${row_command[@]}"
row 'node http PUT' send sent "$late" node -e "$node_http" "$unread" 67108864
row nc send sent 'status' bash -c 'nc -v 127.0.0.1 "$0" <"$1"; echo "status $?"' "${port_of[unread]}" "$work/big"

# --- 6. a server that should speak first ---

use=greeting
row ssh greeting quiet "$late" ssh "${ssh_options[@]}" -p "${port_of[hang]}" nobody@127.0.0.1
row mariadb greeting dialed "$late|110" mariadb --no-defaults --skip-ssl -h127.0.0.1 "-P${port_of[hang]}" -uroot
use=base

# --- 7. one-way syslog: nothing is outstanding, nothing is cut ---

seconds=${SYSLOG_SECONDS:-6}
lines=$((seconds * 10))
slowly='import sys, time
for i in range(int(sys.argv[1])): print("line", i, flush=True); time.sleep(0.1)'
sleepy='import logging, logging.handlers, socket, sys, time
h = logging.handlers.SysLogHandler(("127.0.0.1", int(sys.argv[2])), socktype=socket.SOCK_STREAM)
h.append_nul = False; h.ident = ""; h.setFormatter(logging.Formatter("%(message)s\n"))
log = logging.getLogger("x"); log.addHandler(h)
for i in range(int(sys.argv[1])): log.error("line %d", i); time.sleep(0.1)'
received() { printf COUNT | nc -N 127.0.0.1 "${port_of[sink]}"; }
all_received() { [ "$(received)" = $((2 * lines)) ]; }
"$python" -c "$slowly" "$lines" |
    SHEARPIN_POLICY=$work/base.conf LD_PRELOAD=$lib logger --tcp -n 127.0.0.1 -P "${port_of[sink]}" -t t &
logger=$!
SHEARPIN_POLICY=$work/base.conf LD_PRELOAD=$lib "$python" -c "$sleepy" "$lines" "${port_of[sink]}" >"$work/out" 2>&1
is 'SysLogHandler: ends well' "$? $(cat "$work/out")" '0 '
wait "$logger"
is 'logger --tcp: ends well' $? 0
until_true all_received
is "one-way syslog for $seconds s: every line arrived" "$(received)" $((2 * lines))
is 'nothing was cut, the breaker is closed' \
    "$(field base sink 'd["state"], sum(d["expired"].values()), d["exchanges"], d["connects"]["ok"]' | sed 's/{[^}]*}/x/')" \
    "('closed', 0, x, 2)"
