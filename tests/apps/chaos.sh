#!/bin/bash
# Experiments: live in every process at its next call, over on time whoever has died, the same again
# by their seed, and ended by what they do.
. "$(dirname "$0")/lib.sh"
start_dependency

# connects.py PORT COUNT [LOCK LOG]: one connect after the other, `.` for each that stood and `x` for
# one that was refused; with LOCK each is made alone, so that LOG has them in the order of ordinals.
cat >"$work/connects.py" <<'P'
import fcntl, socket, sys
port, count = int(sys.argv[1]), int(sys.argv[2])
lock, log = (open(sys.argv[3], "w"), open(sys.argv[4], "a")) if len(sys.argv) > 3 else (None, sys.stdout)
for _ in range(count):
    if lock: fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        said = "."
    except ConnectionRefusedError:
        said = "x"
    log.write(said)
    if lock:
        log.flush()
        fcntl.flock(lock, fcntl.LOCK_UN)
if not lock: print()
P
# asks.py PORT SECONDS LOG: exchanges on one connection; when each began, and how long it took.
cat >"$work/asks.py" <<'P'
import socket, sys, time
end = time.monotonic() + float(sys.argv[2])
def new():
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s
with open(sys.argv[3], "a", buffering=1) as log:
    s = None
    while time.monotonic() < end:
        began, good = time.monotonic(), 1
        try:
            s = s or new()
            s.sendall(b"?")
            good = int(s.recv(1) != b"")
        except OSError:
            good = 0
        if not good: s = None
        print(began, time.monotonic() - began, good, file=log)
        time.sleep(0.005)
P
cat >"$work/echo.py" <<'P'
import socket, threading
listening = socket.create_server(("127.0.0.1", 0), backlog=256)
print(listening.getsockname()[1], flush=True)
def one(s):
    try:
        while data := s.recv(100): s.sendall(data)
    except OSError: pass
    s.close()
while True:
    s, _ = listening.accept()
    threading.Thread(target=one, args=(s,), daemon=True).start()
P
"$python" "$work/echo.py" >"$work/echo.port" &
started+=($!)
until_true test -s "$work/echo.port"
echo=$(cat "$work/echo.port")

policy chaos "destination pay
    match     127.0.0.1:$echo
experiment slow
    expect    nobody notices
    target    pay
    inject    latency 300ms
    last      1500ms
experiment some
    target    pay
    seed      918273
    inject    refuse  share 20%
    last      10m
experiment exact
    target    pay
    inject    refuse  at 3..5
    last      10m
experiment failing
    target    pay
    inject    refuse
    last      10m
    abort     errors > 50% for 5s
experiment careful
    target    pay
    steady    errors < 5% for 1m
    inject    refuse
    last      10m"
