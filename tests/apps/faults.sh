#!/bin/bash
# Every injected fault on real programs that block and on real event loops. FAULTS_BYTES=1073741824 for
# payloads of 1 GiB instead of 64 MiB.
# shellcheck disable=SC2016 # node and perl have dollars of their own
. "$(dirname "$0")/lib.sh"

asks=tests/apps/faults.py
size=${FAULTS_BYTES:-67108864}
coproc SERVER { exec "$python" "$asks" serve "$work/unix"; }
started+=("$SERVER_PID")
server_in=${SERVER[1]} server_out=${SERVER[0]}
read -r -u "$server_out" port
accepted() { echo >&"$server_in"; read -r -u "$server_out" accepted; }

bounds='deadline connect 300ms  response 300ms'
policy d "destination d
    match 127.0.0.1:$port localhost unix:$work/unix
    $bounds"
policy patient "destination d
    match 127.0.0.1:$port localhost unix:$work/unix"

cat >"$work/node.js" <<'NODE'
const net = require('net'), start = process.hrtime.bigint();
let got = 0;
const end = word => { console.log(word, got, (Number(process.hrtime.bigint() - start) / 1e9).toFixed(3)); process.exit(); };
const s = net.connect(+process.argv[2], '127.0.0.1', () => s.write(`GET /${process.argv[3]} HTTP/1.1\r\n\r\n`));
s.on('data', d => got += d.length); s.on('end', () => end('end')); s.on('error', e => end(e.code));
NODE

# struck FAULT COMMAND...: a run of its own, under the policy in $use
use=d
struck() {
    local fault=$1
    shift
    timeout 60 "$shearpin" run -p "$work/$use.conf" --private --inject "$fault" --on d -- "$@" 2>&1
}
py() { struck "$1" "$python" "$asks" "${@:2}"; }

# one FAULT WHAT WORDS LEAST MOST: a program that blocks, asyncio and node see the same, in time
one() {
    local fault=$1 what=$2 words=$3 least=$4 most=$5 client said
    for client in blocking loop node; do
        if [ "$client" = node ]; then
            said=$(struck "$fault" node "$work/node.js" "$port" "$what")
        else
            said=$(py "$fault" "$client" "$port" "$what")
        fi
        like "$fault, $client: $words" "$said" "^$words [0-9.]+\$"
        at_least "$fault, $client: not before" "${said##* }" "$least"
        below "$fault, $client: in time" "${said##* }" "$most"
    done
}

# --- connects ---
accepted
before=$accepted
one refuse 5 'ECONNREFUSED 0' 0 0.25
one unreachable 5 'EHOSTUNREACH 0' 0 0.25
one no-address 5 'EADDRNOTAVAIL 0' 0 0.25
one no-buffers 5 'ENOBUFS 0' 0 0.25
one blackhole 5 'ETIMEDOUT 0' 0.3 0.9
accepted
is 'of none of these the destination hears anything' "$accepted" "$before"
use=patient
said=$(struck blackhole curl -s --max-time 0.5 "http://127.0.0.1:$port/5")
is 'without a deadline a blackhole has no end but the program'"'"'s' "$?" 28
use=d

# --- exchanges ---
one hang 5 'ETIMEDOUT 0' 0.3 0.9
one 'hang on connection' 5 'ETIMEDOUT 0' 0.3 0.9
accepted
is 'what hangs has connected' "$accepted" $((before + 6))
one reset 5 'ECONNRESET 0' 0 0.25
one eof 5 'end 0' 0 0.25

# --- connections ---
one 'reset on connection' 5 'ECONNRESET 0' 0 0.25
one 'eof on connection' 5 'end 0' 0 0.25
one 'reset after 10KiB' 100000 'ECONNRESET 10240' 0 0.25
one 'eof after 10KiB' 100000 'end 10240' 0 0.25
one 'eof after 10KiB on request' 100000 'end 10240' 0 0.25
one 'reset after 200ms' slow 'ECONNRESET [0-9]+' 0.2 0.5
one 'eof after 200ms' slow 'end [0-9]+' 0.2 0.5
one 'slow-close 400ms' 1000 'end 10[0-9]+' 0.4 0.9

# --- unix sockets ---
for client in blocking loop; do
    like "unix, hang, $client" "$(py hang $client "$work/unix" 5)" '^ETIMEDOUT 0 0\.[3-8]'
    like "unix, reset after 10KiB, $client" "$(py 'reset after 10KiB' $client "$work/unix" 100000)" '^ECONNRESET 10240'
    like "unix, eof after 10KiB, $client" "$(py 'eof after 10KiB' $client "$work/unix" 100000)" '^end 10240'
done
like 'unix, blackhole, blocking' "$(py blackhole blocking "$work/unix" 5)" '^ETIMEDOUT 0 0\.[3-8]'
like 'unix, blackhole: a full backlog' "$(py blackhole backlog "$work/unix")" '^EAGAIN$'

