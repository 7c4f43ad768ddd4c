#!/bin/bash
# The library in a root with an older glibc, by that root's own programs. scripts/older-root makes one
# of Debian 11 (2.31); OLDER_ROOT=DIR is another, with curl, python3, perl, openssl and redis-cli.
. "$(dirname "$0")/lib.sh"

older=${OLDER_ROOT:-$build/older}
if [ -z "${INSIDE:-}" ] && [ -z "${OLDER_ROOT:-}" ]; then
    if [ "$(id -u)" != 0 ] || ! scripts/older-root "$older" >"$work/made" 2>&1; then
        echo "ok - an older glibc # SKIP not root, or no mirror: $(tail -n 1 "$work/made" 2>/dev/null)"
        exit 0
    fi
fi
enter_namespaces "an older glibc"

ip link set lo up
inside=/tmp/shearpin-older.$$
mkdir -p "$older/tmp" "$older/etc" "$older/dev"
mkdir -m 755 "$older$inside" && mkdir -m 700 "$older$inside/segments"
mount --bind /dev "$older/dev"
trap 'umount "$older/dev"; rm -rf "$older$inside"; finish' EXIT
cp "$build/libshearpin.so" "$older$inside/"
start_dependency

# under NAME COMMAND...: in the root, under the library and that policy; bare: without the library
export SHEARPIN_DIR=$older$inside/segments
under() {
    local name=$1 env=(PATH=/usr/sbin:/usr/bin:/sbin:/bin SHEARPIN_DIR="$inside/segments" SHEARPIN_LOG="$inside/log")
    shift
    env+=("SHEARPIN_POLICY=$inside/$name.conf" "LD_PRELOAD=$inside/libshearpin.so" "SHEARPIN_SET=${set:-}")
    [ "$name" != bare ] || env=("${env[0]}")
    chroot "$older" /usr/bin/env -i "${env[@]}" timeout 20 "$@" 2>&1
}
guards() { # NAME LINE...: a policy for the dependency
    printf '%s\n' "segment $1" 'destination d' "    match 127.0.0.1:$port" "${@:2}" >"$older$inside/$1.conf"
}
python_under() { under "$1" python3 -c "$2" "$port"; }
glibc=$(under bare getconf GNU_LIBC_VERSION)
get=(curl -s -o /dev/null -w '%{http_code} %{time_total}' --noproxy '*')

# --- what is healthy ---
guards fine '    deadline connect 2s  response 5s' '    breaker streak 2  open 60s' '    cap 64'
like "$glibc: curl gets its answer" "$(under fine "${get[@]}" "$url")" '^200'
like "python, by poll" "$(python_under fine '
import sys, urllib.request
print(urllib.request.urlopen("http://127.0.0.1:%s/" % sys.argv[1], timeout=9).status)')" '^200$'
is "python, twenty threads" "$(python_under fine '
import http.client, sys, threading
got = []
def ask():
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    c.request("GET", "/"); got.append(c.getresponse().status)
all = [threading.Thread(target=ask) for _ in range(20)]
[t.start() for t in all]; [t.join() for t in all]
print(got.count(200))')" 20
is "python, asyncio and children by vfork, fork and posix_spawn beside an open connection" "$(python_under fine '
import asyncio, os, subprocess, sys
async def main():
    r, w = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    p = await asyncio.create_subprocess_exec("true")
    said = [await p.wait(), subprocess.run(["true"], close_fds=True).returncode]
    said += [os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)[1]]
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    said += [os.waitpid(pid, 0)[1]]
    w.write(b"GET / HTTP/1.0\r\n\r\n")
    print(*said, (await r.readline()).split()[1].decode())
asyncio.run(main())')" '0 0 0 0 200'
# shellcheck disable=SC2016
like "perl" "$(under fine perl -MIO::Socket::INET -e '
    $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]") or die;
    print $s "GET / HTTP/1.0\r\n\r\n"; print scalar <$s>' "$port")" '200 OK'
is "all of them were seen, and none failed" \
    "$(field fine d 'd["connects"]["ok"], d["cap"]["in_use"], d["state"]')" "(24, 0, 'closed')"

# --- what newer libcs have is there, and says what the kernel says ---
is "calls that this libc lacks work as those of the kernel" "$(python_under fine '
import ctypes, os
us = ctypes.CDLL(None, use_errno=True)
a, b, c = os.pipe()[0], os.dup(0), os.open("/", os.O_RDONLY)
said = [us.close_range(a, a, 0), us.close_range(9, 8, 0), ctypes.get_errno()]
said += [us.epoll_pwait2(os.dup(b), None, 1, None, None), ctypes.get_errno()]
us.closefrom(b)
for fd in (b, c):
    try: os.fstat(fd); said.append("open")
    except OSError: said.append("closed")
print(*said)')" '0 -1 22 -1 22 closed closed'

# --- TLS: tickets are no answer ---
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout "$work/key" \
    -out "$work/cert" 2>/dev/null
mkfifo "$work/hold" "$work/up"
exec 7<>"$work/hold" # it ends with its input
tls_server() { # WORD: -www answers, -quiet never does
    tls=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    openssl s_server -accept "127.0.0.1:$tls" -key "$work/key" -cert "$work/cert" "$1" <&7 >"$work/tls" 2>&1 &
    started+=("$!")
    until_true "$python" -c "import socket; socket.create_connection(('127.0.0.1', $tls))"
    printf 'segment tls%s\ndestination d\n    match 127.0.0.1:%s\n    deadline response 700ms\n' \
        "$1" "$tls" >"$older$inside/tls$1.conf"
}
tls_server -www
like "curl over TLS" "$(under tls-www "${get[@]}" -k "https://127.0.0.1:$tls/")" '^200'
like "openssl s_client" "$(printf 'GET / HTTP/1.0\r\n\r\n' |
    under tls-www openssl s_client -quiet -connect "127.0.0.1:$tls")" '200 ok'
