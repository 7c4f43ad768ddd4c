#!/bin/bash
# Faults of our own world: whatever happens to the segment, the policy, the fds, the memory or the
# other processes, a program under the shim does what it does bare.
# shellcheck disable=SC2016
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-echo.sh"

dead=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

both="destination up
    match 127.0.0.1:$port
    deadline response 5s
    cap 100
destination down
    match 127.0.0.1:$dead
    breaker streak 2  open 60s"
policy world "$both"
preload=$build/libshearpin.so
# preloaded COMMAND...: bare LD_PRELOAD, as a service unit has it. Environment may stand in front.
preloaded() { SHEARPIN_POLICY=$work/world.conf LD_PRELOAD=$preload "$@"; }
ask() { preloaded "$python" "$work/ask.py" "$port"; }
logged() { tail -n 1 "$work/log" 2>/dev/null; }
segment() { find "$SHEARPIN_DIR" -type f -name '*world*'; }
count() { field world up 'sum(d["connects"].values())'; }

is 'bare' "$("$python" "$work/ask.py" "$port")" fine
is 'guarded' "$(ask)" fine
is 'and counted' "$(count)" 3

# --- the place of the segment ---

namespaces=$(unshare -m mount -t tmpfs none /mnt 2>&1 && echo yes)
# in_shm OPTIONS SCRIPT: with a tmpfs of these options in the place of $SHEARPIN_DIR.
in_shm() {
    SCRIPT=$2 OPTIONS=$1 unshare -m bash -c '
        mount -t tmpfs -o "$OPTIONS,mode=700" none "$SHEARPIN_DIR" && eval "$SCRIPT"'
}
export -f preloaded ask logged
export work port python preload shearpin
if [ "$namespaces" = yes ]; then
    said=$(in_shm size=64k 'ask; logged')
    like 'full: the program runs' "$said" '^fine'
    like 'full: the log says why' "$said" 'No space left'
    like 'full: run refuses' "$(in_shm size=64k '"$shearpin" run -p "$work/world.conf" -- true 2>&1; echo $?')" \
        'No space left.*125$'
    is 'full: --anyway' "$(in_shm size=64k '"$shearpin" run --anyway -p "$work/world.conf" -- \
        "$python" "$work/ask.py" "$port" 2>/dev/null')" fine
    like 'full, and then room: guarded again' "$(in_shm size=64k 'ask >"$work/first"
        mount -o remount,size=64m "$SHEARPIN_DIR"; ask; "$shearpin" status -s world')" 'fine.*up '
    said=$(in_shm size=64m,ro 'ask; logged')
    like 'read-only: the program runs' "$said" '^fine'
    like 'read-only: the log says why' "$said" 'Read-only file system'
    like 'read-only, and then not: guarded again' "$(in_shm size=64m,ro 'ask >"$work/first"
        mount -o remount,rw "$SHEARPIN_DIR"; ask; "$shearpin" status -s world')" 'fine.*up '
    like 'filled up under a segment that stands: guarded as ever' "$(in_shm size=8m 'ask
        cat /dev/zero >"$SHEARPIN_DIR/rest" 2>/dev/null; ask; "$shearpin" status -s world')" 'fine.*fine.*up '
    like 'noexec: guarded as ever' "$(in_shm size=64m,noexec 'ask; "$shearpin" status -s world')" 'fine.*up '
    like 'read-only under a segment that stands' "$(in_shm size=64m 'ask
        mount -o remount,ro "$SHEARPIN_DIR"; ask; logged')" 'fine.*fine.*Read-only'
else
    echo "ok - /dev/shm full, read-only, noexec # SKIP no mount namespaces: $namespaces"
fi
is 'missing: the program runs' "$(SHEARPIN_DIR=$work/nowhere ask)" fine
like 'missing: the log says so' "$(logged)" 'nowhere'
mkdir -m 700 "$work/nowhere"
is 'and then there: guarded' "$(SHEARPIN_DIR=$work/nowhere ask; SHEARPIN_DIR=$work/nowhere count)" $'fine\n3'

# --- the segment itself ---

stay() {
    coproc STAY { preloaded "$python" "$work/stay.py" "$port"; }
    started+=("$STAY_PID")
}
once() { echo go >&"${STAY[1]}" && read -r -t 10 -u "${STAY[0]}" answer && echo "$answer"; }
# leave: it reads its end; $left is how it ended.
leave() {
    local pid=$STAY_PID in=${STAY[1]}
    exec {in}>&-
    wait "$pid"
    left=$?
}

stay
is 'before' "$(once)" again
before=$(count)
rm -f "$(segment)"
is 'unlinked: who has it goes on' "$(once)" again
is 'unlinked: the next makes a new one' "$(ask)" fine
is 'unlinked: which counts from nothing' "$(count)" 3
leave
is 'unlinked: and ends well' "$left" 0
at_least 'there was one to lose' "$before" 4

