#!/bin/bash
# The library in a root with an older glibc, by that root's own curl and python. The root is made by
# hand, as it takes minutes and a mirror; Ubuntu 22.04 has 2.35, the floor is 2.34:
#   debootstrap --variant=minbase --include=curl,python3-minimal jammy DIR http://archive.ubuntu.com/ubuntu
#   OLDER_ROOT=DIR scripts/run-tests tests/apps/older.sh
. "$(dirname "$0")/lib.sh"

older=${OLDER_ROOT:-}
if [ "$(id -u)" != 0 ] || [ -z "$older" ] || ! [ -x "$older/usr/bin/curl" ]; then
    echo 'ok - an older glibc # SKIP no OLDER_ROOT, or not root: tests/apps/older.sh says how to make it'
    exit 0
fi
inside=/tmp/shearpin-older.$$
mkdir -m 755 "$older$inside" && mkdir -m 700 "$older$inside/segments"
trap 'rm -rf "$older$inside"; finish' EXIT
cp "$build/libshearpin.so" "$older$inside/"
start_dependency
printf 'segment older\ndestination d\n    match 127.0.0.1:%s\n    deadline connect 1s  response 1s\n    breaker streak 2  open 60s\n' \
    "$port" >"$older$inside/policy.conf"
export SHEARPIN_DIR=$older$inside/segments

# there COMMAND...: in the root, under the library
there() {
    chroot "$older" /usr/bin/env SHEARPIN_DIR="$inside/segments" SHEARPIN_LOG="$inside/log" \
        SHEARPIN_POLICY="$inside/policy.conf" LD_PRELOAD="$inside/libshearpin.so" "$@" 2>&1
}
glibc=$(chroot "$older" /usr/bin/env getconf GNU_LIBC_VERSION)
get=(curl -s -o /dev/null -w '%{http_code} %{errormsg}' --noproxy '*' "$url")
like "$glibc: curl gets its answer" "$(there "${get[@]}")" '^200'
like "$glibc: python gets its answer" \
    "$(there python3 -c 'import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"GET / HTTP/1.0\r\n\r\n"); print(s.recv(99))' "$port")" '200 OK'
is "$glibc: both were seen" "$(field older d 'd["connects"]["ok"]')" 2
become down
there "${get[@]}" >/dev/null
there "${get[@]}" >/dev/null
is "$glibc: refusals trip the breaker" "$(state older d)" open
like "$glibc: which then refuses" "$(there "${get[@]}")" '^000 .*refused'
is "$glibc: and nothing had to be said" "$(cat "$older$inside/log" 2>/dev/null)" ''
