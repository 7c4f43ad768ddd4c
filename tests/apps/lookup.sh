#!/bin/bash
# A name server that never answers, in a network of the test's own: look-ups end by their deadline,
# are counted, and may trip the breaker.
. "$(dirname "$0")/lib.sh"

policy dns 'destination d
    match    *.example.com:443
    deadline lookup 1s
    breaker  streak 2  on lookup'

cat >"$work/ask.py" <<'PYTHON'
import socket, sys, time
start = time.monotonic()
try:
    socket.getaddrinfo(sys.argv[1], sys.argv[2])
    print("found")
except OSError as error:
    print(error.errno == socket.EAI_AGAIN, "%.2f" % (time.monotonic() - start))
PYTHON

cat >"$work/inside" <<'INSIDE'
ip link set lo up
echo "nameserver 127.0.0.1" >"$1/resolv.conf"
echo "hosts: files dns" >"$1/nsswitch.conf"
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
coproc MUTE { exec "$3" -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
print("up", flush=True)
sys.stdin.read()'; }
read -r -u "${MUTE[0]}" _
for port in 443 0; do
    "$2" run -p "$1/dns.conf" -- "$3" "$1/ask.py" api.example.com $port
done
INSIDE

if ! unshare -mn true 2>/dev/null; then
    echo "ok - look-ups # SKIP no mount and network namespaces here"
    exit 0
fi
mapfile -t said < <(unshare -mn bash "$work/inside" "$work" "$shearpin" "$python")
for i in 0 1; do
    like "look-up $((i + 1)) ends with EAI_AGAIN" "${said[i]:-}" '^True'
    at_least "no earlier than its second" "${said[i]#* }" 0.99
    below "and well before the resolver's own ten" "${said[i]#* }" 3
done
is "both are counted" "$(field dns d 'd["connects"]["lookup"]')" 2
is "and trip a breaker that was told to count them" "$(state dns d)" open
