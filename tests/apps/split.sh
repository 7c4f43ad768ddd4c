#!/bin/bash
# Splits: connections go to the arms of their destination by shares, for real clients and over all
# processes; past an arm whose breaker is open; whoever may not be split goes where it wanted.
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/apps/lib-arms.sh
. tests/apps/lib-arms.sh

front=$(free_port) blue=$(free_port) green=$(free_port) proxy=$(free_port)
arm blue "$blue"
blue_pid=$pid
arm green "$green"

# arm_field SEGMENT ARM EXPRESSION: of `status --json`, a is the arm.
arm_field() {
    field "$1" d "next((lambda a: $3)(a) for a in d['arms'] if a['name'] == '$2')"
}
# both NAME COMMAND...: four calls in a row never go to one of two equal arms alone.
both() {
    local name=$1 i said=()
    shift
    for i in 1 2 3 4; do said+=("$("$@")"); done
    is "$name goes to both arms" "$(printf '%s\n' "${said[@]}" | sort -u | paste -sd' ')" 'blue green'
}

# --- every client, and what it connects to ---

half="destination d
    match     127.0.0.1:$front
    deadline  connect 2s  response 5s
    breaker   streak 3  open 60s
    split     127.0.0.1:$blue   share 50%  as blue
    split     127.0.0.1:$green  share 50%  as green"
policy half "$half"
is "check finds nothing wrong" "$("$shearpin" check "$work/half.conf")" \
    "$work/half.conf: no mistakes, 1 destination"
like "match shows the arms" "$("$shearpin" match -p "$work/half.conf" "127.0.0.1:$front")" \
    "split +127.0.0.1:$blue  share 50%  as blue .*half.conf:6"

