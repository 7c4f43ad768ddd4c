#!/bin/bash
# The probes: that docs/probes.md lists what stands in the library, and that they fire.
. "$(dirname "$0")/lib.sh"
library=$build/libshearpin.so
skip() {
    echo "ok - probes # SKIP $1"
    exit
}
[ -e /usr/include/sys/sdt.h ] || [ -e "/usr/include/$(cc -dumpmachine)/sys/sdt.h" ] ||
    skip 'sys/sdt.h is not installed'

listed=$(sed -n 's/^| \([a-z]*\) | .*|$/\1/p' docs/probes.md | grep -v '^probe$' | sort)
found=$(readelf -n "$library" | grep -A1 'Provider: shearpin' | sed -n 's/.*Name: //p' | sort -u)
is 'docs/probes.md lists the probes of the library' "$found" "$listed"

policy probes 'destination held
    match 127.0.0.1
    breaker streak 5
    cap 1'
guarded probes true
"$shearpin" hold -s probes held open >/dev/null
cat >"$work/asks.py" <<'EOF'
import socket
try:
    socket.create_connection(("127.0.0.1", 1))
except ConnectionRefusedError:
    print("refused")
EOF
asks() { guarded probes "$python" "$work/asks.py"; }

if command -v gdb >/dev/null; then
    cat >"$work/gdb" <<EOF
set debuginfod enabled off
set startup-with-shell off
set environment LD_PRELOAD $library
set environment SHEARPIN_POLICY $work/probes.conf
catch load libshearpin
run
break -probe-stap shearpin:reject
continue
printf "by %d of %s\n", (int)\$_probe_arg1, (char *)\$_probe_arg0
kill
EOF
    said=$(gdb -q -batch -nx -x "$work/gdb" --args "$python" "$work/asks.py" 2>&1 </dev/null)
    like 'gdb stops at a refusal and knows whose' "$said" 'by 1 of held'
else
    echo 'ok - gdb # SKIP gdb is not installed'
fi

# bpftrace wants tracefs, which is mounted for it alone.
trace() {
    # shellcheck disable=SC2016
    exec unshare -m bash -c 'mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null; exec bpftrace -e "$1"' \
        bash "$1"
}
watched=$work/watched
seen() { asks && grep -q 'held by 1' "$watched"; }
if [ "$(id -u)" = 0 ] && command -v bpftrace >/dev/null && (trace 'BEGIN { exit(); }') >/dev/null 2>&1; then
    trace "usdt:$library:shearpin:reject { printf(\"%s by %d\\n\", str(arg0), arg1); }" >"$watched" 2>&1 &
    started+=($!)
    until_true seen
    like 'bpftrace sees it live' "$(cat "$watched")" 'held by 1'
else
    echo 'ok - bpftrace # SKIP no bpftrace, or this kernel does not let it trace'
fi
is 'without a tracer it is what it was' "$(asks)" refused
