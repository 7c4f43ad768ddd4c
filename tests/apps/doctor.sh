#!/bin/bash
# doctor: what it says of programs, live processes and units, and how it ends.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
export LC_ALL=C.UTF-8

# doctor NAME STATUS PATTERN TARGET...
doctor() {
    local name=$1 status=$2 pattern=$3 out
    shift 3
    out=$("$shearpin" doctor "$@" 2>&1)
    like "$name" "$? $out" "^$status $pattern"
}
# json EXPRESSION TARGET...: of `doctor --json`, as j.
json() {
    local expression=$1
    shift
    "$shearpin" doctor --json "$@" |
        "$python" -c 'import json, sys; j = json.load(sys.stdin); print(eval(sys.argv[1]))' "$expression"
}
kinds='[f["kind"] for f in j["findings"] if f["level"] != "ok"]'

# --- programs ---
cat >client.c <<'EOF'
#include <sys/socket.h>
#include <unistd.h>
int main(void) { return connect(0, 0, 0) + (int)recv(0, 0, 0, 0) > 0; }
EOF
cc -o client client.c
cc -static -o static client.c
cc -o musl -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 client.c
echo go >note
objcopy --add-section .go.buildinfo=note client go
cp client other && printf '\x08\x00' | dd of=other bs=1 seek=18 conv=notrunc status=none
cp client raised && chown 65534 raised && chmod u+s raised

doctor 'a dynamic program' 0 '\./client: can be wrapped
  ✓ dynamic, glibc 2\.[0-9]+ or newer needed, imports connect recv$' ./client
doctor 'by way of a library' 0 '.*imports connect .* by way of libcurl\.so' curl
doctor 'static' 1 './static: cannot be wrapped
  ✗ statically linked: no program interpreter, so ld.so never runs and LD_PRELOAD is ignored
  You can
    link it dynamically         drop -static and rebuild, then run doctor again
    or put a proxy in front     a sidecar sees what the loader cannot' "./static"
doctor 'Go' 1 '.*✗ Go program: makes its own system calls' ./go
doctor 'musl' 1 '.*✗ linked with musl: libshearpin.so needs glibc' ./musl
doctor 'another machine' 1 '.*✗ for another machine than libshearpin.so' ./other
doctor 'setuid' 1 '.*✗ setuid: ld.so drops LD_PRELOAD there' ./raised
sed 's/GLIBC_2\.34/GLIBC_2.99/g' client >newer && chmod +x newer
doctor 'a newer glibc' 1 '.*✗ it needs glibc 2\.99, here is 2\.' ./newer
doctor 'nobody there' 3 '.*there is no program, process or unit' no-such-program
doctor 'no such process' 3 '.*there is no program, process or unit' 999999
is 'setuid root: fine for root alone' "$(json "$kinds, j['wrappable']" /usr/bin/su)" "(['setuid'], True)"
if setcap cap_net_raw+ep client 2>/dev/null; then
    is 'file capabilities' "$(json "$kinds" ./client)" "['capabilities']"
    like 'file capabilities, for another user' \
        "$(setpriv --reuid 65534 --clear-groups "$shearpin" doctor "$(command -v ping || echo ./client)" 2>&1)" \
        'capabilities|can be wrapped|there is no'
    setcap -r client
fi
echo 'int io_uring_queue_init(void) { return 0; }' >ring.c
cc -shared -fPIC -Wl,-soname,liburing.so.2 -o liburing.so.2 ring.c
echo 'int io_uring_queue_init(void); int main(void) { return io_uring_queue_init(); }' >uses.c
cc -o uses uses.c ./liburing.so.2 -Wl,-rpath,"$work"
is 'io_uring by liburing' "$(json "$kinds" ./uses)" "['io_uring']"
echo '#define _GNU_SOURCE
#include <dlfcn.h>
int main(void) { return dlmopen(LM_ID_NEWLM, "libc.so.6", RTLD_NOW) == 0; }' >spaces.c
cc -o spaces spaces.c
is 'dlmopen' "$(json "$kinds" ./spaces)" "['dlmopen']"

# --- scripts ---
script() { printf '%s\n' "${@:2}" >"$1" && chmod +x "$1"; }
script wrapper '#!/bin/sh' 'ulimit -n 4096' 'exec "./static" "$@"'
doctor 'a wrapper script: what it becomes' 1 '.*✓ script of /bin/sh.*✗ then ./static +statically linked' \
    ./wrapper