export SHEARPIN_SEGMENT=chaos
chaos() { "$shearpin" chaos "$@"; }
status_of() { chaos status --json | "$python" -c '
import json, sys
print(next((e["status"] for e in json.load(sys.stdin)["experiments"] if e["experiment"] == sys.argv[1]), "-"))' "$1"; }
injected() { chaos status --json | "$python" -c '
import json, sys
print(next((e["faults"][0]["injected"] for e in json.load(sys.stdin)["experiments"] if e["experiment"] == sys.argv[1]), "-"))' "$1"; }
connects() { guarded chaos "$python" "$work/connects.py" "$echo" "$@"; }
asks() { # asks SECONDS LOG: in the background
    "$shearpin" run -p "$work/chaos.conf" -- "$python" "$work/asks.py" "$echo" "$@" &
    started+=($!)
}
running() { [ "$(status_of "$1")" = running ]; }
over() { ! running "$1"; }

# --- nothing by itself ---
is 'loading a policy starts nothing' "$(connects 10)" '..........'
like 'its experiments are listed' "$(chaos list)" 'slow +- +1500ms +pay +nobody notices'
like 'and shown, with where they stand' "$("$shearpin" show "$work/chaos.conf")" \
    'experiment exact +[^ ]+chaos.conf:14.*inject +refuse at 3..5 +[^ ]+chaos.conf:16'
is 'one that is not there is an error' "$(chaos start slw 2>&1 >/dev/null | head -1)" \
    "shearpin: the policy in force has no experiment 'slw'; did you mean 'slow'?"
is 'a fault without an end is none' "$(chaos start --inject refuse --on pay 2>&1 >/dev/null)" \
    'shearpin: say how long: --for 5m; a fault that nobody ends has to end by itself'

# --- the controller is killed; 8 processes; the fault is over on time in all of them ---
for i in 1 2 3 4 5 6 7 8; do asks 3.5 "$work/asked.$i"; done
until_true test -s "$work/asked.8"
chaos start slow -f >/dev/null &
controller=$!
until_true running slow
like 'status says what is going on' "$("$shearpin" status)" 'pay .*experiment slow, [0-9]s left'
{ kill -9 "$controller" && wait "$controller"; } 2>/dev/null
until_true over slow
is 'it has completed, with nobody who watched' "$(status_of slow)" completed
wait "${started[@]: -8}"
"$python" - "$work"/asked.* >"$work/spans" <<'P'
import sys
for name in sys.argv[1:]:
    rows = [tuple(map(float, line.split())) for line in open(name)]
    slow = [row for row in rows if row[1] > 0.29]
    first, last = slow[0][0], slow[-1][0] + slow[-1][1]
    inside = [row for row in rows if first <= row[0] < slow[-1][0]]
    print(f"{len(slow) == len(inside) + 1} {1.2 < last - first < 2} {rows[-1][0] > last + 0.3}")
P
is 'in all of 8 processes: each call until the end, none after it' "$(sort -u "$work/spans")" 'True True True'
like 'which is an event' "$("$shearpin" events)" 'pay +chaos running: slow.*pay +chaos completed: slow'

# --- the same seed strikes the same calls ---
eight() { # eight NAME: 8 processes, 400 connects between them
    local pids=() i
    chaos start -q some 2>/dev/null
    : >"$work/order.$1"
    for i in 1 2 3 4 5 6 7 8; do
        connects 50 "$work/lock" "$work/order.$1" &
        pids+=($!)
    done
    wait "${pids[@]}"
    chaos stop -q some
}
eight first
eight second
struck=$(tr -d '.' <"$work/order.first" | wc -c)
is 'the same seed in 8 processes, twice: the same ordinals' "$(cat "$work/order.second")" "$(cat "$work/order.first")"
like 'which are a fifth of all' "$struck of $(wc -c <"$work/order.first")" '^([5-9][0-9]|1[01][0-9]) of 400$'
chaos start -q some
is 'and in one process' "$(connects 400)" "$(cat "$work/order.first")"
is 'each was counted' "$(injected some)" "$struck"
chaos stop -q some
chaos start -q some --intensity 0.5
half=$(connects 400)
chaos stop -q some
is 'with half the intensity some of them' "$("$python" -c '
import sys
whole, half = sys.argv[1:]
print({w for w, h in zip(whole, half) if h == "x"}, half.count("x") < whole.count("x"))' \
    "$(cat "$work/order.first")" "$half")" "{'x'} True"
chaos start -q some --seed 4711
other=$(connects 100)
chaos stop -q some
like 'another seed strikes others' "$([ "$other" != "$(head -c 100 "$work/order.first")" ] && echo others)" others
private() { guarded chaos "$python" "$work/connects.py" "$echo" 60; }
run_options=(--private --chaos some)
private >"$work/one" & a=$!
private >"$work/two" & b=$!
wait "$a" "$b"
private >"$work/three"
run_options=()
is 'twice at once in segments of their own' "$(cat "$work/one")" "$(head -c 60 "$work/order.first")"
is 'is the same' "$(cat "$work/two")" "$(cat "$work/one")"
is 'and once more' "$(cat "$work/three")" "$(cat "$work/one")"

# --- exact ordinals; who joins goes on ---
run_options=(-q --chaos exact)
is 'run --chaos starts it: the third and fourth connect' "$(connects 4)" '..xx'
is 'who joins goes on with the fifth' "$(connects 4)" 'x...'
run_options=()
is 'a second one on the same destination is refused' "$(chaos start some 2>&1 >/dev/null)" \
    'shearpin: exact injects on pay already; --also starts this one on top'
"$shearpin" reload "$work/chaos.conf" >/dev/null
is 'a reload does not end it' "$(status_of exact)" running
chaos start -q --also --inject refuse --on pay --for 1m
is 'with --also it stands on top, ad hoc' "$(connects 3)" 'xxx'
chaos stop -q
is 'stop ends all' "$(status_of exact) $(status_of ad-hoc) $(connects 2)" 'interrupted interrupted ..'

# --- who follows ends it with Ctrl-C ---
"$python" -c '
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$shearpin" chaos start some -f >/dev/null 2>&1 &
controller=$!
until_true running some
kill -INT "$controller"
wait "$controller"
is 'Ctrl-C ends what it follows' "$? $(status_of some)" '1 interrupted'

# --- what ends it by itself ---
(while connects 20 >/dev/null; do :; done) &
asking=$!
started+=($!)
chaos start -q failing 2>/dev/null
until_true over failing
like 'a condition aborts it, and nobody was there' "$(chaos status failing)" \
    'failing +. aborted .*errors > 50% for 5s \([0-9.]+% on pay\)'
kill "$asking"
wait "$asking" 2>/dev/null
is 'the next calls are good' "$(connects 5)" '.....'
is 'what is not steady is not begun' "$(chaos start careful 2>&1 >/dev/null | head -1 | sed 's/: [0-9.]*%$//')" \
    'shearpin: not steady: errors < 5% for 1m on pay'
is 'and has injected nothing' "$(status_of careful) $(injected careful) $(connects 3)" 'aborted 0 ...'

# --- started and stopped in the middle of everything ---
asks 4 "$work/busy"
until_true test -s "$work/busy"
for i in $(seq 30); do
    chaos start -q --inject 'latency 3ms share 50%' --on pay --inject 'latency 3ms on connect' --on pay --for 10s
    chaos stop -q
done
wait "${started[-1]}"
is 'started and stopped thirty times: no call has failed' "$(awk '$3 != 1' "$work/busy" | wc -l)" 0

# --- only some processes ---
asks 6 "$work/chosen"
chosen=$!
asks 6 "$work/others"
until_true test -s "$work/others"
chaos start -q --inject 'latency 500ms' --on pay --for 2s --pid "$chosen" # more than a busy machine takes
until_true over ad-hoc
late() { awk '$2 > 0.49 { n++ } END { print n + 0 }' "$1"; }
at_least 'only that process is struck' "$(late "$work/chosen")" 3
is 'and not the others' "$(late "$work/others")" 0
chaos start -q --inject refuse --on pay --for 1m --command curl 2>/dev/null
is 'only programs of that name: not python' "$(connects 3)" '...'
is 'but curl' "$(guarded chaos curl -s --noproxy '*' --max-time 5 "http://127.0.0.1:$echo/"; echo $?)" 7
chaos stop -q
chaos start -q --inject refuse --on pay --for 1m --processes 50% --seed 1 2>/dev/null
told_half() { [ "$(wc -l <"$work/half")" -ge "$1" ]; }
for i in 1 2 3 4 5 6; do
    guarded chaos "$python" -c '
import socket, sys, time
try: socket.create_connection(("127.0.0.1", int(sys.argv[1]))).close(); print(".")
except OSError: print("x")
sys.stdout.flush(); time.sleep(60)' "$echo" >>"$work/half" &
    halves+=($!)
    started+=($!)
    until_true told_half "$i"
done
kill "${halves[@]}"
like 'half of the processes' "$(sort "$work/half" | tr -d '\n')" '^\.{2,4}x{2,4}$'
chaos stop -q

# --- guards react as to a real network ---
policy guards "destination breaks
    match     127.0.0.1:$echo
    breaker   streak 3  open 1m
destination late
    match     127.0.0.1:$port
    deadline  response 200ms
    cap       1
experiment down
    target    breaks
    inject    refuse  at 1..3
    last      1m
    abort     breaks opens
experiment slow
    target    late
    inject    latency 2s
    last      1m"
export SHEARPIN_SEGMENT=guards
guarded guards true
chaos start -q down 2>/dev/null
is 'a breaker trips' "$(guarded guards "$python" "$work/connects.py" "$echo" 5) $(state guards breaks)" 'xxxxx open'
is 'and still refuses' "$(guarded guards "$python" "$work/connects.py" "$echo" 1)" x
is 'so that it is over' "$(status_of down)" aborted
like 'which is a reason to stop' "$(chaos status down)" 'aborted .*the breaker of breaks has opened'
chaos start -q slow 2>/dev/null
like 'a deadline cuts' "$(guarded guards "$python" -c '
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
began = time.monotonic()
s.sendall(b"GET / HTTP/1.0\r\n\r\n")
try: print(s.recv(1))
except OSError as error: print(error.errno, 0.2 <= time.monotonic() - began < 1)' "$port")" '^110 True$'
like 'a cap is full' "$(guarded guards "$python" -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET / HTTP/1.0\r\n\r\n")
try: socket.create_connection(("127.0.0.1", int(sys.argv[1])))
except OSError as error: print(error.errno)' "$port")" '^111$'
chaos stop -q
is 'all is well afterwards' "$(guarded guards curl -s -o /dev/null --noproxy '*' -w '%{http_code}' "$url")" 200

# --- silence and ends, live: in programs that block and in loops, on connections that stand and on new ones ---
# talks.py MODE PORT: at each line of stdin one exchange, on the connection that it has, or, when the
# line says so or it has none, on a new one; what came of it.
cat >"$work/talks.py" <<'P'
import errno, os, select, socket, sys
loop, port = sys.argv[1] == "loop", int(sys.argv[2])
def wait(s, what):
    if loop:
        poll = select.poll()
        poll.register(s, what)
        poll.poll()
def new():
    s = socket.socket()
    s.setblocking(not loop)
    error = s.connect_ex(("127.0.0.1", port))
    if error == errno.EINPROGRESS:
        wait(s, select.POLLOUT)
        error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error: raise OSError(error, os.strerror(error))
    return s
s = None
for line in sys.stdin:
    try:
        if s is None or line == "new\n": s = new()
        s.send(b"?")
        wait(s, select.POLLIN)
        said = "ok" if s.recv(1) else "end"
    except OSError as error:
        said = errno.errorcode[error.errno]
    if said != "ok": s = None
    print(said, flush=True)
P
policy live "destination talk
    match     127.0.0.1:$echo
    deadline  connect 300ms  response 200ms
    slo       errors < 50% for 5s
experiment early
    target    talk
    steady    errors < 1% for 5s
    inject    refuse
    last      1m"
export SHEARPIN_SEGMENT=live
guarded live true
chaos start -q early 2>/dev/null
like 'too few calls are told as such afterwards' "$(chaos status early; chaos report early)" \
    'not steady: errors < 1% for 5s \(too few calls: 0 on talk\).*because .*\(too few calls: 0 on talk at'
# talks FAULT WORDS: before; while it lasts on the connection that stands, and on a new one; after
talks() {
    local mode said all in out
    for mode in blocking loop; do
        rm -f "$work/words"
        mkfifo "$work/words"
        exec {out}< <(exec "$shearpin" run -p "$work/live.conf" -- "$python" "$work/talks.py" "$mode" "$echo" <"$work/words")
        started+=($!)
        exec {in}>"$work/words"
        all=
        for line in old start old new stop new; do
            case $line in
            start) chaos start -q --inject "$1" --on talk --for 1m ;;
            stop) chaos stop -q ;;
            *) echo "$line" >&"$in"
               read -r -t 10 -u "$out" said
               all+=" $said" ;;
            esac
        done
        is "$1, live, $mode: before, on the old connection, on a new one, after" "$all" "$2"
        exec {in}>&- {out}<&-
    done
}
talks hang ' ok ETIMEDOUT ETIMEDOUT ok'
talks 'hang on connection' ' ok ok ETIMEDOUT ok'
talks blackhole ' ok ok ETIMEDOUT ok'
talks eof ' ok end end ok'
talks 'eof on connection' ' ok ok end ok'
talks reset ' ok ECONNRESET ECONNRESET ok'