tls_server -quiet
like "a server that only shakes hands" "$(under tls-quiet "${get[@]}" -k "https://127.0.0.1:$tls/")" \
    '^000 0\.[789]'

# --- faults, retries, deadlines, the breaker ---
guards slow '    deadline response 5s'
set='d.inject=latency 300ms'
at_least "an injected latency" "$(under slow "${get[@]}" "$url" | sed 's/.* //')" 0.3
set=
guards late '    deadline connect 5s' '    retry 20  backoff 150ms..150ms  on refused'
become down
under late "${get[@]}" "$url" >"$work/late" &
late=$!
refused() { [ "$(field late d 'd["connects"]["refused"]')" != 0 ]; }
until_true refused
become up
wait "$late"
like "a connect that is refused is tried again" "$(cat "$work/late")" '^200'
"$python" -c '
import socket, sys, threading
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
threading.Event().wait()' >"$work/up" &
started+=("$!")
read -r silent <"$work/up"
printf 'segment silent\ndestination d\n    match 127.0.0.1:%s\n    deadline response 500ms\n' "$silent" \
    >"$older$inside/silent.conf"
like "curl: a response deadline" "$(under silent "${get[@]}" "http://127.0.0.1:$silent/")" '^000 0\.[567]'
is "python: the same, blocking" "$(under silent python3 -c '
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET / HTTP/1.0\r\n\r\n"); began = time.time()
try: s.recv(9)
except OSError as e: print(e.errno, 0.49 <= time.time() - began < 0.7)' "$silent")" '110 True'
is "python: the same, a thread that waits before another sends" "$(under silent python3 -c '
import select, socket, sys, threading, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1]))); s.setblocking(False)
p = select.poll(); p.register(s, select.POLLIN)
def ask(): time.sleep(0.2); s.send(b"GET / HTTP/1.0\r\n\r\n")
threading.Thread(target=ask).start()
began = time.time(); p.poll(9000)
print(0.69 <= time.time() - began < 1.3)' "$silent")" True
become down
under fine "${get[@]}" "$url" >"$work/out"
under fine "${get[@]}" "$url" >"$work/out"
is "refusals trip the breaker" "$(state fine d)" open
like "which then refuses curl" "$(under fine "${get[@]}" "$url")" '^000'
is "and python, with nothing sent" "$(python_under fine '
import socket, sys
try: socket.create_connection(("127.0.0.1", int(sys.argv[1])))
except OSError as e: print(e.errno)'; field fine d 'd["rejected"]["breaker"]')" $'111\n2'

# --- redis ---
server=$(command -v redis-server || command -v redis-check-rdb)
redis=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
(exec -a redis-server "$server" --port "$redis" --save '' --appendonly no --dir "$work" \
    --daemonize no >"$work/redis" 2>&1) &
started+=("$!")
until_true redis-cli -p "$redis" ping
printf 'segment redis\ndestination d\n    match 127.0.0.1:%s\n    deadline connect 1s  response 2s\n    cap inflight 8\n' \
    "$redis" >"$older$inside/redis.conf"
is "redis-cli" "$(under redis redis-cli -p "$redis" incrby word 7)" 7
under redis redis-benchmark -p "$redis" -n 2000 -c 8 -q -t set >"$work/bench"
is "redis-benchmark, and no place is left behind" "$?, $(field redis d 'd["cap"]["in_use"]')" '0, 0'

# --- look-ups ---
cat >"$work/dns.py" <<'PYTHON'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
print("up", flush=True)
while True:
    query, who = s.recvfrom(512)
    good = open(sys.argv[1]).read().strip() == "good"
    end = query.index(0, 12) + 5
    ip = b"\x7f\0\0\x01" if good and query[end - 3] == 1 else b""
    answer = query[:2] + bytes([0x81, 0x80 if good else 0x82, 0, 1, 0, bool(ip), 0, 0, 0, 0]) + query[12:end]
    s.sendto(answer + (b"\xc0\x0c" + query[end - 4:end] + bytes([0, 0, 0, 0, 0, 4]) + ip if ip else b""), who)
PYTHON
echo good >"$work/mode"
"$python" "$work/dns.py" "$work/mode" >"$work/up" &
started+=("$!")
read -r _ <"$work/up"
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"$older/etc/resolv.conf"
printf 'segment dns\ndestination d\n    match api.example.com\n    lookup stale 10m\n' >"$older$inside/dns.conf"
become up
ask='
import socket
print(socket.getaddrinfo("api.example.com", 80, type=socket.SOCK_STREAM)[0][4][0], socket.gethostbyname_ex("api.example.com")[2])'
is "names are looked up" "$(python_under dns "$ask")" "127.0.0.1 ['127.0.0.1']"
echo fail >"$work/mode"
is "and known when nobody answers" "$(python_under dns "$ask")" "127.0.0.1 ['127.0.0.1']"
like "by curl, too" "$(under dns "${get[@]}" "http://api.example.com:$port/")" '^200'
is "each of them by the last good answer" "$(field dns d 'd["lookup_stale_total"] >= 3')" True
like "and otherwise not" "$(under bare "${get[@]}" "http://api.example.com:$port/")" '^000'

is "nothing had to be said" "$(cat "$older$inside/log" 2>/dev/null)" ''