script clears '#!/bin/bash' 'env -i ./client'
is 'a script that clears the environment' "$(json "$kinds" ./clears)" "['environment']"
# shellcheck disable=SC2016
script varies '#!/bin/bash' 'exec $JAVA_HOME/bin/java'
is 'a wrapper that only the run tells' "$(json "$kinds" ./varies)" "['wrapper']"
script by-env "#!/usr/bin/env $python"
doctor 'env and what it starts' 0 ".*then $python +dynamic.*imports connect" ./by-env

# --- run says the same, and where to ask ---
policy doctor 'destination all
    match *
    breaker streak 5'
like 'run points to doctor' "$(guarded doctor ./static 2>&1)" \
    'it is statically linked \(shearpin doctor ./static\)'
like 'run warns of io_uring' "$(guarded doctor ./uses 2>&1)" 'imports io_uring.*shearpin doctor ./uses'

# --- processes ---
cat >half.py <<'EOF'
"""Connects once by libc and once by a system call of its own, and starts what it is told to."""
import ctypes, os, socket, struct, subprocess, sys

listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
seen = socket.create_connection(("127.0.0.1", port))
missed = socket.socket()
address = struct.pack("<H", socket.AF_INET) + struct.pack(">H", port) + bytes([127, 0, 0, 1]) + bytes(8)
number = {"x86_64": 42, "aarch64": 203}[os.uname().machine]
assert ctypes.CDLL(None).syscall(number, missed.fileno(), address, 16) == 0
pair = socket.socketpair()
for child in sys.argv[1:]:
    subprocess.Popen([child], stdin=subprocess.PIPE, env={})
ring = ctypes.CDLL(None).syscall(425, 4, ctypes.create_string_buffer(120))
print(os.getpid(), int(ring >= 0), flush=True)
sys.stdin.read()
EOF
echo 'int getchar(void); int main(void) { return getchar(); }' >waits.c
cc -static -o waits waits.c
cc -o cleared waits.c

# process COMMAND...: its first line is "PID MORE"; $process, $more
process() {
    coproc PROCESS { exec "$@"; }
    started+=("$PROCESS_PID")
    read -r -u "${PROCESS[0]}" process more
}
process_end() {
    local pid=$PROCESS_PID
    eval "exec ${PROCESS[1]}>&-"
    wait "$pid" 2>/dev/null
}
process "$shearpin" run -p doctor.conf -- "$python" half.py "$work/waits" "$work/cleared"
doctor 'a process' 0 "$process .*: can be wrapped, " "$process"
doctor 'it is attached' 0 '.*✓ wrapped and attached +segment doctor, generation 1' "$process"
doctor 'half of its connections are seen' 0 \
    '.*! connections +the library sees 1 of 2: 50%' "$process"
is 'the same for machines' "$(json 'j["sockets"]["share_seen"]' "$process")" 0.5
# shellcheck disable=SC2016
is 'shearpin-json(7) has the keys that are printed, and no others' "$(json 'sorted(
    set(k for k in j if k not in ("findings", "remedies", "sockets")) |
    {"%s[].%s" % (l, k) for l in ("findings", "remedies") for f in j[l] for k in f} |
    {"sockets." + k for k in j["sockets"]})' "$process")" \
    "$("$python" -c 'import re, sys
section = sys.stdin.read().split(".SH DOCTOR")[1].split(".SH ")[0]
print(sorted(re.findall(r"^\.B (\S+)$", section, re.M)))' <"$root/docs/shearpin-json.7")"
doctor 'a static child escapes' 0 ".*! child $work/waits +statically linked.*so it is not covered" "$process"
doctor 'so does one without LD_PRELOAD' 0 ".*! child $work/cleared +started without LD_PRELOAD" "$process"
if [ "$more" = 1 ]; then
    doctor 'io_uring in use' 0 '.*! io_uring +it has 1 ring' "$process"
else
    echo 'ok - io_uring in use # SKIP not in this kernel'
fi
"$shearpin" disable -s doctor >/dev/null
doctor 'disabled' 0 '.*! wrapped and attached +segment doctor, generation 1, disabled' "$process"
"$shearpin" enable -s doctor >/dev/null
[ "$(id -u)" != 0 ] ||
    like 'another user may not look' \
        "$(cd / && setpriv --reuid 65534 --clear-groups "$shearpin" doctor "$process" 2>&1; echo $?)" \
        "the kernel does not let us look.*sudo shearpin doctor $process.*4$"
