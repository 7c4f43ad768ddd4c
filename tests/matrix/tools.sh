# tools.sh - shells, copies, debuggers, sandboxes, and programs under other libraries
# shellcheck shell=bash disable=SC2154,SC2317

# A sshd of our own for the row; $own is its port.
sshd_start() {
    own=$(free_ports 1)
    mkdir -p "$work/ssh" /run/sshd
    chmod 700 "$work/ssh"
    [ -e "$work/ssh/host" ] || ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/host"
    [ -e "$work/ssh/user" ] || ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/user"
    cat >"$work/ssh/conf" <<EOF
HostKey $work/ssh/host
AuthorizedKeysFile $work/ssh/user.pub
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
AllowTcpForwarding yes
Subsystem sftp internal-sftp
EOF
    serve "$@" /usr/sbin/sshd -D -e -f "$work/ssh/conf" -p "$own" -o ListenAddress=127.0.0.1
    until_true listening "$own"
    ssh=(ssh -F none -i "$work/ssh/user" -p "$own" -o BatchMode=yes -o StrictHostKeyChecking=no
        -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR)
}
ssh_row() {
    local own ssh
    sshd_start "${G[@]}"
    "${G[@]}" "${ssh[@]}" root@127.0.0.1 'cat; exit 7' <"$work/www/large" | sum
    echo "${PIPESTATUS[0]}"
    "${G[@]}" "${ssh[@]}" -o ProxyCommand=none -W "127.0.0.1:$redis" root@127.0.0.1 < <(printf 'PING\r\nQUIT\r\n')
    "${G[@]}" scp -q -F none -i "$work/ssh/user" -P "$own" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o LogLevel=ERROR "root@127.0.0.1:$work/www/large" copy && sum <copy
}
row 'ssh, scp, sshd' openssh-server 'ssh scp /usr/sbin/sshd root' ssh_row seen \
    'a command with its status, a forwarded port, a copy; client and server guarded'

rsync_row() {
    local own ssh daemon
    sshd_start env
    daemon=$(free_ports 1)
    printf 'use chroot = no\n[www]\npath = %s\n' "$work/www" >conf
    serve "${G[@]}" rsync --daemon --no-detach --config=conf --port="$daemon" --address=127.0.0.1
    until_true listening "$daemon"
    "${G[@]}" rsync -a "rsync://127.0.0.1:$daemon/www/large" one && "${G[@]}" rsync -a -e "${ssh[*]}" "root@127.0.0.1:$work/www/large" two &&
        cat one two | sum
}
row rsync rsync 'rsync ssh /usr/sbin/sshd root' rsync_row seen 'from its daemon, guarded too, and over ssh'

socat_row() {
    local own
    own=$(free_ports 1)
    serve "${G[@]}" socat "TCP-LISTEN:$own,bind=127.0.0.1,reuseaddr,fork" "TCP:127.0.0.1:$http"
    until_true listening "$own"
    printf 'GET /large HTTP/1.0\r\n\r\n' | "${G[@]}" socat -t 10 - "TCP:127.0.0.1:$own" | sed '1,/^\r$/d' | sum
    printf 'PING\r\nQUIT\r\n' | "${G[@]}" socat -t 10 - "UNIX-CONNECT:$work/redis.sock"
}
row socat socat socat socat_row seen 'a forking relay, TCP and unix'

nc_row() { printf 'PING\r\nQUIT\r\n' | "${G[@]}" nc -q 5 127.0.0.1 "$redis" && "${G[@]}" nc -z 127.0.0.1 "$http" && ! "${G[@]}" nc -z 127.0.0.1 1; }
row nc netcat-openbsd nc nc_row seen 'a conversation, a knock, a refusal'

