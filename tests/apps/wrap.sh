#!/bin/bash
# wrap and unwrap: a drop-in of variables, and nothing else changed; then under a real systemd, which
# has namespaces of its own here.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
export LC_ALL=C.UTF-8
library=$build/libshearpin.so

policy wrapped 'destination all
    match *
    breaker streak 5'
units=$work/root/etc/systemd/system
mkdir -p "$work/root/lib/systemd/system" "$units"
vendor() { printf '%s\n' '[Unit]' 'Description=x' '[Service]' "${@:2}" >"$work/root/lib/systemd/system/$1"; }
vendor legacy.service "ExecStart=$python -c pass" 'Environment=A=1 "LD_PRELOAD=/opt/50%%/lib a.so"'
drop=$units/legacy.service.d/50-shearpin.conf

# pin NAME STATUS PATTERN COMMAND WORDS...
pin() {
    local name=$1 status=$2 pattern=$3 out
    shift 3
    out=$("$shearpin" "$@" --root root 2>&1)
    like "$name" "$? $out" "^$status $pattern"
}
tree() { (cd root && find . -printf '%p %m %l\n' -type f -exec cksum {} + | sort); }
before=$(tree)

pin 'dry run: shows it' 0 '.*would write root/etc/systemd/system/legacy.service.d/50-shearpin.conf' \
    wrap legacy -p wrapped.conf --dry-run
is 'dry run: writes nothing' "$(tree)" "$before"
pin 'wrap: doctor first' 0 "legacy.service: can be wrapped.*wrote .*systemctl daemon-reload && systemctl restart legacy.service" \
    wrap legacy -p wrapped.conf
is 'wrap: variables and nothing else, in observe mode' "$(sed 1,2d "$drop")" "[Service]
Environment=\"LD_PRELOAD=$library:/opt/50%%/lib:a.so\"
Environment=\"SHEARPIN_POLICY=$work/wrapped.conf\"
Environment=\"SHEARPIN_SEGMENT=wrapped\"
Environment=\"SHEARPIN_DIR=$work/segments\"
Environment=\"SHEARPIN_SET=*.mode=observe\""
first=$(cat "$drop")
pin 'wrap again: the same' 0 '.*wrote' wrap legacy -p wrapped.conf
is 'wrap again: not twice in LD_PRELOAD' "$(sed '2s/made .*//' "$drop")" "$(sed '2s/made .*//' <<<"$first")"
like 'doctor sees the drop-in' "$("$shearpin" doctor legacy --root root)" '✓ wrapped +its environment preloads'
pin 'unwrap' 0 'removed root/etc/systemd' unwrap legacy
is 'unwrap: all is as it was' "$(tree)" "$before"
pin 'unwrap: not wrapped' 1 '.*legacy.service is not wrapped' unwrap legacy

pin 'wrap --enforce -o' 0 '.*wrote' wrap legacy -p wrapped.conf --enforce -o all.deadline.connect=1s
like 'as the policy says, with a word changed' "$(cat "$drop")" 'SHEARPIN_SET=all.deadline.connect=1s"'
sed -i 's/1s/2s/' "$drop"
pin 'wrap: an edited file stays' 1 '.*was changed since shearpin wrote it' wrap legacy -p wrapped.conf
pin 'unwrap: an edited file stays' 1 '.*was changed since shearpin wrote it' unwrap legacy
pin 'unwrap --force' 0 'removed' unwrap legacy --force
mkdir "$units/legacy.service.d" && printf '[Service]\nNice=5\n' >"$drop"
pin 'wrap: a stranger stays' 1 '.*was not written by shearpin' wrap legacy -p wrapped.conf --force
pin 'unwrap: a stranger stays' 1 '.*was not written by shearpin' unwrap legacy --force
is 'the stranger is whole' "$(cat "$drop")" $'[Service]\nNice=5'
mv "$drop" "$units/legacy.service.d/10-nice.conf"
before=$(tree)
pin 'wrap beside another drop-in' 0 '.*wrote' wrap legacy -p wrapped.conf
pin 'unwrap leaves the directory' 0 'removed' unwrap legacy
is 'and all that is in it' "$(tree)" "$before"