process_end

SHEARPIN=off process "$shearpin" run -p doctor.conf -- "$python" half.py
doctor 'asleep' 0 '.*! wrapped, but asleep +.*SHEARPIN=off' "$process"
process_end
process "$python" half.py
doctor 'a bare process' 0 '.*! not wrapped +it does not map libshearpin.so' "$process"
process_end

if [ "$(id -u)" = 0 ]; then # root asks about a service of another user
    install -d -m 700 -o daemon daemon
    chmod 755 . && cp half.py daemon.py && chmod 644 daemon.py doctor.conf
    cp "$shearpin" "$build/libshearpin.so" . # where daemon can reach them
    process setpriv --reuid daemon --regid daemon --clear-groups env SHEARPIN_DIR="$work/daemon" \
        ./shearpin run -p doctor.conf -- "$python" daemon.py
    doctor 'another user'"'"'s process' 0 ".*✓ wrapped and attached +segment doctor.*the library sees 1 of 2: 50%" "$process"
    process_end
fi

# a destination that is off, an address that no rule takes: neither is missed
policy apart 'destination elsewhere
    match 192.0.2.1:80
    breaker streak 5'
process "$shearpin" run -p apart.conf -- "$python" half.py
is 'what no rule takes is not missed' \
    "$(json 'j["sockets"]["seen"], j["sockets"]["missed"], j["sockets"]["unmatched"]' "$process")" \
    '(0, 0, 2)'
process_end

# --- units ---
units=$work/root/etc/systemd/system
mkdir -p "$units/legacy.service.d" "$work/root/lib/systemd/system"
unit() { printf '%s\n' '[Unit]' 'Description=x' '[Service]' "${@:2}" >"$work/root/$1"; }
unit lib/systemd/system/legacy.service "ExecStart=/no/such/program"
unit etc/systemd/system/legacy.service "ExecStart=-$work/client --of \\" '  # all' '  "two words"'
doctor 'a unit' 0 "legacy.service: can be wrapped
  ✓ $work/client  dynamic, .*imports connect recv" --root root legacy.service
doctor 'a unit without its suffix' 0 'legacy.service: can be wrapped' --root root legacy
doctor 'no such unit' 3 '.*' --root root other.service
printf '%s\n' '[Service]' 'ExecStart=' "ExecStart=@$work/static legacyd" >"$units/legacy.service.d/10-x.conf"
doctor 'a drop-in replaces the command' 1 ".*✗ $work/static +statically linked" --root root legacy
rm "$units/legacy.service.d/10-x.conf"
unit lib/systemd/system/worker@.service "ExecStart=$work/%i" 'User=root'
doctor 'a template and its instance' 0 "worker@client.service: can be wrapped
  ✓ $work/client " --root root worker@client
doctor 'another instance' 1 ".*✗ $work/static " --root root worker@static.service
unit etc/systemd/system/hidden.service "ExecStart=$work/client" 'TemporaryFileSystem=/dev:ro'
doctor 'a hidden /dev/shm' 0 '.*! /dev/shm +the unit hides it' --root root hidden
unit etc/systemd/system/hidden.service "ExecStart=$work/client" "InaccessiblePaths=-$build"
doctor 'a hidden library' 1 '.*✗ .*/libshearpin.so +the unit hides it' --root root hidden
unit etc/systemd/system/unset.service "ExecStart=$work/client" 'UnsetEnvironment=A LD_PRELOAD'
doctor 'what unsets LD_PRELOAD' 1 '.*UnsetEnvironment= +it takes LD_PRELOAD away' --root root unset
echo 'LD_PRELOAD=/usr/lib/x.so' >root/environment
unit etc/systemd/system/unset.service "ExecStart=$work/client" 'EnvironmentFile=-/environment'
doctor 'a file that overrides the drop-in' 1 '.*✗ .*/environment +it sets LD_PRELOAD' --root root unset
unit etc/systemd/system/setuid.service "ExecStart=$work/raised" 'User=daemon'
doctor 'User= decides what setuid means' 1 '.*✗ .*/raised +setuid' --root root setuid