cat >"$work/get.py" <<'PYTHON'
import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=None if len(sys.argv) > 2 else 10)
c.request("GET", "/")
print(c.getresponse().read().decode().strip())
PYTHON
cat >"$work/loop.py" <<'PYTHON'
import asyncio, sys
async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    print((await reader.read()).split()[-1].decode())
asyncio.run(main())
PYTHON
cat >"$work/six.py" <<'PYTHON'
import socket, sys
s = socket.socket(socket.AF_INET6)
s.connect(("::ffff:127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET / HTTP/1.0\r\n\r\n")
said, port = s.makefile("rb").read().split()[-1].decode(), s.getpeername()[1]
print(said if port == int(sys.argv[2 if said == "blue" else 3]) else f"{said} at {port}")
PYTHON
cat >"$work/fetch.js" <<'NODE'
fetch("http://127.0.0.1:" + process.argv[2] + "/").then(async r => console.log((await r.text()).trim()),
    e => console.log(e.cause.code));
NODE
javac -d "$work" tests/apps/Get.java 2>"$work/javac" || cat "$work/javac"
both "curl" guarded half curl -s --noproxy '*' "http://127.0.0.1:$front/"
both "python, blocking," guarded half "$python" "$work/get.py" "$front" blocking
both "python with a timeout" guarded half "$python" "$work/get.py" "$front"
both "asyncio" guarded half "$python" "$work/loop.py" "$front"
both "an IPv6 socket" guarded half "$python" "$work/six.py" "$front" "$blue" "$green"
both "node" guarded half node "$work/fetch.js" "$front"
java_get() {
    guarded half java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$work" Get "http://127.0.0.1:$front/" |
        awk '{ print $NF }'
}
both "java" java_get
nginx_conf proxy <<END
    server { listen 127.0.0.1:$proxy; location / { proxy_pass http://127.0.0.1:$front; } }
END
start_nginx proxy "$proxy" "$shearpin" run -p "$work/half.conf" --
both "nginx as the client" curl -s --noproxy '*' "http://127.0.0.1:$proxy/"
guarded half wrk -t1 -c10 -d1s "http://127.0.0.1:$front/" >"$work/wrk"
is "wrk has no errors" "$(grep -cE 'Non-2xx|Socket errors' "$work/wrk")" 0
is "what the arms count is what the destination counts" \
    "$(field half d 'sum(a["exchanges"]["ok"] for a in d["arms"]) == d["exchanges"]["ok"]')" True
is "and so are connects" \
    "$(field half d 'sum(a["connects"]["ok"] for a in d["arms"]) == d["connects"]["ok"]')" True
like "the table shows the shares" "$("$shearpin" status -s half)" 'blue 50%  green 50%'
like "the metrics have the arms" "$("$shearpin" metrics -s half | grep '^shearpin_split_exchanges')" \
    'shearpin_split_exchanges_total\{segment="half",destination="d",arm="green",result="ok"\} [1-9]'

# --- 10,000 connections of 8 processes ---

here() { sed "s/search.internal:9200/127.0.0.1:$front/; s/10.30.1.10:9200/127.0.0.1:$blue/; s/10.30.2.10:9200/127.0.0.1:$green/"; }
here <policies/blue-green.conf >"$work/blue-green.conf"
cat >"$work/many.py" <<'PYTHON'
import collections, os, socket, sys
said = collections.Counter()
for _ in range(int(sys.argv[2])):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
        s.sendall(b"GET / HTTP/1.0\r\n\r\n")
        said[s.makefile("rb").read().split()[-1].decode()] += 1
print(said["blue"], said["green"])
PYTHON
# spread POLICY: how the connections of eight processes were spread, as ALL GREEN
spread() {
    local i pids=()
    for i in 1 2 3 4 5 6 7 8; do
        guarded "$1" "$python" "$work/many.py" "$front" 1250 >"$work/many.$i" &
        pids+=($!)
    done
    wait "${pids[@]}"
    cat "$work"/many.? | awk '{ b += $1; g += $2 } END { print b + g, g }'
}
read -r all over <<<"$(spread blue-green)"
is "8 processes make 10,000 connections" "$all" 10000
like "green has its 5 %, give or take 0.5 ($over)" "$((over >= 450 && over <= 550))" 1
is "each arm knows how many it had" \
    "$(field blue-green search '[a["connections_total"] for a in d["arms"]][1]')" "$over"
here <policies/blue-green.conf | sed 's/share 95%/share 60%/; s/share 5% /share 40%/' >"$work/blue-green.conf"
like "a reload names the change" "$("$shearpin" reload "$work/blue-green.conf")" 'split .*share 5% .*share 40%'
read -r all over <<<"$(spread blue-green)"
like "and green has 40 % ($over)" "$((over >= 3950 && over <= 4050))" 1

policy capped "$half
    cap       3  wait 20s"
read -r all over <<<"$(spread capped)"
is "who waits for a place gets one" "$all" 10000
like "and its arm ($over)" "$((over >= 4950 && over <= 5050))" 1

# --- connections that stand ---

cat >"$work/hold.py" <<'PYTHON'
import os, socket, sys
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(10)]
child = os.fork()
if child == 0: # one that it inherited is its own once it is used
    held[0].sendall(b"GET / HTTP/1.0\r\n\r\n")
    held[0].recv(1)
print(os.getpid(), flush=True)
sys.stdin.read()
PYTHON
standing() { field half d 'sum(a["open_connections"] for a in d["arms"])'; }
is_standing() { [ "$(standing)" = "$1" ]; }
rested=$(standing) # of nginx, while it keeps one
coproc HOLD { guarded half "$python" "$work/hold.py" "$front"; }
read -r -u "${HOLD[0]}" first
read -r -u "${HOLD[0]}" second
is "10 connections stand, one of them for a child, too" "$(standing)" "$((rested + 11))"
kill -9 "$first" "$second"
until_true is_standing "$rested" && echo "ok - and none when their processes were killed"

# --- an arm goes and comes back ---

# opened POLICY ARM: a connection more; is the arm's breaker open by now?
opened() { guarded "$1" "$python" "$work/get.py" "$front"; [ "$(arm_field "$1" "$2" 'a["state"]')" = open ]; }
end "$blue_pid"
until_true opened half blue && echo "ok - the breaker of the dead arm opens"
is "that of the destination does not" "$(state half d)" closed
is "the other has all connections" "$(guarded half "$python" "$work/many.py" "$front" 40)" '0 40'
like "the table says so" "$("$shearpin" status -s half)" 'blue 50% \(open\)  green 50%'
like "health calls that degraded" "$("$shearpin" health -s half; echo $?)" 'degraded.*blue 50% \(open\).*0$'
like "an event names the arm" "$("$shearpin" events -s half)" \
    'd  closed -> open   3 refused in a row on arm blue'
policy soon "${half/60s/200ms..200ms}"
until_true opened soon blue
arm blue "$blue"
blue_pid=$pid
"$shearpin" reset -s half d@blue >/dev/null
both "once it was reset, everything" guarded half "$python" "$work/get.py" "$front"
came_back() { guarded soon "$python" "$work/get.py" "$front" && [ "$(arm_field soon blue 'a["state"]')" = closed ]; }
until_true came_back && echo "ok - without that it comes back by itself when it answers again"
"$shearpin" trip -s half d@green >/dev/null
is "an arm that was tripped gets nothing" "$(guarded half "$python" "$work/many.py" "$front" 40)" '40 0'
"$shearpin" reset -s half d >/dev/null
both "when the destination is reset, everything" guarded half "$python" "$work/get.py" "$front"

# A try that failed is followed by another, which draws its arm anew: nobody sees the dead one.
policy again "$half
    retry     9  backoff 1ms..2ms  budget 100%  on refused"
end "$blue_pid"
is "with retries nobody sees a dead arm" "$(guarded again "$python" "$work/many.py" "$front" 40)" '0 40'
is "nor does an event loop" "$(guarded again "$python" "$work/loop.py" "$front")" green
# Eight processes at once, while the dead arm is probed all the time: who finds its only probe taken
# is sent to the other.
policy probing "${half/60s/20ms..20ms}
    retry     9  backoff 1ms..2ms  budget 100%  on refused"
is "nobody sees one that is probed" "$(spread probing)" '10000 10000'
at_least "and it was" "$("$shearpin" events -s probing | grep -c 'on arm blue')" 4
policy gone "destination d
    match     127.0.0.1:$front
    breaker   streak 1  open 60s
    split     127.0.0.1:$blue   share 100%  as blue
    split     127.0.0.1:$green  share 0%    as green"
guarded gone "$python" "$work/get.py" "$front" >/dev/null 2>&1
is "an arm without a share is no refuge" "$(guarded gone "$python" "$work/get.py" "$front" 2>&1 | tail -1)" \
    'ConnectionRefusedError: [Errno 111] Connection refused'
like "health says so" "$("$shearpin" health -s gone; echo $?)" 'unhealthy.*blue 100% \(open\).*1$'
is "that was refused by us" "$(field gone d 'd["refused_total"]')" 1
policy refuge "destination d
    match     127.0.0.1:$front
    breaker   streak 1  open 60s
    fallback  127.0.0.1:$green  when open
    split     127.0.0.1:$blue   share 100%  as blue"
guarded refuge "$python" "$work/get.py" "$front" >/dev/null 2>&1
is "a fallback is" "$(guarded refuge "$python" "$work/get.py" "$front")" green
arm blue "$blue"

# --- a process that keeps its arm ---

policy sticky "$half
    split     sticky process"
for _ in 1 2 3 4; do guarded sticky "$python" "$work/many.py" "$front" 10; done >"$work/sticky"
is "all connections of a process go to one arm" "$(sort -u "$work/sticky" | paste -sd' ')" '0 10 10 0'

# --- by name ---

policy named "destination d
    match     127.0.0.1:$front
    split     localhost:$blue    share 50%  as blue
    split     localhost:$green   share 50%  as green"
both "what is looked up by name" guarded named "$python" "$work/get.py" "$front"
like "status says how old that is" "$("$shearpin" status -s named d)" \
    "blue 50%  localhost:$blue \([12] address(es)?, looked up [0-9]+s ago\)"
policy lost "destination d
    match     127.0.0.1:$front
    split     nowhere.invalid:$blue  share 90%  as blue
    split     127.0.0.1:$green       share 10%  as green"
like "check says what cannot be" "$("$shearpin" check "$work/lost.conf" 2>&1)" \
    'nowhere.invalid:[0-9]+ cannot be looked up from here: .*; its share goes to the other arms'
is "who cannot be looked up gives its share away" \
    "$(guarded lost "$python" "$work/many.py" "$front" 20 2>/dev/null)" '0 20'

# --- TLS from end to end: two servers of one name ---

secure=$(free_port) other=$(free_port)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=pay.test \
    -addext subjectAltName=DNS:pay.test -keyout "$work/key" -out "$work/cert" 2>/dev/null
for which in blue green; do
    [ $which = blue ] && at=$secure || at=$other
    nginx_conf "tls-$which" <<END
    server {
        listen 127.0.0.1:$at ssl;
        ssl_certificate $work/cert;
        ssl_certificate_key $work/key;
        location / { return 200 "$which\n"; }
    }
END
    start_nginx "tls-$which" "$at"
done
policy tls "destination d
    match     pay.test:443
    match     127.0.0.1:443
    split     127.0.0.1:$secure  share 50%  as blue
    split     127.0.0.1:$other   share 50%  as green"
both "TLS to one name" guarded tls curl -s --noproxy '*' --cacert "$work/cert" \
    --resolve pay.test:443:127.0.0.1 https://pay.test/

# --- unix sockets; observed; switched off ---

mkdir "$work/run"
for which in blue green; do
    nginx_conf "unix-$which" <<END
    server { listen 127.0.0.1:$(free_port); listen unix:$work/run/$which.sock;
        location / { return 200 "$which\n"; } }
END
    "$nginx" -c "$work/unix-$which.nginx" 2>>"$work/unix-$which.d/log" &
    started+=($!)
    until_true curl -s --unix-socket "$work/run/$which.sock" http://x/
done
policy local "destination d
    match     unix:$work/run/front.sock
    split     unix:$work/run/blue.sock   share 50%  as blue
    split     unix:$work/run/green.sock  share 50%  as green"
both "a unix socket" guarded local curl -s --unix-socket "$work/run/front.sock" http://x/
policy watched "$half
    mode      observe"
arm front "$front"
is "who is only observed goes where it wanted" "$(guarded watched "$python" "$work/get.py" "$front")" front
is "where it would have gone is counted" \
    "$(field watched d 'sum(a["would_total"] for a in d["arms"]), sum(a["connections_total"] for a in d["arms"])')" '(1, 0)'
"$shearpin" disable -s half >/dev/null
is "disabled, too" "$(guarded half "$python" "$work/get.py" "$front")" front
"$shearpin" enable -s half >/dev/null
both "enabled again, everything" guarded half "$python" "$work/get.py" "$front"
