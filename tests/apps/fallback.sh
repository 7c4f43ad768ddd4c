#!/bin/bash
# Fallbacks: another address and canned answers, for real clients; what they cost the destination
# (nothing), what the operator sees, and that the process that answers is nobody's child.
. "$(dirname "$0")/lib.sh"
start_dependency

# --- who is fallen back to: nginx over TCP, TLS and a unix socket; a redis ---

free_port() { "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
other=$(free_port) secure=$(free_port) nobody=$(free_port)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=pay.test \
    -addext subjectAltName=DNS:pay.test -keyout "$work/key" -out "$work/cert" 2>/dev/null
cat >"$work/nginx.conf" <<EOF
daemon off;
master_process off;
pid $work/nginx.pid;
error_log $work/nginx.log;
events { }
http {
    access_log off;
    client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work;
    uwsgi_temp_path $work; scgi_temp_path $work;
    server {
        listen 127.0.0.1:$other;
        listen 127.0.0.1:$secure ssl;
        ssl_certificate $work/cert;
        ssl_certificate_key $work/key;
        location / { return 200 "from the fallback"; }
    }
}
EOF
nginx=$(command -v nginx || echo /usr/sbin/nginx)
"$nginx" -c "$work/nginx.conf" 2>>"$work/nginx.log" &
started+=($!)
redis=$(command -v redis-server || command -v redis-check-rdb)
(exec -a redis-server "$redis" --port 0 --unixsocket "$work/replica.sock" --save '' \
    --appendonly no --dir "$work" --daemonize no >"$work/redis.log" 2>&1) &
started+=($!)
until_true curl -s --noproxy '*' "http://127.0.0.1:$other/"
until_true redis-cli -s "$work/replica.sock" ping

# --- clients: STATUS, the header X-Degraded or -, the body ---

http_client='
import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
try:
    c.request("GET", "/")
    r = c.getresponse()
    print(r.status, r.getheader("X-Degraded", "-"), r.read().decode().strip())
except OSError as error:
    print(type(error).__name__)'
streams='
import asyncio, sys
async def main():
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, body = (await reader.read()).decode().split("\r\n\r\n", 1)
        header = [l.split(": ", 1)[1] for l in head.split("\r\n") if l.startswith("X-Degraded")]
        print(head.split()[1], (header or ["-"])[0], body.strip())
    except OSError as error:
        print(type(error).__name__)
asyncio.run(main())'
# shellcheck disable=SC2016
fetch='
fetch(`http://127.0.0.1:${process.argv[1]}/`).then(async r => console.log(
    r.status, r.headers.get("X-Degraded") || "-", (await r.text()).trim()),
    e => console.log(e.cause.code))'
javac -d "$work" tests/apps/Get.java 2>"$work/javac" || cat "$work/javac"

curl_get() {
    local said
    said=$(guarded "$1" curl -s --noproxy '*' --max-time 20 -D "$work/head" "$url") ||
        { echo "exit $?"; return; }
    echo "$(awk 'NR == 1 { print $2 }' "$work/head")" \
        "$(sed -n 's/^X-Degraded: \(.*\)\r$/\1/p' "$work/head" | grep . || echo -)" "$said"
}
client() {
    case $2 in
    curl) curl_get "$1" ;;
    http.client) guarded "$1" "$python" -c "$http_client" "$port" ;;
    asyncio) guarded "$1" "$python" -c "$streams" "$port" ;;
    node) guarded "$1" node -e "$fetch" "$port" ;;
    java) guarded "$1" java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$work" Get "$url" ;;
    esac
}
clients='curl http.client asyncio node java'

# --- another address ---

policy address "destination d
    match     127.0.0.1:$port
    breaker   streak 2  open 60s
    cap       2
    limit     4/h
    fallback  [::1]:$other  127.0.0.1:$other"
like "one address a line" "$("$shearpin" check "$work/address.conf")" "unexpected '127.0.0.1:$other'"
policy address "destination d
    match     127.0.0.1:$port
    breaker   streak 2  open 60s
    cap       2
    limit     4/h
    fallback  [::1]:$other      when open
    fallback  127.0.0.1:$other  when open"
