#!/bin/bash
# A name server that fails, in a network of the test's own: with `lookup stale` the last good
# addresses answer, in every process, to every way to ask.
. "$(dirname "$0")/lib.sh"

enter_namespaces "stale look-ups"

ip link set lo up
printf 'nameserver 127.0.0.1\noptions timeout:1 attempts:1\n' >"$work/resolv.conf"
echo "hosts: files dns" >"$work/nsswitch.conf"
mount --bind "$work/resolv.conf" /etc/resolv.conf
mount --bind "$work/nsswitch.conf" /etc/nsswitch.conf

# Answers as $work/mode says: good, refuse, fail, unknown, or mute.
cat >"$work/dns.py" <<'PYTHON'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
print("up", flush=True)
codes = {"good": 0, "fail": 2, "unknown": 3, "refuse": 5}
rows = {1: [b"\x7f\0\0\x01", b"\x7f\0\0\x02"], 28: [b"\0" * 15 + b"\x01"]}
while True:
    query, who = s.recvfrom(512)
    mode = open(sys.argv[1]).read().strip()
    if mode == "mute":
        continue
    end = query.index(0, 12) + 5
    found = rows.get(query[end - 3], []) if mode == "good" else []
    answer = query[:2] + bytes([0x81, 0x80 | codes[mode], 0, 1, 0, len(found), 0, 0, 0, 0])
    answer += query[12:end]
    for ip in found:
        answer += b"\xc0\x0c" + query[end - 4:end] + bytes([0, 0, 0, 0, 0, len(ip)]) + ip
    s.sendto(answer, who)
PYTHON
become_dns() { echo "$1" >"$work/mode"; }
become_dns good
mkfifo "$work/up"
"$python" "$work/dns.py" "$work/mode" >"$work/up" &
started+=("$!")
read -r _ <"$work/up"
start_dependency
name=api.example.com

policy dns "destination d
    match    $name
    lookup   stale 10m
destination plain
    match    *.example.com"

# Every way to ask, and all of each answer.
cat >"$work/ask.py" <<'PYTHON'
import socket, sys
name = sys.argv[1]
def ask(*words, **more):
    try:
        print(*socket.getaddrinfo(name, *words, **more))
    except OSError as error:
        print(error.errno)
ask(None)
ask(443)
ask("https", type=socket.SOCK_STREAM)
ask(80, socket.AF_INET, socket.SOCK_DGRAM)
ask(80, socket.AF_INET6, proto=socket.IPPROTO_TCP)
ask(80, socket.AF_INET6, flags=socket.AI_V4MAPPED | socket.AI_ALL)
ask(80, socket.AF_INET6, flags=socket.AI_V4MAPPED)
ask(80, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
try:
    print(socket.gethostbyname_ex(name))
except OSError as error:
    print(error.errno)
PYTHON
ask() { guarded dns "$python" "$work/ask.py" "${1:-$name}"; }
stale() { field dns d "d['lookup_stale_total']"; }

javac -d "$work" tests/apps/Ask.java 2>"$work/javac" || cat "$work/javac"
ask_java() { guarded dns java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$work" Ask urlconnection "http://$name:$port/" 2>&1; }
ask_node() {
    guarded dns node -e "require('http').get('http://$name:$port/',
        r => { console.log(r.statusCode); r.resume(); }).on('error', e => console.log(e.code))"
}
# shellcheck disable=SC2016
ask_perl() { guarded dns perl -MSocket -e '@h = gethostbyname(shift); print map { inet_ntoa($_) . " " } @h[4..$#h]' $name; }
ask_getent() { guarded dns getent hosts $name; }

good=$(ask)
good_perl=$(ask_perl) good_getent=$(ask_getent)
like "the name server answers" "$good" '127.0.0.2'
is "nothing serves as long as it does" "$(stale)" 0

for mode in fail refuse mute; do
    become_dns $mode
    is "when it is $mode every way to ask has the last good answer" "$(ask)" "$good"
    before=$(stale)
    is "$mode: perl too, by gethostbyname_r" "$(ask_perl)" "$good_perl"
    is "$mode: getent too, by gethostbyname2" "$(ask_getent)" "$good_getent"
    at_least "$mode: that is counted" "$(stale)" $((before + 2))
done
become_dns fail
like "curl gets there by the addresses that others looked up" \
    "$(curl_says dns "http://$name:$port/")" '^HTTP 200'
is "node gets there" "$(ask_node)" 200
is "java gets there" "$(ask_java)" answered
like "valgrind finds nothing in what is freed" "$(guarded dns valgrind -q --error-exitcode=9 \
    --leak-check=full getent ahosts $name 2>&1; echo $?)" '0$'

like "an event says so once, with the age" "$("$shearpin" events -s dns | grep -c 'look-ups of')" 1
like "status says how often" "$("$shearpin" status -s dns d)" 'look-ups? by the last good addresses'
is "a look-up that failed is still a failed look-up" \
    "$(field dns d "d['connects']['lookup'] >= d['lookup_stale_total']")" True
like "a name that was never looked up fails" "$(ask other.example.com)" '^-3'
like "so does one whose destination has no such line" \
    "$(become_dns good; ask www.example.com >/dev/null; become_dns fail; ask www.example.com)" '^-3'
become_dns unknown
like "\"no such name\" is an answer" "$(ask)" '^-(2|5)'

become_dns fail
run_options=(-o d.lookup.stale=1s)
too_old() { ask >"$work/said" && grep -q '^-3' "$work/said"; }
until_true too_old
like "nothing older than it may be" "$(ask)" '^-3'
run_options=()
is "and older ones for who may" "$(ask)" "$good"
become_dns good
is "a good answer comes first" "$(ask)" "$good"
