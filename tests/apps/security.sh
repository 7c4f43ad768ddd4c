#!/bin/bash
# What other users can do to a segment in a directory that everybody may write to: nothing.
# docs/security.md says why.
. "$(dirname "$0")/lib.sh"
if [ "$(id -u)" != 0 ]; then
    echo 'ok - two users on one machine # SKIP not root'
    exit
fi
start_dependency
policy billing "destination d
    match 127.0.0.1:$port
    breaker streak 2  open 60s"
chmod 711 "$work"
chmod 1777 "$SHEARPIN_DIR" # as /dev/shm is
cp "$build/shearpin" "$build/libshearpin.so" "$work/"
tool=$work/shearpin
nobody() { runuser -u nobody -- env SHEARPIN_DIR="$SHEARPIN_DIR" SHEARPIN_LOG=/dev/null "$@"; }
ask() { guarded billing curl -s --noproxy '*' "$url" 2>&1; }
segment=$SHEARPIN_DIR/$(sh -c 'cd "$1" && "$2" run -p "$3" -- true && ls' - \
    "$SHEARPIN_DIR" "$shearpin" "$work/billing.conf")

is 'a sticky directory of all is good enough' "$(ask)" hello
is 'nobody else may read it' "$(stat -c '%a %U' "$segment")" '600 root'
for command in 'status -s billing' 'trip -s billing d' 'disable -s billing' 'rm billing --force' \
    'events -s billing' 'reset -s billing d'; do
    # shellcheck disable=SC2086
    nobody "$tool" $command >"$work/said" 2>&1
    like "another user: $command" "$? $(cat "$work/said")" '^[34] .*(billing|nothing is running)'
done
nobody truncate -s 0 "$segment" 2>/dev/null
nobody rm -f "$segment" 2>/dev/null
is 'nor cut it short, nor remove it' "$(ask)" hello
is 'the breaker is as it was' "$(state billing d)" closed

# Root does not believe what another user wrote, and becomes that user.
nobody "$tool" run -s theirs --observe -- true
denied=$("$shearpin" trip everything -s theirs --for 5m 2>&1)
like 'root and the segment of another user' "$? $denied" \
    "^4 shearpin: .* belongs to uid [0-9]+, not to us or root"$'\n'"  runuser -u nobody -- shearpin trip everything -s theirs --for 5m\$"
nobody "$tool" rm -q theirs

# The name of the segment taken by somebody else before.
"$shearpin" rm -s billing >/dev/null 2>&1 || rm -f "$segment"
squat() { # NAME COMMAND...: by another user; the program runs, run says why and refuses
    local name=$1
    shift
    rm -f "$segment"
    nobody "$@"
    like "$name: run refuses" "$(ask; echo $?)" "${segment##*/}.*125$"
    is "$name: a bare preload runs unguarded" "$(SHEARPIN_POLICY=$work/billing.conf \
        LD_PRELOAD=$build/libshearpin.so curl -s --noproxy '*' "$url")" hello
    rm -rf "$segment"
}
squat 'a file of another user' sh -c ": >'$segment'; chmod 666 '$segment'"
squat 'a copy of what it should be' sh -c "head -c 2000000 /dev/zero >'$segment'"
squat 'a fifo' mkfifo -m 666 "$segment"
squat 'a directory' mkdir "$segment"
echo precious >"$work/precious"
squat 'a symbolic link to a file of ours' ln -s "$work/precious" "$segment"
is 'which is as it was' "$(cat "$work/precious")" precious
is 'and then it is ours again' "$(ask)" hello

# A directory where others could put another file in its place.
chmod 777 "$SHEARPIN_DIR"
like 'a directory without the sticky bit' "$(ask; echo $?)" 'writable by everybody.*125$'
chmod 1777 "$SHEARPIN_DIR"

# Includes: regular files of the same owner or root only.
mkdir -m 777 "$work/policy.d"
cp "$work/billing.conf" "$work/includes.conf"
sed -i '1i include policy.d/*.conf' "$work/includes.conf"
chmod 644 "$work/includes.conf"
nobody sh -c "printf 'destination d\n    deadline connect 1ms\n' >'$work/policy.d/evil.conf'"
like 'an include of another user' "$("$shearpin" check "$work/includes.conf" 2>&1)" 'evil.conf.*own'

# What a privileged program inherits from whoever starts it must not guard it.
cp "$(command -v curl)" "$work/curl-setuid"
chown nobody "$work/curl-setuid" && chmod 4755 "$work/curl-setuid"
become down
mount=$(findmnt -no OPTIONS -T "$work" | grep -c nosuid)
if [ "$mount" = 0 ]; then
    for _ in 1 2 3; do
        SHEARPIN_POLICY=$work/billing.conf LD_PRELOAD=$build/libshearpin.so \
            "$work/curl-setuid" -s --noproxy '*' "$url"
    done
    is 'a setuid program is not guarded' "$(state billing d)" closed
else
    echo 'ok - a setuid program is not guarded # SKIP nosuid here: tests/shim sleeps_when_secure shows it'
fi