become down
is "refused by the kernel" "$(curl_get address)" 'exit 7'
is "refused by the kernel again" "$(curl_get address)" 'exit 7'
is "the breaker is open" "$(state address d)" open
for which in $clients; do
    is "$which is answered by the fallback" "$(client address "$which")" '200 - from the fallback'
done
is "none of it counts for the destination" \
    "$(field address d 'd["connects"]["ok"], d["exchanges"]["ok"], d["refused_total"], d["errors_ratio"]')" \
    '(0, 0, 0, 1)'
is "all of it is counted apart" \
    "$(field address d 'd["fallback"]["to"], d["fallback"]["total"], d["fallback"]["exchanges"]["ok"]')" \
    "('127.0.0.1:$other', 6, 5)" # java's socket is an IPv6 one: it tried [::1] first
like "the table says where they went" "$("$shearpin" status -s address)" \
    "on fallback 127.0.0.1:$other"
like "the metrics too" "$("$shearpin" metrics -s address)" \
    "shearpin_fallbacks_total\{segment=\"address\",destination=\"d\",to=\"127.0.0.1:$other\"\} 5"
is "an event for the first of them, that says how many followed" \
    "$("$shearpin" events -s address | grep -c "d  fallback 127.0.0.1:$other (first of 5)")" 1
become up

# --- the destination comes back ---

policy back "destination d
    match     127.0.0.1:$port
    breaker   streak 1  open 2s..2s  close 1
    fallback  127.0.0.1:$other  when open"
become down
is "refused" "$(curl_get back)" 'exit 7'
is "then answered elsewhere" "$(curl_get back)" '200 - from the fallback'
become up
"$shearpin" wait -s back d half-open --timeout 10s || echo "not ok - never half-open"
is "a probe goes to the destination" "$(curl_get back)" '200 - hello'
is "closed: so does everything" "$(curl_get back) $(client back http.client)" \
    '200 - hello 200 - hello'

# --- what failed ---

policy failed "destination d
    match     127.0.0.1:$port
    deadline  connect 2s
    breaker   streak 100
    fallback  127.0.0.1:$nobody    when failed
    fallback  127.0.0.1:$other     when failed"
become down
is "a blocking connect that fails goes on to the fallback" "$(client failed http.client)" \
    '200 - from the fallback'
is "and still counts as a failure" \
    "$(field failed d 'd["connects"]["refused"], d["streak"], d["fallback"]["connects"]["refused"]')" \
    '(1, 1, 1)'
for which in curl asyncio node java; do
    is "a pending one of $which too" "$(client failed "$which")" '200 - from the fallback'
done
is "each of them a failure, and then a call elsewhere" \
    "$(field failed d 'd["connects"]["refused"], d["streak"], d["fallback"]["exchanges"]["ok"]')" \
    '(5, 5, 5)'
is "what is answered elsewhere is not healthy" "$("$shearpin" health --strict -s failed d |
    sed -n 's/ *last on.*//; 2p')" "  d              degraded"
like "match names them" "$("$shearpin" match --json -p "$work/failed.conf" "127.0.0.1:$port" |
    "$python" -c 'import json, sys; print(json.load(sys.stdin)["fallbacks"])')" "'to': '127.0.0.1:$other', 'when': 'failed'"
become up
is "while it works, it is asked" "$(client failed http.client)" '200 - hello'

# --- a name, looked up by `run` ---

policy named "destination d
    match     127.0.0.1:$port
    breaker   streak 1  open 60s
    fallback  nowhere.invalid:80
    fallback  localhost:$other"
become down
like "a name that nobody knows is said" "$(curl_get named 2>&1)" 'nowhere.invalid:80 cannot be looked up'
is "the next line is taken" "$(curl_get named 2>/dev/null)" '200 - from the fallback'
like "how old the look-up is" "$("$shearpin" status -s named d)" "localhost:$other: [0-9]+ connections?, .*looked up [0-9]+s ago"
like "check says what needs run" "$("$shearpin" check "$work/named.conf")" \
    "named.conf:6: note: localhost:$other is looked up by .run. and .reload."
like "check says it too" "$("$shearpin" check "$work/named.conf")" 'nowhere.invalid:80 cannot be looked up from here'

# --- what is only observed is not rewritten ---