head -c 100000 "$(segment)" >"$work/short" && cat "$work/short" >"$(segment)"
is 'cut short: the program runs' "$(ask)" fine
like 'cut short: the log says so' "$(logged)" 'world'
like 'cut short: so does run, and what to do' "$("$shearpin" run -p "$work/world.conf" -- true 2>&1)" 'remove the file and start again'
rm -f "$(segment)"
is 'removed: as new' "$(ask)" fine
is 'removed: and guarded' "$(count)" 3
if [ "$(id -u)" = 0 ]; then
    chmod 711 "$work"
    runuser -u nobody -- truncate -s 0 "$(segment)" 2>/dev/null
    is 'another user cannot cut it' "$(ask)" fine
    is 'and it counts on' "$(count)" 6
else
    echo 'ok - another user cannot cut it # SKIP not root'
fi

stay
is 'noise: before' "$(once)" again
head -c "$(stat -c %s "$(segment)")" /dev/urandom | dd of="$(segment)" conv=notrunc status=none
is 'noise: who has it mapped goes on' "$(once; once; once)" $'again\nagain\nagain'
is 'noise: the next runs unguarded' "$(ask)" fine
leave
is 'noise: and ends well' "$left" 0
rm -f "$(segment)"

# --- the policy ---

is 'a new segment' "$(ask)" fine
cp "$work/world.conf" "$work/kept.conf"
export SHEARPIN_SEGMENT=world
echo garbage >"$work/world.conf"
is 'garbage in the policy: the program runs' "$(ask)" fine
head -c 60 "$work/kept.conf" >"$work/world.conf"
is 'half a policy' "$(ask)" fine
rm "$work/world.conf"
is 'no policy' "$(ask)" fine
cp "$work/kept.conf" "$work/world.conf"
unset SHEARPIN_SEGMENT
is 'the last good policy stayed in force' "$(count)" 12
echo garbage >"$work/world.conf"
like 'reload refuses it' "$("$shearpin" reload -s world "$work/world.conf" 2>&1; echo $?)" 'error: .*1$'
cp "$work/kept.conf" "$work/world.conf"
is 'and it is as it was' "$(ask; count)" $'fine\n15'

# A policy that its program may not read any more. Root reads everything, so it is somebody else's.
if [ "$(id -u)" = 0 ]; then
    mkdir -m 700 "$work/theirs" && cp "$shearpin" "$preload" "$work/kept.conf" "$work/theirs"
    mkdir -m 755 "$work/theirs/etc" && mv "$work/theirs/kept.conf" "$work/theirs/etc/world.conf"
    chown -R nobody "$work/theirs"
    chmod 755 "$work" "$work/ask.py" "$work/stay.py"
    nobody() {
        exec runuser -u nobody -- env SHEARPIN_DIR="$work/theirs" SHEARPIN_LOG="$work/theirs/log" "$@"
    }
    theirs=(env SHEARPIN_POLICY="$work/theirs/etc/world.conf" LD_PRELOAD="$work/theirs/libshearpin.so")
    asks() { (nobody "${theirs[@]}" "$python" "$work/ask.py" "$port"); }
    counts() {
        (nobody "$work/theirs/shearpin" status -s world --json up) |
            jq '.destinations[0].connects | add'
    }
    reloads() { (nobody "$work/theirs/shearpin" reload "$work/theirs/etc/world.conf") 2>&1; echo $?; }
    is 'a user of their own' "$(asks; counts)" $'fine\n3'
    coproc STAY { nobody "${theirs[@]}" "$python" "$work/stay.py" "$port"; }
    started+=("$STAY_PID")
    is 'one that stays' "$(once)" again
    for how in "000 $work/theirs/etc/world.conf" "000 $work/theirs/etc"; do
        was=$(stat -c %a "${how#* }")
        chmod "${how% *}" "${how#* }"
        name="unreadable ${how##*/}"
        is "$name: who is guarded goes on" "$(once)" again
        is "$name: a program starts" "$(asks)" fine
        like "$name: and says that it is unguarded" "$(tail -n 1 "$work/theirs/log")" 'world.conf: cannot be read: permission denied'
        is "$name: one that knows its segment is guarded" "$(theirs+=(SHEARPIN_SEGMENT=world); before=$(counts); asks; echo $(($(counts) - before)))" $'fine\n3'
        like "$name: reload says why, and what holds" "$(reloads)" 'permission denied.*generation 1 stays in force.*1$'
        chmod "$was" "${how#* }"
        is "$name, and then readable: as it was" "$(before=$(counts); asks; echo $(($(counts) - before)))" $'fine\n3'
    done
    leave
    is 'and the one that stayed ends well' "$left" 0
else
    echo 'ok - a policy that is unreadable # SKIP not root, so that there is nobody else'