# --- data ---
sum=$(head -c "$size" < <("$python" -c '
import sys
block = bytes(i * 7 % 251 for i in range(1 << 16))
try:
    while True: sys.stdout.buffer.write(block)
except BrokenPipeError: sys.stderr.close()') | sha256sum)
sum=${sum%% *}
use=patient
for fault in 'slice 16KiB +-15KiB' 'slow-close 100ms'; do
    said=$(struck "$fault" curl -sS "http://127.0.0.1:$port/$size" | sha256sum)
    is "$fault: curl gets $size bytes as they were sent" "${said%% *}" "$sum"
    said=$(py "$fault" get "$port" "$size")
    is "$fault: so does python" "${said%% *}" "$sum"
done
largest=$(py 'slice 1KiB' get "$port" 100000)
is 'slice: no receive gets more' "${largest##* }" 1024
is 'slice: no send takes more' "$(py 'slice 1KiB' put "$port" 100000)" 'same 1024'
is 'slice: an edge-triggered reader hears of the rest' "$(py 'slice 100B' edges "$port" 100000)" 'end True True'
is 'slice: MSG_WAITALL gets all' "$(py 'slice 100B' whole "$port" 50000)" '50000 True'
for client in blocking loop; do
    said=$(py 'slice 10KiB pause 30ms' $client "$port" 100000)
    like "slice, $client: nothing is lost" "$said" '^end 100[0-9]+ '
    at_least "slice, $client: nine pauses" "${said##* }" 0.27
    below "slice, $client: and no more" "${said##* }" 0.6
done
said=$(py 'corrupt 1KiB' hurt "$port" 102400)
like 'corrupt: one byte of each KiB, and a look sees the same' "$said" '^True (99|10[01]) [0-9a-f]+ True$'
is 'corrupt: the same bytes each time' "$(py 'corrupt 1KiB' hurt "$port" 102400)" "$said"
like 'corrupt: others by another seed' "$(py 'corrupt 1KiB seed 5' hurt "$port" 102400)" '^True'
like 'corrupt on request: what is sent arrives changed' "$(py 'corrupt 1KiB on request' put "$port" 100000)" '^other'

# --- nginx: edge-triggered, the faults are its upstream's ---
nginx=$(command -v nginx || echo /usr/sbin/nginx)
proxied() {
    local proxy=$work/nginx.$RANDOM listen pid
    mkdir -p "$proxy"
    listen=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat >"$proxy/conf" <<NGINX
daemon off; master_process off;
pid $proxy/pid;
error_log $proxy/log;
events { }
http {
    access_log off;
    client_body_temp_path $proxy; proxy_temp_path $proxy; fastcgi_temp_path $proxy;
    uwsgi_temp_path $proxy; scgi_temp_path $proxy;
    client_max_body_size 0;
    server {
        listen 127.0.0.1:$listen;
        location = /up { return 204; }
        location / {
            proxy_pass http://127.0.0.1:$port; proxy_http_version 1.1; proxy_request_buffering off;
            proxy_connect_timeout 1s; proxy_read_timeout 1s;
        }
    }
}
NGINX
    SHEARPIN_SET="d.inject=$1" SHEARPIN_POLICY=$work/$use.conf LD_PRELOAD=$build/libshearpin.so \
        "$nginx" -e "$proxy/log" -c "$proxy/conf" &
    pid=$!
    until_true curl -s -o /dev/null --noproxy '*' "http://127.0.0.1:$listen/up"
    shift
    "$@" "http://127.0.0.1:$listen"
    kill "$pid"
    wait "$pid"
}
code() { curl -s -o /dev/null --noproxy '*' -w '%{http_code}' "${2:-$1}/5"; }
is 'nginx: refuse' "$(proxied refuse code)" 502
is 'nginx: blackhole' "$(proxied blackhole code)" 504
is 'nginx: hang' "$(proxied hang code)" 504
is 'nginx: reset' "$(proxied reset code)" 502
is 'nginx: eof' "$(proxied eof code)" 502
load() { curl -sS --noproxy '*' "$1/$size" | sha256sum; }
for fault in 'slice 16KiB +-15KiB' 'slow-close 100ms'; do
    said=$(proxied "$fault" load)
    is "nginx: $fault, $size bytes as they were sent" "${said%% *}" "$sum"
done
head -c 8388608 /dev/urandom >"$work/body"
upload() { curl -sS --noproxy '*' -T "$work/body" -H 'Expect:' "$1/8388608"; }
said=$(sha256sum <"$work/body")
is 'nginx: slice, and as many as are sent' "$(proxied 'slice 16KiB +-15KiB' upload)" "${said%% *}"

# --- look-ups ---
use=d
like 'lookup-fail' "$(py lookup-fail name localhost)" '^EAI_AGAIN'
like 'lookup-fail no-name' "$(py 'lookup-fail no-name' name localhost)" '^EAI_NONAME'
like 'lookup-fail, getent' "$(struck 'lookup-fail no-name' getent ahosts localhost; echo $?)" '^2$'
said=$(py 'latency 300ms on lookup' name localhost)
like 'latency on lookup' "$said" '^127.0.0.1'
at_least 'latency on lookup: not before' "${said##* }" 0.3
like 'wrong-address' "$(py wrong-address name localhost)" '^192.0.2.1 '
like 'wrong-address, as given' "$(struck 'wrong-address 127.0.0.3' getent ahostsv4 localhost)" '^127.0.0.3 '
old='use Socket; my $a = gethostbyname("localhost"); print defined $a ? inet_ntoa($a) : "none $?"'
is 'wrong-address, gethostbyname' "$(struck 'wrong-address 127.0.0.3' perl -e "$old")" 127.0.0.3
like 'lookup-fail, gethostbyname' "$(struck lookup-fail perl -e "$old")" '^none'

# --- the process itself ---
like 'no-fds: socket()' "$(py no-fds blocking "$port" 5)" '^EMFILE'
like 'no-fds system' "$(py 'no-fds system' loop "$port" 5)" '^ENFILE'
like 'no-fds on connect' "$(py 'no-fds on connect' blocking "$port" 5)" '^EMFILE'
is 'no-fds: socket() and accept() are counted together' "$(py 'no-fds at 5' accepts)" 'ok EMFILE ok ok'
waits() { # FAULT: a send, two receives, two selects
    struck "$1" perl -e '
    use IO::Socket::INET; use Errno;
    sub word { defined $_[0] && $_[0] >= 0 ? "ok" : $!{EINTR} ? "EINTR" : "$!" }
    my $s = IO::Socket::INET->new("127.0.0.1:'"$port"'") or die;
    my $q = "GET /5 HTTP/1.1\r\n\r\n"; my @said = word(syswrite $s, $q);
    syswrite $s, $q if $said[0] ne "ok";
    push @said, word(sysread $s, my $b, 1) for 1..2;
    push @said, word(select undef, undef, undef, 0.01) for 1..2;
    print "@said"'
}
is 'eintr: a send' "$(waits 'eintr at 1')" 'EINTR ok ok ok ok'
is 'eintr: every other wait' "$(waits 'eintr every 2')" 'ok EINTR ok EINTR ok'
for client in blocking loop; do
    like "eintr, $client: who tries again gets all" "$(py eintr $client "$port" 100000)" '^end 100'
done
like 'eintr, node: too' "$(struck eintr node "$work/node.js" "$port" 100000)" '^end 100'
is 'UDP is left alone' "$(timeout 60 "$shearpin" run -p "$work/d.conf" --private --inject 'hang' --on '*' \
    --inject 'reset' --on '*' --inject 'blackhole' --on '*' -- "$python" "$asks" datagrams)" True

# --- which of them ---
use=patient
is 'at 3..5' "$(py 'refuse at 3..5' many "$port" 8)" '..xxx...'
is 'every 3' "$(py 'refuse every 3' many "$port" 8)" '..x..x..'
said=$(py 'refuse share 20%' many "$port" 10000)
refused=${said//[^x]/}
at_least 'a fifth of 10,000 connects, by the binomial 99.9 % interval' ${#refused} 1868
below 'and no more' ${#refused} 2133
is 'the same ones each time' "$(py 'refuse share 20%' many "$port" 1000)" "${said:0:1000}"

# --- the guards take them for the network ---
reacts() { # NAME GUARDS
    policy "$1" "destination d
    match 127.0.0.1:$port
    $2"
}
inject() { # NAME FAULT COMMAND...: in the segment of that name, which stays
    local name=$1 fault=$2
    shift 2
    SHEARPIN_SET="d.inject=$fault" timeout 60 "$shearpin" run -p "$work/$name.conf" -- "$python" "$asks" "$@"
}
reacts opens "deadline response 200ms
    breaker streak 3  open 60s"
for _ in 1 2 3; do inject opens hang blocking "$port" 5 >/dev/null; done
is 'three that hang open the breaker' "$(state opens d)" open
like 'which refuses the next' "$(inject opens hang blocking "$port" 5)" '^ECONNREFUSED'
is 'their outcome is a timeout' "$(field opens d 'd["exchanges"]["response_timeout"]')" 3
reacts resets 'breaker streak 2  open 60s'
for _ in 1 2; do inject resets reset loop "$port" 5 >/dev/null; done
is 'two that are reset open it, too' "$(state resets d)" open
reacts ends 'breaker streak 2  open 60s'
for _ in 1 2; do inject ends eof loop "$port" 5 >/dev/null; done
is 'and two that end early' "$(state ends d)" open
reacts caps 'deadline response 2s
    cap inflight 1'
SHEARPIN_SET='d.inject=hang' "$shearpin" run -p "$work/caps.conf" -- "$python" "$asks" blocking "$port" 5 >/dev/null &
hung=$!
hangs() { "$shearpin" metrics -s caps | grep -q '^shearpin_cap_inflight_in_use{.* 1$'; }
until_true hangs
like 'what hangs holds its place' "$(inject caps hang blocking "$port" 5)" '^ECONNRESET'
wait "$hung"
reacts retries 'deadline connect 200ms
    retry 2 backoff 10ms..20ms on refused,timeout'
for client in blocking loop; do
    like "a blackhole is tried again, $client" "$(inject retries 'blackhole every 2' many "$port" 1)$(
        inject retries 'blackhole every 2' $client "$port" 5)" '^\.end [0-9]+ 0\.[2-6]'
done