policy watched "destination d
    match     127.0.0.1:$port
    mode      observe
    breaker   streak 1  open 60s
    fallback  127.0.0.1:$other"
is "observed: refused by the kernel" "$(curl_get watched) $(curl_get watched)" 'exit 7 exit 7'
is "and counted as detected" "$(field watched d 'd["detected"]["breaker"], d["fallback"]["total"]')" '(1, 0)'

# --- the socket stays what it was ---

options='
import socket, sys
family, host, port = getattr(socket, sys.argv[1]), sys.argv[2], int(sys.argv[3])
s = socket.socket(family)
s.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
s.bind(("", 0)) if family == socket.AF_INET else None
before = s.getsockname()[1]
s.connect((host, port))
print(s.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
      s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY),
      s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
      before in (0, s.getsockname()[1]), s.getpeername()[0], s.getpeername()[1])
for turn in range(3):   # kept alive: an open breaker cuts nothing here
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    print(s.recv(4096).split()[1].decode(), end=" ")'
is "options and the bound port hold, exchanges go on" \
    "$(guarded address "$python" -c "$options" AF_INET 127.0.0.1 "$port")" \
    "1 1 77 True 127.0.0.1 $other
200 200 200 "
is "an IPv6 socket gets the IPv4 address mapped" \
    "$(guarded address "$python" -c "$options" AF_INET6 ::ffff:127.0.0.1 "$port")" \
    "1 1 77 True ::ffff:127.0.0.1 $other
200 200 200 "

# --- TLS: the same name in both certificates ---

policy tls "destination d
    match     pay.test
    match     127.0.0.1:$nobody
    breaker   streak 1  open 60s
    fallback  127.0.0.1:$secure  when open"
for want in 'exit 7' 'from the fallback'; do
    said=$(guarded tls curl -s --noproxy '*' --cacert "$work/cert" \
        --resolve "pay.test:$nobody:127.0.0.1" "https://pay.test:$nobody/") || said="exit $?"
    is "over TLS: $want" "$said" "$want"
done

# --- unix sockets ---

policy local "destination d
    match     unix:$work/primary.sock
    breaker   streak 100
    fallback  unix:$work/replica.sock"
is "a unix socket instead of another" "$(guarded local redis-cli -s "$work/primary.sock" ping)" PONG

# --- canned answers ---

cp policies/answers/503.http "$work/"
policy answer "destination d
    match     127.0.0.1:$port
    breaker   streak 1  open 60s
    fallback  respond 503.http  when open"
is "refused" "$(curl_get answer)" 'exit 7'
for which in $clients; do
    like "$which gets the canned answer" "$(client answer "$which")" \
        '^503 shearpin; breaker=open This part is out of service for the moment. Try again in (60|5[0-9]) seconds.$'
done
like "with its header" "$(curl_get answer >/dev/null; cat "$work/head")" 'Retry-After: (60|5[0-9])'
is "answers are figures of their own" \
    "$(field answer d 'd["fallback"]["to"], d["exchanges"]["ok"], d["fallback"]["exchanges"]["ok"]')" \
    "('respond 503.http', 0, 6)"
head -c 300000 /dev/zero >"$work/large"
is "a large upload is heard out" "$(guarded answer curl -s --noproxy '*' -o "$work/said" \
    -w '%{http_code} %{size_upload}' --data-binary "@$work/large" "$url")" '503 300000'
is "chunks are understood" "$(guarded answer curl -s --noproxy '*' -o /dev/null \
    -w '%{http_code}' -T - "$url" <"$work/large")" 503
is "HEAD gets no body" "$(guarded answer curl -s --noproxy '*' -I "$url" | tail -c 4 | od -An -c)" \
    "$(printf '\r\n\r\n' | tail -c 4 | od -An -c)"

