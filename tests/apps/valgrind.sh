#!/bin/bash
# Programs under the library and under valgrind: whatever it finds, no frame of it is ours.
. "$(dirname "$0")/lib.sh"

command -v valgrind >/dev/null || { echo 'ok - valgrind # SKIP no valgrind'; exit 0; }

start_dependency
redis=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
(exec -a redis-server "$(command -v redis-server || command -v redis-check-rdb)" --port "$redis" \
    --save '' --dir "$work" >"$work/redis.log" 2>&1) &
started+=("$!")
until_true redis-cli -p "$redis" ping

policy all "destination web
    match     127.0.0.1:$port
    deadline  connect 10s  response 10s  send 10s  idle 60s
    breaker   streak 5  rate 50% of 20 in 10s
    cap       8  wait 100ms
    limit     1000/s
    retry     1  on refused
destination cache
    match     127.0.0.1:$redis
    deadline  connect 10s  response 10s
    breaker   streak 5
destination down
    match     127.0.0.1:1
    retry     2  backoff 1ms..2ms  on refused
    breaker   streak 2  open 60s"

# Errors whose stack has a frame of the library, and what it holds at the end and nobody points to.
cat >"$work/ours.py" <<'PYTHON'
import sys, xml.etree.ElementTree as tree
for path in sys.argv[1:]:
    for error in tree.parse(path).getroot().iter("error"):
        frames = [(f.findtext("obj") or "", f.findtext("fn") or "?") for f in error.iter("frame")]
        leak = (error.findtext("kind") or "").startswith("Leak")
        # a leak is whose the allocation was; what a program leaks in its own frames is its own
        blamed = frames[1:2] if leak else frames
        if any(obj.endswith("libshearpin.so") for obj, _ in blamed):
            print(error.findtext("kind"), " < ".join(fn for _, fn in frames[:6]))
PYTHON

# row NAME DESTINATION COMMAND...: clean, and the library saw its connections
row() {
    local name=$1 dest=$2 before
    shift 2
    before=$(field all "$dest" 'sum(d["connects"].values())' 2>/dev/null || echo 0)
    rm -f "$work"/found.*
    PYTHONMALLOC=malloc guarded all valgrind -q --leak-check=full --trace-children=yes --xml=yes \
        --xml-file="$work/found.%p" "$@" >"$work/said" 2>&1 </dev/null
    is "$name: valgrind blames nothing on us" "$("$python" "$work/ours.py" "$work"/found.* 2>&1)" ''
    at_least "$name: its connections were seen" \
        "$(field all "$dest" 'sum(d["connects"].values())')" "$((before + 1))"
}

row curl web curl -s --noproxy '*' "$url" "${url}again"
row 'curl, refused and then stopped' down curl -s --noproxy '*' http://127.0.0.1:1/ http://127.0.0.1:1/
row redis-cli cache redis-cli -p "$redis" -r 20 ping
row 'a C program' cache "$build/tests/shim" --victim dial_twice "127.0.0.1:$redis"
row 'python, with threads and a child' web "$python" -c '
import os, sys, threading, urllib.request
def ask(): urllib.request.urlopen(sys.argv[1]).read()
threads = [threading.Thread(target=ask) for _ in range(3)]
for t in threads: t.start()
for t in threads: t.join()
if os.fork() == 0:
    ask()
    os._exit(0)
os.wait()' "$url"