# --- on calls of no destination: beside a fault of the process's own, too ---
chaos start -q --inject no-fds --on talk --for 1m 2>/dev/null
is 'live no-fds beside eintr of its own' "$("$shearpin" run -p "$work/live.conf" --inject 'eintr at 100000' --on talk -- \
    "$python" -c '
import errno, socket
try: socket.socket()
except OSError as error: print(errno.errorcode[error.errno])')" EMFILE
chaos stop -q

# --- what stands on the command line alone ends early, too ---
(while guarded live "$python" "$work/connects.py" "$echo" 20 >/dev/null; do :; done) &
asking=$!
started+=($!)
chaos start -q --inject refuse --on talk --for 1m --abort 'errors > 50% for 5s' --abort 'talk opens'
until_true over ad-hoc
kill "$asking"
wait "$asking" 2>/dev/null
like '--abort ends an experiment ad hoc' "$(chaos status ad-hoc)" 'aborted .*errors > 50% for 5s \([0-9.]+% on talk\)'
like 'and is part of the line that does it again' "$(chaos report ad-hoc)" \
    "rerun +shearpin chaos start --inject 'refuse' --on talk --for 1m --abort 'errors > 50% for 5s' --abort 'talk opens' --seed"
abort() { chaos start --inject refuse --on "${2:-talk}" --for 1m --abort "$1" 2>&1; echo "$?"; }
like 'a condition without a time' "$(abort 'errors > 50%')" "--abort 'errors > 50%': say over which time: 'errors > 10% for 30s'.2$"
like 'one that is none' "$(abort 'talk eror > 50% for 5s')" "unknown measure 'eror' \(possible here: .* errors .*2$"
like 'on what is no destination' "$(abort 'tlak errors > 50% for 5s')" "no destination 'tlak'; did you mean 'talk'.*3$"
like 'over more than is kept' "$(abort 'errors > 50% for 1h')" \
    'the figures of talk are not kept for 1h, so nothing would end it.*.slo errors < 10% for 1h. of talk.*.talk opens..*1$'
like 'beside a name' "$(chaos start some --abort 'errors > 1% for 5s' 2>&1)" '^shearpin: --abort goes with --inject'

# --- a command that is a child gets the report ---
run_options=(--private --chaos some --save "$work/saved")
like 'run --chaos --save ends with the report' "$(guarded chaos "$python" "$work/connects.py" "$echo" 60 2>&1 >/dev/null)" \
    'pay +[0-9]+ .*some   running for .*seed 918273.*pay +errors .*injected +refuse [0-9]+   of .*rerun +shearpin chaos start some --seed 918273'
run_options+=(-q)
is 'unless it is to be quiet' "$(guarded chaos "$python" "$work/connects.py" "$echo" 60 2>&1 >/dev/null)" ''
