#!/bin/bash
# `run --slo`: a load test with any client, judged by what its calls were measured as.
. "$(dirname "$0")/lib.sh"

# HTTP with keep-alive; /MS is answered after so many ms, /0 by closing.
cat >"$work/server.py" <<'EOF2'
import socket, threading, time
listening = socket.create_server(("127.0.0.1", 0), backlog=128)
print(listening.getsockname()[1], flush=True)
body = b"x" * 1000
def one(s):
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = s.recv(4000)
            if not more: return s.close()
            data += more
        ms = int(data.split(b" ", 2)[1].strip(b"/"))
        data = b""
        if ms == 0: return s.close()
        time.sleep(ms / 1000)
        s.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + body)
while True:
    s, _ = listening.accept()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=one, args=(s,), daemon=True).start()
EOF2
cat >"$work/client.py" <<'EOF2'
import http.client, sys
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
for ms in sys.argv[2:]:
    try:
        c.request("GET", "/" + ms); c.getresponse().read()
    except (OSError, http.client.HTTPException): c.close()
print("done")
EOF2
coproc SERVER { exec "$python" "$work/server.py"; }
started+=("$SERVER_PID")
read -r -u "${SERVER[0]}" port
policy trial "destination api
    match    127.0.0.1:$port
destination other
    match    127.0.0.9:1"

# trial OPTION... -- COMMAND...: its stderr in $said, its status in $status, its stdout in $out
trial() {
    out=$("$shearpin" run -p "$work/trial.conf" "$@" 2>"$work/said")
    status=$?
    said=$(<"$work/said")
}
times() { for ((i = 0; i < $1; i++)); do printf '%s ' "$2"; done; }
client() { trial "$@" -- "$python" "$work/client.py" "$port" "${words[@]}"; }

read -ra words <<<"$(times 30 20)"
client --slo 'p95 < 2s' --slo 'api errors < 5%' --save "$work/fast.json"
is 'what is kept ends as the command does' "$status $out" '0 done'
like 'the table has the calls' "$said" 'api +30 +[0-9]+ +2[0-9]ms '
like 'and the verdicts' "$said" 'p95 < 2s +kept: [0-9.]+m?s .*api errors < 5% +kept: 0.0%'
is 'all of it is saved' "$(jq -r '"\(.calls) \(.kept) \(.p50_s > 0.019 and .p50_s < 1) \(.slo[1].destination) \(.destinations[0].name)"' "$work/fast.json")" \
    '30 true true api api'

client --slo 'p50 < 10ms'
is 'what is broken ends with 1' "$status $out" '1 done'
like 'and says by how much' "$said" 'p50 < 10ms +broken: 2[0-9]ms \(30 of 30 calls took longer, 15 may\)'

read -ra words <<<"$(times 10 60) $(times 5 0)"
client --slo 'errors < 10%' --slo 'timeouts < 50%' --against "$work/fast.json"
is 'errors break, too' "$status" 1
like 'and timeouts stand apart' "$said" 'errors < 10% +broken: 33.3%.*timeouts < 50% +kept: 0.0%'
like 'compared with the run before' "$said" "against $work/fast.json:  calls/s x0\.[0-9]+  p50 x[23]\.[0-9]+ .*errors 0.0% -> 33.3%"

read -ra words <<<"$(times 3 1)"
client --slo 'p95 < 2s'
is 'too few calls are no proof' "$status" 1
like 'and are said to be too few' "$said" 'too few calls: .*needs 20 calls'
client --slo 'othr p95 < 2s'
like 'a destination that is none' "$status $said" "^125 .*othr: the policy has no such destination; did you mean 'other'"

# a load generator that nobody wrote for this: epoll, many connections, no errors of its own to tell
trial --slo 'p90 < 2s' --slo 'errors < 1%' --slo 'rps > 20' --save "$work/wrk.json" \
    -- wrk -t1 -c4 -d1s "http://127.0.0.1:$port/20"
is 'wrk keeps it' "$status" 0
theirs=$(sed -n 's/^ *\([0-9]*\) requests in.*/\1/p' <<<"$out")
ours=$(jq .calls "$work/wrk.json")
at_least 'our figures are those of wrk' "$ours" "$theirs"
below 'but for what was under way' "$ours" $((theirs + 5))
at_least 'MB/s are counted' "$(jq .mb_per_s "$work/wrk.json")" 0.02
trial --slo 'p90 < 10ms' -- wrk -t1 -c4 -d1s "http://127.0.0.1:$port/20"
is 'wrk breaks it' "$status" 1

# the command's own end
trial --slo 'rps > 0' -- sh -c 'exit 7'
is 'its own failure is told first' "$status" 7
trial --slo 'p95 < 1s' -- sh -c 'kill -9 $$'
is 'a signal as shells tell it' "$status" 137
cat >"$work/waits.py" <<'EOF2'
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print("told"), sys.exit(3)))
print("ready", flush=True)
signal.pause()
EOF2
exec {told}< <(exec "$shearpin" run -q -p "$work/trial.conf" --slo 'rps > 0' -- "$python" "$work/waits.py" 2>/dev/null)
waits=$!
read -r -u "$told"
kill "$waits"
read -r -u "$told" word
wait "$waits"
is 'SIGTERM is passed on' "$? $word" '3 told'

trial --slo 'p95 << 1s' -- true
like 'a mistake is told before anything runs' "$status $said" "125 .*--slo 'p95 << 1s': '<' is no limit of p95"
trial --slo 'p95 < 1s for 5m' -- true
like 'the whole run counts' "$status $said" "125 .*leave 'for' out"
trial --against "$work/none.json" -- true
like 'a file that is none' "$status $said" '125 .*none.json: No such file'
trial --save "$work/no/such" -- true
like 'a file that cannot be written' "$status $said" '125 .*No such file'
is 'a private segment works, and is gone after it' "$("$shearpin" run -q --private -p "$work/trial.conf" \
    --slo 'p50 < 2s' -- "$python" "$work/client.py" "$port" 1 1 1 2>&1) $?" 'done 0'
