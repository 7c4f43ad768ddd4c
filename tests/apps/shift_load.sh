#!/bin/bash
# What shift promises, under load, between real nginx servers: nobody fails while it moves all
# connections; a new arm that is slow, gone or breaks off is left again within a stage; and the
# death of the command brings back the shares from before.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-arms.sh"

blue=$(free_port) green=$(free_port) front=$(free_port)
arm blue "$blue"
arm green "$green"
green_pid=$pid
split="split     127.0.0.1:$blue   share 100%  as blue
    split     127.0.0.1:$green  share 0%    as green"
policy search "destination search
    match     127.0.0.1:$blue
    $split"
export SHEARPIN_SEGMENT=search
guarded search true
shares() { "$shearpin" shift "$1" | sed -n "1s/$1  //p"; }
quick=(--checks 2 --check-every 50ms --every 1s)

# --- from 0 to 100, with everybody on it: wrk, python, and an nginx that passes on ---

nginx_conf front <<END
    server { listen 127.0.0.1:$front backlog=1024;
        location / { proxy_pass http://127.0.0.1:$blue; proxy_next_upstream off; } }
END
start_nginx front "$front" "$shearpin" run -p "$work/search.conf" --
front_pid=$pid
load search "$blue"
interruptible=(env --default-signal=INT) # what a script has in the background ignores it
"${interruptible[@]}" "$shearpin" run -p "$work/search.conf" -- wrk -t1 -c8 -d60s -H 'Connection: close' "http://127.0.0.1:$blue/" >"$work/wrk" 2>&1 &
wrk_pid=$!
"${interruptible[@]}" wrk -t1 -c8 -d60s "http://127.0.0.1:$front/" >"$work/wrk-front" 2>&1 &
wrk_front_pid=$!
started+=("$wrk_pid" "$wrk_front_pid")
like "all of it is shifted, under load" "$("$shearpin" shift search --to green "${quick[@]}" \
    --healthy 'errors < 1% for 1s' --healthy 'p95 < 2s for 1s' 2>&1; echo "$?")" \
    'search  shifted to green in [0-9]+s: blue 0% green 100%
  back to blue 100% green 0%: shearpin shift search --rollback
0$'
kill -INT "$wrk_pid" "$wrk_front_pid"
wait "$wrk_pid" "$wrk_front_pid"
unload >/dev/null
at_least "python has called both" "$(said blue)" 100
at_least "python has called green" "$(said green)" 100
is "no call of python has failed" "$(said failed)" 0
for file in wrk wrk-front; do
    at_least "$file has called" "$(sed -n 's/^ *\([0-9]*\) requests in.*/\1/p' "$work/$file")" 1000
    is "no call of $file has failed" "$(grep -E 'Non-2xx|Socket errors' "$work/$file")" ''
done
is "from now on all go to green" "$(guarded search curl -s --noproxy '*' "http://127.0.0.1:$blue/")" green
is "no errors in status" "$("$shearpin" status --json search | "$python" -c '
import json, sys
d = json.load(sys.stdin)["destinations"][0]
print(d["errors_ratio"], d["connects"]["refused"], d["exchanges"]["reset"], d["exchanges"]["eof"])')" '0 0 0 0'
end "$front_pid"

# --- a green that is not well: the first stage is its last ---

# sick NAME REASON BEGIN [CONDITION...]: a destination of that name, whose green is sick from its
# first stage on.
sick() {
    local name=$1 want=$2 how=$3
    shift 3
    policy "$name" "destination $name
    match     127.0.0.1:$blue
    $split"
    export SHEARPIN_SEGMENT=$name
    guarded "$name" true
    load "$name" "$blue"
    "$shearpin" shift "$name" --to green --checks 2 --check-every 50ms --check-for 10s --every 30s --stages 10,50,100 \
        "${@/#/--healthy=}" >"$work/shifting" 2>&1 &
    shifting=$!
    started+=("$shifting")
    until_true test_shares "$name" 'blue 90% green 10%'
    $how
    wait "$shifting"
    is "$name: it is not shifted" "$?" 1
    like "$name: because" "$(cat "$work/shifting")" "not shifted to green: $want"
    is "$name: back at once" "$(shares "$name")" 'blue 100% green 0%'
    unload >/dev/null
    is "$name: in the first stage" "$(grep -c '50%' "$work/shifting")" 0
    at_least "$name: calls" "$(said calls)" 20
}
test_shares() { [ "$(shares "$1")" = "$2" ]; }
# no more than the tenth that the stage has, and those that were on their way
affected() { below "$1: a tenth of the calls at most" "$2" "$(($(said calls) / 10 + 3))"; }

gone() { end "$green_pid"; }
limits=('errors < 1% for 20s' 'p95 < 200ms for 20s')
sick refuses 'errors of green [0-9.]+%, not < 1% for 20s|the breaker of green' gone "${limits[@]}"
affected refuses "$(said failed)"
at_least "refuses: there were some" "$(said failed)" 1

arm green "$green" "if (\$one_in_twenty) { return 444; } return 200 \"green\\n\";"
green_pid=$pid
sick resets 'errors of green [0-9.]+%, not < 1% as the others allow: [0-9]+ of' true # by blue alone
affected resets "$(said failed)"
end "$green_pid"

cat >"$work/slow.py" <<'PYTHON'
import http.server, sys, time
class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.3)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"green\n")
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
print(server.server_address[1], flush=True)
server.serve_forever()
PYTHON
coproc SLOW { exec "$python" "$work/slow.py"; }
started+=("$SLOW_PID")
read -r -u "${SLOW[0]}" slow
arm green "$green" "proxy_pass http://127.0.0.1:$slow;"
green_pid=$pid
sick slow 'p95 of green 3[0-9][0-9]ms, not < 200ms for 20s' true "${limits[@]}"
affected slow "$(said slow)"
is "slow: none has failed" "$(said failed)" 0
end "$green_pid"

