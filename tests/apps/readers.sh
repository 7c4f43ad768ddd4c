#!/bin/bash
# Readers of a segment that everything happens to at once: calls, kills, trips, reloads. What they
# print is never half of something and never impossible. STRESS_SECONDS=600 takes its time.
. "$(dirname "$0")/lib.sh"
seconds=${STRESS_SECONDS:-4}
start_dependency
cd "$work" || exit 1

# two policies in turns: whoever mixes them shows it
for turn in 1 2; do
    cat >"stress$turn.conf" <<END
segment stress
destination flapping
    match 127.0.0.1:$port
    deadline connect ${turn}s response ${turn}s
    breaker streak 3 open 20ms..80ms
    cap $((4 * turn))
destination closed
    match 127.0.0.1:1
    breaker rate 50% of 4 in 1s open 50ms
    retry 1 backoff 1ms..2ms
END
done
cat >calls.py <<'END'
import socket, sys, time
end = time.time() + float(sys.argv[1])
while time.time() < end:
    for port in map(int, sys.argv[2:]):
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as s:
                s.sendall(b"GET / HTTP/1.0\r\n\r\n")
                s.recv(1000)
        except OSError:
            pass
END
run() { guarded stress1 "$python" calls.py "$seconds" "$port" 1 >/dev/null 2>&1; }
guarded stress1 true

"$shearpin" serve --listen 127.0.0.1:0 >served 2>&1 &
started+=("$!")
until_true grep -q http served

# --- what happens ---
for _ in 1 2 3; do
    run &
    started+=("$!")
done
(
    trap 'kill "$victim" 2>/dev/null; exit' TERM
    while :; do
        "$shearpin" run -p "$work/stress1.conf" -- "$python" calls.py 60 "$port" 1 >/dev/null 2>&1 &
        victim=$!
        sleep 0.$((RANDOM % 3 + 1))
        kill -9 "$victim"
        wait "$victim"
    done
) 2>/dev/null &
started+=("$!")
(
    while :; do
        for turn in 2 1; do
            "$shearpin" reload "$work/stress$turn.conf"
            "$shearpin" trip flapping --reason "turn $turn"
            sleep 0.05
            "$shearpin" reset flapping
        done
    done
) >/dev/null 2>&1 &
started+=("$!")
(
    for ((i = 0; ; i++)); do
        if ((i % 2)); then become down; else become up; fi
        sleep 0.1
    done
) 2>/dev/null &
started+=("$!")

# --- what is read ---
cat >read.py <<'END'
import http.client, json, re, subprocess, sys, time

shearpin, address, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
connection = http.client.HTTPConnection(address)
wrong, reads, before = [], {"metrics": 0, "status": 0, "events": 0, "command": 0}, {}
STATES = {"closed", "open", "half-open"}
KINDS = {"streak", "rate", "slow", "probe", "time", "proved", "operator"}
SAMPLE = re.compile(r'^(shearpin_\w+)(\{(?:\w+="[^"]*",?)*\}) (\S+)$')


def check(yes, *what):
    if not yes and len(wrong) < 10:
        wrong.append(" ".join(map(str, what)))


def fetch(path):
    connection.request("GET", path)
    return connection.getresponse().read().decode()


def metrics(text):
    now, sums, last = {}, {}, 0
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        sample = SAMPLE.match(line)
        check(sample, "no sample:", line)
        if not sample:
            continue
        name, labels, value = sample[1], sample[2], float(sample[3])
        now[name + labels] = value
        check(value >= 0, "below zero:", line)
        if name.endswith("_bucket"):
            check('le="1e-05"' in labels or value >= last, "buckets fall:", line)
            last = value
        if name.endswith("_count"):
            check(value == last, "+Inf is not the count:", line)
        if name.endswith(("_state", "_mode")):
            key = name + re.sub(r',(state|mode)="[^"]*"', "", labels)
            sums[key] = sums.get(key, 0) + value
        if name.endswith(("_total", "_bucket", "_count", "_sum", "_generation")):
            check(value >= before.get(name + labels, 0), "goes back:", line, before.get(name + labels))
    for key, value in sums.items():
        check(value == 1, "in", value, "states:", key)
    before.update(now)
    one = '{segment="stress",destination="flapping"%s}'
    cap, late = now.get("shearpin_cap_limit" + one % ""), \
        now.get("shearpin_deadline_seconds" + one % ',phase="response"')
    check(cap == 4 * late, "half of one policy and half of another:", cap, late)
    check(now.get("shearpin_cap_in_use" + one % "") <= 8, "more in use than there are places")