helper() {
    local pid
    for pid in /proc/[0-9]*; do
        pid=${pid#/proc/}
        [[ $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") = "shearpin answers $SHEARPIN_DIR/"*".$1 "* ]] &&
            echo "$pid"
    done
}
"$shearpin" run -p "$work/answer.conf" -- sleep 600 & # somebody of the segment lives
sleeper=$!
started+=("$sleeper")
sleeps() { [ "$(cat "/proc/$sleeper/comm")" = sleep ]; }
until_true sleeps
is "there is one process for it" "$(helper answer | wc -l)" 1
pid=$(helper answer)
is "which has no environment" "$(tr -d '\0' <"/proc/$pid/environ")" ''
is "and its input and output nowhere" \
    "$(for fd in 0 1 2; do readlink "/proc/$pid/fd/$fd"; done | sort -u)" /dev/null
is "it is not the program's child" "$(guarded answer "$python" -c '
import os
try: print(os.wait())
except ChildProcessError: print("none")')" none

printf 'HTTP/1.1 200 OK\n\nsorry\n' >"$work/503.http"
sed -i 's/streak 1/streak 3/' "$work/answer.conf"
"$shearpin" reload -q "$work/answer.conf"
says_sorry() { [ "$(guarded answer curl -s --noproxy '*' "$url")" = sorry ]; }
until_true says_sorry && echo "ok - a reload brings the new text"

pid=$(helper answer)
kill -KILL "$pid"
until_true test ! -e "/proc/$pid"
is "without it: a plain refusal" "$(SHEARPIN_SEGMENT=answer \
    LD_PRELOAD="$build/libshearpin.so" curl -s --noproxy '*' "$url" || echo "exit $?")" 'exit 7'
is "that counts as one" "$(field answer d 'd["refused_total"]')" 1
is "the next run starts another" "$(guarded answer curl -s --noproxy '*' "$url")" sorry
pid=$(helper answer)
"$shearpin" serve -q -s answer --listen 127.0.0.1:0 &
serving=$!
started+=("$serving")
kill -KILL "$pid"
another() { [ -n "$(helper answer)" ] && [ "$(helper answer)" != "$pid" ]; }
until_true another
kill "$sleeper"
wait "$sleeper" 2>/dev/null
sorry() { [ "$(SHEARPIN_SEGMENT=answer LD_PRELOAD="$build/libshearpin.so" curl -s --noproxy '*' "$url")" = sorry ]; }
until_true sorry && echo "ok - serve sees to it that there is one, for programs without run"
kill "$serving"
wait "$serving"
none() { [ -z "$(helper "$1")" ]; }
until_true none answer
none answer && echo "ok - it goes when nobody is left"
is "and leaves no sockets" "$(find "$SHEARPIN_DIR" -name "*.answer.answers")" ""

policy crowd "destination d
    match     127.0.0.1:$port
    breaker   streak 100
    fallback  respond 503.http"
crowd=()
for n in {1..12}; do
    guarded crowd curl -s --noproxy '*' "$url" >"$work/crowd-$n" 2>&1 &
    crowd+=($!)
done
wait "${crowd[@]}"
is "twelve that start at once are all answered" "$(cat "$work"/crowd-* | sort | uniq -c | sed 's/^ *//')" \
    '12 sorry'

printf -- '-ERR degraded, breaker %%{state}\r\n' >"$work/redis.answer"
policy silent "destination d
    match     unix:$work/primary.sock
    breaker   streak 1  open 60s
    fallback  respond redis.answer"
like "an answer that is not HTTP" "$(guarded silent redis-cli -s "$work/primary.sock" ping 2>&1)" \
    'ERR degraded, breaker (open|closed)'

# --- mistakes ---

printf 'HTTP/1.1 503 Gone\nRetry-After %%{retry}\n' >"$work/bad.http"
policy bad "destination d
    match     127.0.0.1:443
    breaker   streak 1
    fallback  respond bad.http"
like "a bad answer is found by check" "$("$shearpin" check "$work/bad.conf")" \
    "bad.http:2:13: error: unknown word.*2 . Retry-After %.retry"
like "and stops run" "$(guarded bad true 2>&1; echo "exit $?")" 'bad.http:2:13: error.*exit 125'
policy missing "destination d
    match     127.0.0.1:1
    fallback  respond nothere.http"
like "a missing one too" "$("$shearpin" check "$work/missing.conf")" \
    "missing.conf:4:23: error: .*nothere.http cannot be read: No such file"
chmod o+w "$work/503.http"
like "and one that anybody may change" "$("$shearpin" check "$work/answer.conf")" 'everybody may write to it'