fi

# --- an experiment in a segment of noise ---

policy game "destination d
    match 127.0.0.1:$port
experiment late
    target d
    inject latency 200ms
    last 1m"
export SHEARPIN_SEGMENT=game
coproc STAY { exec "$shearpin" run -p "$work/game.conf" -- "$python" "$work/stay.py" "$port"; }
started+=("$STAY_PID")
is 'an experiment: before' "$(once)" again
"$shearpin" chaos start -q late
is 'an experiment: delayed' "$(began=$EPOCHREALTIME; once; awk "BEGIN { print ($EPOCHREALTIME - $began > 0.15) }")" $'again\n1'
head -c "$(stat -c %s "$SHEARPIN_DIR"/*.game)" /dev/urandom | dd of="$(echo "$SHEARPIN_DIR"/*.game)" conv=notrunc status=none
is 'an experiment in noise: who has it mapped goes on' "$(once; once; once)" $'again\nagain\nagain'
is 'and others run' "$(guarded game "$python" "$work/ask.py" "$port" 2>/dev/null || preloaded "$python" "$work/ask.py" "$port")" fine
like 'its command says that this is none' "$("$shearpin" chaos status 2>&1; echo $?)" '[345]$'
leave
is 'and it ends well' "$left" 0
rm -f "$SHEARPIN_DIR"/*.game
is 'removed: no experiment' "$(guarded game "$python" "$work/ask.py" "$port"; "$shearpin" chaos status --json | jq -c .experiments)" $'fine\n[]'
unset SHEARPIN_SEGMENT

# --- a recorder whose disk is full ---

if [ "$namespaces" = yes ]; then
    policy tape "defaults
    journal 64KiB
destination d
    match 127.0.0.1:$port"
    mkdir "$work/disk"
    export -f guarded
    like 'a full disk: the recorder says so, and programs go on' "$(in_shm size=64m '
        mount -t tmpfs -o size=16k none "$work/disk"
        tape() { "$shearpin" run -p "$work/tape.conf" -- "$python" "$work/ask.py" "$port" "$1"; }
        tape 1 && "$shearpin" journal -s tape -f --record "$work/disk/tape" 2>"$work/taped" &
        recorder=$!
        tape 40; wait "$recorder"; echo "ended $?"; cat "$work/taped"; tape 1
        mount -o remount,size=1m "$work/disk"
        "$shearpin" journal -s tape --record "$work/disk/tape"; echo "again $?"
        grep "^{.*}$" "$work/disk/tape" | jq -s "map(select(.number != null).number) | (. == [range(length)]), length"' 2>&1)" \
        'fine.*ended 5.*cannot write to .*tape: No space left.*fine.*again 0.true.168'
else
    echo 'ok - a full disk under a recorder # SKIP no mount namespaces'
fi

# --- clocks ---

if unshare -T true 2>/dev/null; then
    is 'another monotonic clock' "$(unshare -T --monotonic 100000000 --fork bash -c ask)" fine
    is 'and back' "$(ask)" fine
else
    echo 'ok - another monotonic clock # SKIP no time namespaces'
fi

# --- limits ---

# full.py PORT N: with N fds open, or all there may be (0), on the last of which a socket is.
cat >"$work/full.py" <<'EOF2'
import os, socket, sys
from ask import ask
port, n = map(int, sys.argv[1:])
last = socket.socket()
try:
    while n == 0 or last.fileno() < n:
        os.dup(0) if n == 0 or last.fileno() == -1 else None
        if n: os.dup2(last.detach(), n); last = socket.socket(fileno=n)
except OSError as error: print(error.strerror)
last.settimeout(None)
last.connect(("127.0.0.1", port)); last.sendall(b"high"); print(last.recv(16).decode(), last.fileno() >= n)
EOF2
export PYTHONPATH=$work
full() { preloaded "$python" "$work/full.py" "$port" "$@"; }
is 'no fd is left' "$(ulimit -n 64; full 0)" $'Too many open files\nhigh True'
[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -gt 100000 ] || ulimit -Hn 100001 2>/dev/null
most=$(ulimit -Hn)
[ "$most" != unlimited ] && [ "$most" -le 100000 ] || most=100001
was=$(count)
is "fd $((most - 1))" "$(ulimit -n "$most"; full $((most - 1)))" 'high True'
is 'is guarded' "$(($(count) - was))" 1
[ "$most" = 100001 ] || echo "ok - fd 100,000 # SKIP the limit of $most is not ours to raise, even as root (CAP_SYS_RESOURCE)"
is 'little memory' "$(ulimit -v 60000; ask)" fine
is 'no memory for tables: as bare' "$(ulimit -v 28000; ask 2>&1)" \
    "$(ulimit -v 28000; "$python" "$work/ask.py" "$port" 2>&1)"