# --- the command dies, at any moment ---

arm green "$green"
green_pid=$pid
policy death "destination death
    match     127.0.0.1:$blue
    $split"
export SHEARPIN_SEGMENT=death
guarded death true
load death "$blue"
late=0
told() { "$shearpin" events --json | grep '"step":"cut off"' | grep '"arm":"green"' | grep -q '"command":"python'; }
for round in {1..12}; do
    "$shearpin" shift death --to green --checks 1 --every 100ms --check-every 10ms \
        --healthy 'errors < 50%' --healthy 'p50 < 5s' >/dev/null 2>&1 &
    shifting=$!
    sleep "0.$((round == 1 ? 5 : RANDOM % 9))$((RANDOM % 10))"
    kill -KILL "$shifting" 2>/dev/null
    killed=$EPOCHREALTIME
    wait "$shifting" 2>/dev/null
    ((round == 1)) && until_true told # by who calls, for no command has looked yet
    if [ "$("$shearpin" shift death | sed -n '1s/.*green //p')" = 100% ] &&
        ! "$shearpin" shift death | grep -q 'being shifted'; then
        "$shearpin" shift -q death --rollback # it had come to its end
        continue
    fi
    until_true test_shares death 'blue 100% green 0%'
    late=$(awk "BEGIN { t = $EPOCHREALTIME - $killed; print (t > $late) ? t : $late }")
    is "round $round: all go to blue" "$(for _ in {1..10}; do
        guarded death curl -s --noproxy '*' "http://127.0.0.1:$blue/"; done | sort | uniq -c | sed 's/^ *//')" '10 blue'
done
below "seconds until the shares were back" "$late" 2
unload >/dev/null
is "nobody has failed over it" "$(said failed)" 0
told && echo "ok - the programs have written down that it was cut off"

# --- TLS, from end to end: two servers, one name ---

secure_blue=$(free_port) secure_green=$(free_port)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=search.test \
    -addext subjectAltName=DNS:search.test -keyout "$work/key" -out "$work/cert" 2>/dev/null
for name in blue green; do
    [ $name = blue ] && port=$secure_blue || port=$secure_green
    nginx_conf "tls-$name" <<END
    server { listen 127.0.0.1:$port ssl; ssl_certificate $work/cert; ssl_certificate_key $work/key;
        location / { return 200 "$name\n"; } }
END
    "$nginx" -c "$work/tls-$name.nginx" 2>>"$work/tls-$name.d/log" &
    started+=($!)
    until_true curl -sk -o /dev/null --noproxy '*' "https://127.0.0.1:$port/"
done
policy tls "destination tls
    match     127.0.0.1:$secure_blue
    split     127.0.0.1:$secure_blue   share 100%  as blue
    split     127.0.0.1:$secure_green  share 0%    as green"
export SHEARPIN_SEGMENT=tls
guarded tls true
cat >"$work/secure.py" <<'PYTHON'
import collections, os, socket, ssl, sys
port, running, cert = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context, said = ssl.create_default_context(cafile=cert), collections.Counter()
while os.path.exists(running):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname="search.test") as s:
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                said[s.makefile("rb").read().split()[-1].decode()] += 1
    except OSError as error:
        said["failed"] += 1
        print(repr(error), file=sys.stderr)
print(" ".join(f"{name}={count}" for name, count in sorted(said.items())))
PYTHON
touch "$work/running"
guarded tls "$python" "$work/secure.py" "$secure_blue" "$work/running" "$work/cert" >"$work/said" &
loading=$!
started+=("$loading")
# shellcheck disable=SC2016
like "TLS is shifted" "$("$shearpin" shift tls --to green "${quick[@]}" --stages 25,100 --healthy 'errors < 1%' --healthy 'p95 < 2s' \
    --probe 'curl -s --cacert '"$work/cert"' --connect-to "search.test:443:$SHEARPIN_ARM_ADDRESS" https://search.test/' 2>&1
    echo "$?")" 'shifted to green in [0-9]+s: blue 0% green 100%.*0$'
unload >/dev/null
at_least "blue has been spoken to" "$(said blue)" 50
at_least "green has been spoken to" "$(said green)" 50
is "every certificate was good" "$(said failed)" 0
