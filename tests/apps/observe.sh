#!/bin/bash
# Observe changes nothing: the system calls of victims with their results and errnos, without ours,
# are those of the bare program. What the policy says could not be stricter.
. "$(dirname "$0")/lib.sh"
command -v strace >/dev/null || { echo 'ok - observe # SKIP no strace'; exit 0; }
start_dependency
policy observe "destination all
    match     *
    mode      observe
    deadline  connect 5ms  response 5ms  send 5ms  idle 5ms  total 5ms
    breaker   streak 1  open 60s
    cap       500"
guarded observe true
"$shearpin" hold -q -s observe all open

# Ours: how a socket is, once a connect. Addresses and times differ from run to run, and how often a
# wait of 20 ms is begun until what is late arrives.
ours='F_GETFL|SO_TYPE|SO_COOKIE|F_OFD_GETLK|getpeername'
calls=network,read,readv,write,writev,close,dup,dup2,dup3,ioctl,fcntl,poll,ppoll,select,pselect6,epoll_create1,epoll_ctl,epoll_wait,epoll_pwait,epoll_pwait2,kill
clean() {
    sed -nE '/write\(-1, "begin"/,/write\(-1, "end"/p' "$1" | grep -vE "$ours" |
        sed -E 's/0x[0-9a-f]+/PTR/g; s/(htons|sin_port=)\(?[0-9]+\)?/PORT/g
            s/left \{[^}]*\}/left/g; s/tv_n?u?sec=[0-9]+/T/g; s/Date: [^\\]*/Date/g' | uniq
}

# same NAME COMMAND...: traced bare and observed.
same() {
    local name=$1 how
    shift
    for how in bare observed; do
        rm -f "$work/own"
        if [ $how = bare ]; then
            strace -o "$work/$how" -e trace=$calls -e signal=none "$@" >"$work/$how.out" 2>&1
        else
            strace -o "$work/$how" -e trace=$calls -e signal=none -E "LD_PRELOAD=$build/libshearpin.so" \
                -E SHEARPIN_SEGMENT=observe "$@" >"$work/$how.out" 2>&1
        fi
        echo "$?" >>"$work/$how.out"
        clean "$work/$how" >"$work/$how.calls"
    done
    is "$name: the program says the same" "$(cat "$work/observed.out")" "$(cat "$work/bare.out")"
    is "$name: its system calls are the same" \
        "$(diff "$work/bare.calls" "$work/observed.calls")" ''
    at_least "$name: and were seen" "$(wc -l <"$work/observed.calls")" 10
}

same 'every call' "$build/tests/shim" --victim every_call "$work/own" 127.0.0.1:1
same 'python' "$python" -c '
import http.client, os, sys
def mark(word):
    try: os.write(-1, word)
    except OSError: pass
mark(b"begin")
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=5)
for i in range(3):
    connection.request("GET", "/")
    print(connection.getresponse().read())
connection.close()
try: http.client.HTTPConnection("127.0.0.1", 1).request("GET", "/")
except OSError as error: print(error)
mark(b"end")' "$port"

at_least 'all of it would have been refused' "$(field observe all 'd["detected"]["breaker"]')" 10
is 'and nothing was' "$(field observe all 'd["rejected"]["breaker"], sum(d["expired"].values())')" \
    '(0, 0)'
