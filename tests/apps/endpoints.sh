#!/bin/bash
# A name with two addresses of which one is dead, in a network of the test's own: it is out after
# its failures, programs go to the other one, and it comes back when it answers again.
. "$(dirname "$0")/lib.sh"

enter_namespaces "endpoints"

ip link set lo up
printf '127.0.0.1 localhost\n127.0.0.2 orders.test\n127.0.0.3 orders.test\n' >"$work/hosts"
echo "hosts: files" >"$work/nsswitch.conf"
mount --bind "$work/hosts" /etc/hosts
mount --bind "$work/nsswitch.conf" /etc/nsswitch.conf
port=8080 url=http://orders.test:8080/

cat >"$work/serve.py" <<'PYTHON'
import http.server, sys
class Who(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(sys.argv[1]) + 1))
        self.end_headers()
        self.wfile.write(sys.argv[1].encode() + b"\n")
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer((sys.argv[1], 8080), Who)
print("up", flush=True)
server.serve_forever()
PYTHON

# serve ADDRESS: in the background
serve() {
    mkfifo "$work/up.$1"
    "$python" "$work/serve.py" "$1" >"$work/up.$1" &
    started+=("$!")
    read -r _ <"$work/up.$1"
}

# What a simple program does: the first address of the answer, or always the same one.
cat >"$work/first.py" <<'PYTHON'
import socket, sys
found = socket.getaddrinfo("orders.test", 8080, type=socket.SOCK_STREAM)
order = [a[4][0][-1] for a in found]
wanted = sys.argv[1] if len(sys.argv) > 1 else found[0][4][0]
s = socket.socket()
try:
    s.connect((wanted, 8080))
    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    said = s.makefile("rb").read().split()[-1].decode()
    print("".join(order), s.getpeername()[0], said)
except OSError as error:
    print("".join(order), type(error).__name__)
PYTHON
first() { guarded orders "$python" "$work/first.py" "$@"; }
# endpoint ADDRESS EXPRESSION: e is what status says about it
endpoint() { field orders d "[e for e in d['endpoints'] if e['address'] == '$1'][0]$2"; }

policy orders 'destination d
    match    orders.test:8080
    breaker  streak 2  open 60s  close 1  scope endpoint'

serve 127.0.0.3
is "a dead address is refused by the network" "$(first)" "23 ConnectionRefusedError"
is "for as long as its breaker is closed" "$(first)" "23 ConnectionRefusedError"
is "then it is out, by itself" "$(endpoint 127.0.0.2:8080 "['state']") $(state orders d)" "open closed"
is "an answer to a look-up has it at the end" "$(first)" "32 127.0.0.3 127.0.0.3"
is "who connects to it all the same is connected to the other, and told so" \
    "$(first 127.0.0.2)" "32 127.0.0.3 127.0.0.3"
is "that is counted" "$(field orders d "d['detours_total']")" 1
is "and nothing was refused" "$(field orders d "d['refused_total']")" 0
like "curl goes there at once" "$(guarded orders curl -sv --noproxy '*' "$url" 2>&1)" \
    'Connected to orders.test \(127.0.0.3\)'
like "events say which address" "$("$shearpin" events -s orders)" \
    'closed -> open +2 refused in a row at 127.0.0.2:8080'
like "status says how many are out" "$("$shearpin" status -s orders)" '1 of 2 addresses out'
like "and each with its figures" "$("$shearpin" status -s orders d)" \
    '127.0.0.2:8080 +open .* 2 calls, 2 failed'

serve 127.0.0.2
sed -i 's/open 60s/open 100ms/' "$work/orders.conf"
"$shearpin" reload -q -s orders "$work/orders.conf"
"$shearpin" trip -q -s orders d@127.0.0.2:8080
probed() { first >/dev/null && [ "$(endpoint 127.0.0.2:8080 "['state']")" = closed ]; }
until_true probed
is "when it answers again a probe brings it back" "$(first)" "23 127.0.0.2 127.0.0.2"

# By hand, and with a limit on how many may be out.
"$shearpin" hold -q -s orders d@127.0.0.3:8080 open
is "one address can be held open by hand" "$(endpoint 127.0.0.3:8080 "['hold']")" open
is "then nobody gets there" "$(first 127.0.0.3)" "23 127.0.0.2 127.0.0.2"
"$shearpin" hold -q -s orders d@127.0.0.2:8080 open
is "with all of them out a connect is refused" "$(first)" "23 ConnectionRefusedError"
is "by us" "$(field orders d "d['rejected']['breaker']")" 1
sed -i 's/scope endpoint/scope endpoint  eject 50%/' "$work/orders.conf"
"$shearpin" reload -q -s orders "$work/orders.conf"
is "when more are out than may be, all are let through" "$(first)" "23 127.0.0.2 127.0.0.2"
is "and status says so" "$(field orders d "d['endpoints_all_pass']")" True
"$shearpin" reset -q -s orders d
is "reset of the destination is one of its addresses" \
    "$(field orders d "[e['hold'] for e in d['endpoints']]")" "[None, None]"
"$shearpin" trip -q -s orders d --until-reset
is "trip of the destination is one of all its addresses" "$(first 127.0.0.3)" \
    "23 ConnectionRefusedError"
said=$("$shearpin" trip -s orders d@127.0.0.9:1 2>&1)
like "an address that is none of its own is named" "$?: $said" '^3: .*d has no breaker for 127.0.0.9:1'