tcpdump_row() {
    "${G[@]}" tcpdump -Z root -i lo -c 5 -w packets "tcp port $http" 2>log &
    local dump=$!
    until_true grep -q 'listening on' log
    curl -sf "$small"
    wait "$dump"
    echo "tcpdump $?"
    tcpdump -r packets 2>/dev/null | wc -l
}
row tcpdump tcpdump 'tcpdump curl root' tcpdump_row unseen 'five packets of the loopback'

make_row() {
    printf 'all: %s\n%%.out:\n\t@curl -sf %s -o $@ && sha256sum <$@ >>sums\n' "$(seq -s ' ' -f '%g.out' 24)" "$large" >Makefile
    "${G[@]}" make -s -j8 && sort sums | uniq -c
}
row 'make -j8' make 'make curl' make_row seen '24 recipes that download'

strace_row() { "${G[@]}" strace -f -o trace -e trace=connect curl -sf "$small" && grep -c "htons($http)" trace; }
row strace strace 'strace curl' strace_row seen 'curl, traced'

gdb_row() {
    printf '%s\n' 'set debuginfod enabled off' 'set startup-with-shell off' 'break connect' commands silent continue end \
        run >script
    printf 'PING\r\nQUIT\r\n' | "${G[@]}" gdb -q -batch -nx -x script --args nc -q 5 127.0.0.1 "$redis" 2>/dev/null |
        tr -d '\r' | grep -E '^\+|exited normally' | sed 's/process [0-9]*/process/'
}
row gdb gdb 'gdb nc' gdb_row seen 'nc, stopped in connect and let go'

valgrind_row() { "${G[@]}" valgrind -q --error-exitcode=9 curl -sf "$small"; }
row valgrind valgrind 'valgrind curl' valgrind_row seen 'curl, without an error'

jemalloc=$(printf '%s\n' /usr/lib/*/libjemalloc.so.2 | head -n 1)
before_row() { LD_PRELOAD=$jemalloc "${G[@]}" curl -sf "$large" | sum; }
after_row() {
    "${G[@]}" sh -c "LD_PRELOAD=$jemalloc\${LD_PRELOAD:+:\$LD_PRELOAD} exec $python '$work/rows/many.py'"
}
cat >"$work/rows/many.py" <<EOF
import sys, threading, urllib.request
def get(): sys.stdout.write("%d\\n" % len(urllib.request.urlopen("$large").read()))
all = [threading.Thread(target=get) for _ in range(8)]
for t in all: t.start()
for t in all: t.join()
EOF
row 'jemalloc, behind us' libjemalloc2 "$jemalloc curl" before_row seen 'curl'
row 'jemalloc, before us' libjemalloc2 "$jemalloc $python" after_row seen 'eight threads of python3'

bwrap_row() {
    "${G[@]}" bwrap --ro-bind / / --dev-bind /dev /dev --proc /proc --unshare-pid --die-with-parent \
        curl -sf "$small"
}
row bwrap bubblewrap 'bwrap curl' bwrap_row seen 'curl in a sandbox of its own'

chroot_row() { "${G[@]}" chroot / curl -sf "$small"; }
row chroot coreutils 'chroot curl root' chroot_row seen 'curl'

setuid_row() {
    printf '#include <unistd.h>\nint main(int c, char **v) { (void)c; return execvp(v[1], v + 1); }\n' | cc -x c -o helper - &&
        chown nobody helper && chmod u+s helper && chmod 755 . && chmod u+s helper &&
        "${G[@]}" sh -c "./helper id -un; curl -sf $small"
}
row 'a setuid helper' coreutils 'cc curl root' setuid_row seen 'started by a guarded shell: it runs, and is not guarded'

su_row() { "${G[@]}" su -s /bin/sh nobody -c "id -un; curl -sf $small"; }
row su util-linux 'su curl root' su_row unseen 'curl as another user, who may not open our segment'

systemd_row() { "${G[@]}" systemd-run --quiet --wait --pipe true; }
row systemd-run systemd 'systemd-run /run/systemd/system' systemd_row unseen 'a transient unit'
