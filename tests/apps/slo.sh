#!/bin/bash
# What `slo` demands, judged over calls whose latency is known: kept, broken, too few.
. "$(dirname "$0")/lib.sh"

# Answers after as many ms as it is asked for; to 0 it says nothing and goes away.
cat >"$work/server.py" <<'EOF2'
import socket, threading, time
listening = socket.create_server(("127.0.0.1", 0), backlog=64)
print(listening.getsockname()[1], flush=True)
def one(s):
    while data := s.recv(100):
        ms = int(data)
        if ms == 0: break
        time.sleep(ms / 1000)
        s.sendall(b"!")
    s.close()
while True:
    s, _ = listening.accept()
    threading.Thread(target=one, args=(s,), daemon=True).start()
EOF2
# client.py PORT MS...: one request after the other; a connection that goes away is made again.
cat >"$work/client.py" <<'EOF2'
import socket, sys
port = int(sys.argv[1])
s = socket.create_connection(("127.0.0.1", port))
for ms in sys.argv[2:]:
    s.sendall(ms.encode())
    if not s.recv(1): s = socket.create_connection(("127.0.0.1", port))
EOF2
coproc SERVER { exec "$python" "$work/server.py"; }
started+=("$SERVER_PID")
read -r -u "${SERVER[0]}" port

ask() { # ask SEGMENT COUNT MS [COUNT MS]...
    local name=$1 words=() i
    shift
    while (($#)); do
        for ((i = 0; i < $1; i++)); do words+=("$2"); done
        shift 2
    done
    guarded "$name" "$python" "$work/client.py" "$port" "${words[@]}"
}
verdicts() { "$shearpin" slo -s "$1" --json | "$python" -c '
import json, sys
print(*[s["verdict"] for s in json.load(sys.stdin)["slo"]])'; }

# On an idle machine an answer after 1 ms takes 1.2; the limit is far above, for it may be busy.
policy slo "destination pay
    match    127.0.0.1:$port
    slo      p90 < 250ms for 1m
    slo      errors < 5% for 1m
    slo      refused < 1% for 1m"
policy two "defaults
    slo      p95 < 5s for 5m
destination pay
    match    127.0.0.1:$port"

like 'a condition is part of what the policy says' "$("$shearpin" match -p "$work/slo.conf" "127.0.0.1:$port")" \
    'slo +p90 < 250ms for 1m +[^ ]+slo.conf:4'
ask slo 3 1
is 'too few have no metric that says they are kept' "$("$shearpin" metrics -s slo | grep -c '^shearpin_slo_kept')" 0
is 'three calls are too few to tell' "$(verdicts slo)" 'few few few'
"$shearpin" slo -s slo >"$work/out"
is 'and break nothing' $? 0
like 'which is said' "$(cat "$work/out")" 'p90 < 250ms for 1m .* too few calls .*slo.conf:4 +needs 10 calls; [0-9a-z.]+ so far'

ask slo 120 1
is 'fast calls keep it' "$(verdicts slo)" 'holds holds holds'
"$shearpin" slo -s slo pay >/dev/null
is 'and the answer is yes' $? 0

ask slo 20 400
"$shearpin" slo -s slo pay >"$work/out"
is 'slow ones break it' $? 1
like 'with the line, the value, the calls' "$(cat "$work/out")" \
    'pay +p90 < 250ms for 1m +4[0-9][0-9]ms +143 +broken +[^ ]*slo.conf:4 +20 of 143 calls took longer, 14 may'
ask slo 12 0 1 1
is 'errors are judged apart' "$(verdicts slo)" 'broken broken holds'
metric() { "$shearpin" metrics -s slo | sed -n "s/^shearpin_slo_$1{segment=\"slo\",destination=\"pay\",slo=\"$2\"} //p"; }
is 'and so do the metrics' "$(metric kept 'p90 < 250ms for 1m') $(metric kept 'refused < 1% for 1m')" '0 1'
is 'with the limit, in seconds' "$(metric limit 'p90 < 250ms for 1m')" 0.25
like 'and what was measured' "$(metric value 'p90 < 250ms for 1m')" '^0[.]4[0-9]*$'
is 'a share is one of 1' "$(metric limit 'errors < 5% for 1m')" 0.05
like 'status says it, too' "$("$shearpin" status -s slo)" 'slo broken: p90 4[0-9][0-9]ms'
is 'quietly: only what is broken' "$("$shearpin" slo -q -s slo | awk '{ print $2 }' | xargs)" 'p90 errors'

ask two 30 2
is 'those of defaults are everybody'\''s' "$(verdicts two)" 'holds'

policy none "destination pay
    match    127.0.0.1:$port"
ask none 1 1
said=$("$shearpin" slo -s none 2>&1)
is 'without any slo there is nothing to say yes to' $? 1
like 'and what to do is said' "$said" 'in the policy in force.*slo p95 < 500ms for 5m'
said=$("$shearpin" reload -s none "$work/two.conf" 2>&1)
is 'a segment without room for a history takes none' $? 5
like 'and says so' "$said" 'history.*shearpin rm'