pin 'no such unit' 3 ".*there is no unit 'nobody'" wrap nobody -p wrapped.conf
pin 'no policy' 1 '.*no such file' wrap legacy -p none.conf
vendor static.service "ExecStart=/usr/sbin/ldconfig -p"
pin 'what cannot be wrapped is not' 1 '.*static.service: cannot be wrapped' wrap static -p wrapped.conf
[ ! -e "$units/static.service.d" ]
is 'and nothing is written' $? 0
chmod 600 wrapped.conf
vendor other.service "ExecStart=/usr/bin/env" 'User=daemon'
if [ "$(id -u)" = 0 ]; then
    pin 'a policy that the user cannot read' 1 '.*the user of other.service cannot read it.*chmod a\+r' \
        wrap other -p wrapped.conf
fi
chmod 644 wrapped.conf

# --- a real systemd ---
skip() {
    echo "ok - under systemd # SKIP $1"
    exit
}
[ "$(id -u)" = 0 ] || skip 'needs root'
[ -x /lib/systemd/systemd ] || skip 'systemd is not installed'
unshare --pid --fork --mount --cgroup true 2>/dev/null || skip 'no namespaces here'

cat >client.py <<'EOF'
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
kept = socket.create_connection(listener.getsockname())
time.sleep(1000)
EOF
mkdir system
printf '%s\n' '[Unit]' 'DefaultDependencies=no' >system/tests.target
printf '%s\n' '[Unit]' 'DefaultDependencies=no' '[Service]' "ExecStart=$python $work/client.py" \
    >system/legacy.service
cat >init <<'EOF'
mount --make-rprivate / && mount -t proc proc /proc && mount -t tmpfs tmpfs /run &&
    mount -t tmpfs tmpfs /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
    mount --bind "$1/system" /etc/systemd/system && mkdir -p /run/systemd/system || exit 1
ip link set lo up
container=tests exec /lib/systemd/systemd --system --unit=tests.target --log-target=null --show-status=no
EOF
unshare --kill-child --fork --pid --mount --cgroup --uts --ipc --net bash init "$work" >systemd.log 2>&1 &
outer=$!
inner() { init=$(pgrep -P "$outer") && [ -n "$init" ]; }
inside() { timeout 10 nsenter -t "$init" -m -p -n -C env "PATH=$PATH" "$@"; }
ready() { inner && inside systemctl is-active tests.target; }
# The last word of systemd is a kill: it ends its own, and what it left in the control groups goes.
ended() {
    kill -9 "$init" "$outer" 2>/dev/null
    wait "$outer" 2>/dev/null
    for group in /sys/fs/cgroup/{,unified/}{system.slice/legacy.service,system.slice,init.scope}; do
        [ ! -d "$group" ] || until_true rmdir "$group" # empty when the last of it has died
    done
    finish
}
trap ended EXIT
if ! until_true ready; then
    sed 's/^/  /' systemd.log
    exit
fi
inside systemctl start legacy.service
says() { inside "$shearpin" doctor legacy.service 2>&1; }
until_says() { until_true eval "says | grep -q '$1'"; }
like 'under systemd: not wrapped yet' "$(says)" '! not wrapped +none of its 1 processes maps'
inside "$shearpin" wrap legacy -p "$work/wrapped.conf" -q
inside systemctl daemon-reload
inside systemctl restart legacy.service
until_says 'wrapped and attached'
like 'under systemd: wrapped and attached' "$(says)" \
    '✓ wrapped and attached +1 of 1 processes of the unit map libshearpin.so'
main=$(inside systemctl show -p MainPID --value legacy.service)
until_true eval "inside '$shearpin' doctor '$main' | grep -q 'sees 1 of 1'"
like 'under systemd: its connection is seen' "$(inside "$shearpin" doctor "$main")" 'the library sees 1 of 1: 100%'
inside "$shearpin" unwrap legacy -q
inside systemctl daemon-reload
inside systemctl restart legacy.service
like 'under systemd: unwrapped' "$(says)" '! not wrapped +none of its 1 processes maps'
is 'under systemd: nothing is left' "$(ls system)" $'legacy.service\ntests.target'