def status(s):
    check(s["segment"] == "stress" and s["policy"]["path"].endswith(".conf"), "head:", s["policy"])
    check([d["name"] for d in s["destinations"]] == ["flapping", "closed"], "names")
    for d in s["destinations"]:
        check(d["state"] in STATES, "state:", d["state"])
        check(d["state"] != "closed" or d["next_probe_s"] is None, "a probe while closed:", d)
        check(d["reason"] is None or d["reason"]["kind"] in KINDS, "reason:", d["reason"])
        check(d["since_s"] is None or 0 <= d["since_s"] < 1e6, "since:", d["since_s"])
        check(d["next_probe_s"] is None or 0 <= d["next_probe_s"] <= 1.3, "probe:", d["next_probe_s"])
        check(d["errors_ratio"] is None or 0 <= d["errors_ratio"] <= 1, "errors:", d["errors_ratio"])
        check(d["p50_s"] is None or d["p50_s"] <= d["p99_s"], "p50:", d["p50_s"], d["p99_s"])
        check(0 <= d["open_s"] < 1e6, "open_s:", d["open_s"])
        check(d["why"].isprintable(), "why:", d["why"])


def events(lines):
    numbers = []
    for line in lines:
        e = json.loads(line) if isinstance(line, str) else line
        numbers.append(e["sequence"])
        check(e["kind"] in {"breaker", "trip", "reset", "policy", "retry"}, "kind:", e)
        if e["kind"] == "breaker":
            check(e["from"] in STATES and e["to"] in STATES and e["from"] != e["to"], "moves:", e)
            check(e["reason"]["kind"] in KINDS, "reason:", e)
        if e["kind"] == "trip":
            check(e["text"] in ("turn 1", "turn 2"), "text:", e)
        check(e["command"] in ("python3", "shearpin") or e["command"].startswith("python"), "who:", e)
    check(all(a < b for a, b in zip(numbers, numbers[1:])), "events out of order:", numbers)


end = time.time() + seconds
while time.time() < end:
    for _ in range(20):
        metrics(fetch("/metrics"))
        reads["metrics"] += 1
    page = json.loads(fetch("/status.json"))
    for segment in page["segments"]:
        status(segment["status"])
        events(segment["events"])
    reads["status"] += 1
    said = subprocess.run([shearpin, "status", "--json", "--interval", "1ms"], capture_output=True)
    check(said.returncode == 0 and not said.stderr, "status:", said.stderr)
    status(json.loads(said.stdout))
    said = subprocess.run([shearpin, "events", "--json"], capture_output=True, text=True)
    events(said.stdout.splitlines())
    reads["events"] += said.stdout.count("\n")
    reads["command"] += 1
print(*wrong, sep="\n")
print(reads, file=sys.stderr)
transitions = sum(v for k, v in before.items() if k.startswith("shearpin_breaker_transitions"))
calls = sum(v for k, v in before.items() if k.startswith("shearpin_connects_total"))
print(int(calls), int(transitions), int(before['shearpin_policy_generation{segment="stress"}']),
      reads["metrics"], file=open("much", "w"))
END
address=$(sed 's,http://,,; s,/,,' served)
is 'nothing torn, nothing impossible' "$("$python" read.py "$shearpin" "$address" "$seconds" 2>reads)" ''
read -r calls transitions generations pages <much
at_least 'connects meanwhile' "$calls" $((seconds * 50))
at_least 'transitions' "$transitions" $((seconds * 5))
at_least 'policies' "$generations" "$seconds"
at_least 'pages of metrics' "$pages" $((seconds * 10))
