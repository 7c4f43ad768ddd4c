#!/bin/bash
# The command itself: what it says, how it ends, and that steering reaches the segment.
# SHEARPIN_BUILD (default: BUILD, else build) is the directory with shearpin and libshearpin.so.
BUILD=${SHEARPIN_BUILD:-${BUILD:-build}}
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1
failed=0

# verdict NAME DETAILS...: after a test.
verdict() {
    local good=$?
    if [ $good = 0 ]; then
        echo "ok - $1"
        return
    fi
    failed=1
    echo "not ok - $1"
    shift
    printf '  %s\n' "${@//$'\n'/$'\n  '}"
}
is() {
    [ "$2" = "$3" ]
    verdict "$1" "got:      $2" "expected: $3"
}
like() {
    [[ $2 =~ $3 ]]
    verdict "$1" "got:      $2" "not like: $3"
}
# expect NAME STATUS PATTERN COMMAND...: the exit status, and a pattern for all of the output.
expect() {
    local name=$1 status=$2 pattern=$3 out got
    shift 3
    out=$("$@" 2>&1 </dev/null)
    got=$?
    [[ $got = "$status" && $out =~ $pattern ]]
    verdict "$name" "status $got, expected $status; not like: $pattern" "$out"
}
pin() { "$shearpin" "$@"; }
# python EXPRESSION: of the JSON on stdin, as `j`.
python() { "$python" -c 'import json, sys; j = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }
json() {
    local expression=$1
    shift
    pin "$@" | python "$expression"
}

cat >good.conf <<'EOF'
segment cli
defaults
    deadline  connect 2s
    breaker   open 1s..60s  probe 1  close 2
destination payments
    match     *.pay.example.com:443  127.0.0.1:1
    deadline  connect 250ms  response 2s
    breaker   streak 5
    cap       64
destination watched
    match     10.0.0.0/8:5432  unix:/run/*.sock
    mode      observe
EOF
cat >bad.conf <<'EOF'
segment cli
destination payments
    match     *.pay.example.com:443
    deadline  conect 250ms
    deadline  response 5
    brekaer   streak 5
    cap       999999
    mode      enforced
EOF
sed 's/250ms/300ms/' good.conf >next.conf

# --- help ---
expect 'the page' 0 'Start here:  shearpin run --observe -- COMMAND' pin
for command in $(pin help bash | sed -n "s/^    local commands='\(.*\)'/\1/p"); do
    expect "help $command" 0 "^usage: shearpin $command" pin help "$command"
    expect "$command -h is the same" 0 "^usage: shearpin $command" pin "$command" -h
done
expect 'help environment' 0 'SHEARPIN_POLICY' pin help environment
expect 'help exit' 0 '125  ours' pin help exit
expect 'version' 0 '^shearpin [0-9]+\.[0-9]+\.[0-9]+$' pin version
expect 'no such command' 2 "did you mean 'status'.*"$'\n''  shearpin status --json$' \
    pin stauts --json
expect 'no such option' 2 "did you mean '--json'.*usage: shearpin status" pin status --jsn
expect 'a word too many' 2 'usage: shearpin match' pin match a:1 b:2
expect 'a time without a unit' 2 'wants a time with a unit' pin status --interval 5
expect 'no help for it' 2 'shearpin help  lists the commands' pin help nonsense
expect 'serve: no port' 5 'a port is 0 to 65535' pin serve --listen 127.0.0.1:99999
expect 'output that cannot be written' 5 'could not be written' \
    bash -c "'$shearpin' help >/dev/full"

# --- policies ---
expect 'check: a good policy' 0 'no mistakes, 2 destinations' pin check good.conf
expect 'check: quiet' 0 '^$' pin check -q good.conf
expect 'check: five mistakes' 1 '5 errors$' pin check bad.conf
for mistake in "bad.conf:4:15: error: unknown word 'conect'" "did you mean 'connect'" \
    'bad.conf:5:24: error' "bad.conf:6:5: error: .*brekaer" 'bad.conf:7:15: error' \
    'bad.conf:8:15: error'; do
    expect "check says: $mistake" 1 "$mistake" pin check bad.conf
done
is 'check --json' "$(pin check --json bad.conf | python '[f["line"] for f in j]')" '[4, 5, 6, 7, 8]'
expect 'check: no such file' 1 'none.conf: error' pin check none.conf
expect 'check: several files' 1 '5 errors' pin check good.conf bad.conf
expect 'match: a name' 0 '^payments +good.conf:6    match \*\.pay\.example\.com:443' \
    pin match -p good.conf api.pay.example.com:443
expect 'match: where words come from' 0 \
    'deadline +connect 250ms  response 2s +good.conf:7.*open 1s\.\.1m  probe 1  close 2 +good.conf:4 \(defaults\)' \
    pin match -p good.conf api.pay.example.com:443
expect 'match: an address' 0 '^watched ' pin match -p good.conf 10.9.8.7:5432
expect 'match: a unix socket' 0 '^watched ' pin match -p good.conf unix:/run/x.sock
expect 'match: none' 1 'no destination matches' pin match -p good.conf 192.0.2.1:80
expect 'match: no address' 2 'is no address' pin match -p good.conf nonsense
expect 'match: SHEARPIN_POLICY' 0 '^watched ' \
    env SHEARPIN_POLICY=good.conf "$shearpin" match 10.9.8.7:5432
expect 'match -o' 0 'mode +off +-o' pin match -p good.conf -o watched.mode=off 10.9.8.7:5432
is 'match --json' "$(json 'j["destination"], j["line"]' match --json -p good.conf 10.1.1.1:5432)" \
    "('watched', 11)"
expect 'show' 0 'destination payments.*cap +64 +good.conf:9.*destination watched' pin show good.conf
expect 'show -v: unset words' 0 'send off' pin show -v good.conf
expect 'show: a bad policy' 1 'unknown word' pin show bad.conf

# --- nothing runs yet ---
expect 'status: nothing runs' 3 'nothing is running under shearpin .looked in' pin status
expect 'segments: none' 0 'no segments' pin segments
is 'segments --json: none' "$(json j segments --json)" '[]'

# --- run ---
run() { "$shearpin" run -p good.conf "$@"; }
expect 'run: the exit status is the command'"'"'s' 7 '^$' run -- sh -c 'exit 7'
expect 'run: without --' 3 '^$' run sh -c 'exit 3'
expect 'run: killed by a signal' 137 '' sh -c \
    "'$shearpin' run -p good.conf -- sh -c 'kill -9 \$\$'"
(run -- sh -c 'kill -TERM $$') 2>/dev/null
is 'run: 128+N' $? 143
read -r before after < <(sh -c 'printf "%s " $$; exec "$0" run -p good.conf -- sh -c "echo \$\$"' \
    "$shearpin")
is 'run: same pid' "$after" "$before"
expect 'run: not found' 127 'no-such-command is not in PATH' run -- no-such-command
expect 'run: no such file' 127 './none does not exist' run -- ./none
touch plain
expect 'run: not executable' 126 './plain is not executable' run -- ./plain
expect 'run: a directory' 126 'is a directory' run -- ./segments
expect 'run: no command' 125 'usage: shearpin run' run
expect 'run: a bad policy' 125 "unknown word 'conect'.*--anyway runs it all the same" \
    pin run -p bad.conf -- true
expect 'run: a bad policy, --anyway' 6 'would run unprotected: 5 errors in bad.conf' \
    pin run -p bad.conf --anyway -- sh -c 'exit 6'
expect 'run: no such policy' 125 'none.conf: error: .*no such file' pin run -p none.conf -- true
[ -e /etc/shearpin/policy.conf ] ||
    expect 'run: no policy' 125 'shearpin run --observe -- COMMAND' pin run -- true
[ -e /etc/shearpin/policy.conf ] ||
    expect 'run: that very file, by name' 125 '/etc/shearpin/policy.conf: error: cannot be read' \
        pin run -p /etc/shearpin/policy.conf -- true
expect 'run: a bad -o' 125 "did you mean 'payments.deadline.connect'" \
    run -o payments.deadline.conect=1s -- true
expect 'run: -o on what is shared' 125 'all processes of the segment share it' \
    run -o payments.cap=1 -- true
expect 'run: a bad fault' 125 "there is no fault 'latncy'; did you mean 'latency'" \
    run --inject 'latncy 3ms' --on payments true
expect 'run: no fault at all' 125 'should be one of: latency, refuse' run --inject 'explode' --on payments true
expect 'run: judged where nobody is' 125 "^shearpin: --slo paymets: .*did you mean 'payments'" \
    run --slo 'paymets errors < 1%' -- sh -c 'echo it ran'
expect 'run: two segments' 125 'leave -s x out, or --private' run --private -s x -- true
expect 'run: a fault without a place' 125 'say where: --on DEST' run --inject 'latency 3ms' true
expect 'run: a fault on nobody' 125 "did you mean 'payments'" \
    run --inject 'latency 3ms' --on paymnets true
# shellcheck disable=SC2016
show='echo "$LD_PRELOAD|$SHEARPIN_POLICY|$SHEARPIN_SEGMENT|$SHEARPIN_SET"'
is 'run: what the command inherits' \
    "$(SHEARPIN_SET='watched.mode=off' run --observe -o payments.deadline.connect=1s \
        --inject 'latency 3ms' --on payments -- sh -c "$show")" \
    "$build/libshearpin.so|$work/good.conf|cli|watched.mode=off;*.mode=observe;payments.deadline.connect=1s;payments.inject=latency 3ms"
is 'run: what was preloaded stays, and we are there once' \
    "$(LD_PRELOAD="$build/libshearpin.so:libm.so.6" run -- sh -c "echo \$LD_PRELOAD")" \
    "$build/libshearpin.so:libm.so.6"
mkdir "$work/two words" && cp "$shearpin" "$build/libshearpin.so" "$work/two words/"
like 'a library that ld.so would take for two' "$("$work/two words/shearpin" run -s two --observe -- true 2>&1; echo $?)" \
    'LD_PRELOAD cannot name a path with a blank or a colon.*125$'
pin rm -q two
is 'run --observe without a policy' \
    "$(cd segments && env -u SHEARPIN_POLICY "$shearpin" run --observe -- sh -c "$show")" \
    "$build/libshearpin.so||sh|*.mode=observe"
pin rm -q sh

# --- what cannot be wrapped ---
if cc -x c -o dynamic - <<<'int main(void) { return 3; }' 2>/dev/null; then
    expect 'run: a dynamic program' 3 '^$' run -- ./dynamic
    refused='refusing because of that; --anyway runs it all the same'
    cc -x c -o musl -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 - <<<'int main(void) { return 3; }'
    expect 'refused: musl' 125 "./musl would run unprotected: it is linked with musl.*$refused" \
        run -- ./musl
    objcopy --add-section .go.buildinfo=plain.conf dynamic go 2>/dev/null ||
        { echo go >plain.conf && objcopy --add-section .go.buildinfo=plain.conf dynamic go; }
    expect 'refused: Go' 125 "it is a Go program.*$refused" run -- ./go
    cp dynamic other && printf '\x08\x00' | dd of=other bs=1 seek=18 conv=notrunc status=none
    expect 'refused: another machine' 125 "it is for another machine.*$refused" run -- ./other
    if cc -static -x c -o static - <<<'int main(void) { return 3; }' 2>/dev/null; then
        expect 'refused: static' 125 \
            "shearpin: ./static would run unprotected: it is statically linked.*$refused" \
            run -- ./static
        expect '--anyway runs it' 3 'would run unprotected' run --anyway -- ./static
        printf '#!%s/static\n' "$work" >script && chmod +x script
        expect 'refused: a script by its interpreter' 125 'its interpreter .*/static is statically' \
            run -- ./script
    fi
    if [ "$(id -u)" = 0 ]; then
        cp dynamic setuid && chown 65534 setuid && chmod u+s setuid
        ! findmnt -no OPTIONS -T . | grep -q nosuid &&
            expect 'refused: setuid' 125 "it is setuid.*$refused" run -- ./setuid
    fi
fi
printf '#!/no/such/interpreter\n' >orphan && chmod +x orphan
expect 'run: the interpreter is missing' 127 'needs an interpreter that is missing' run -- ./orphan
echo 'exit 9' >bare && chmod +x bare
expect 'run: a script without #!' 9 '^$' run -- ./bare

# --- steering ---
expect 'trip: did you mean' 3 \
    "segment cli has no destination 'paymnets'; did you mean 'payments'.*"$'\n'"  shearpin trip payments --for 5m --reason 'vendor maintenance'" \
    pin trip paymnets --for 5m --reason 'vendor maintenance'
expect 'trip' 0 '^payments  closed -> open' pin trip payments --reason 'a drill'
is 'tripped: open' "$(json 'j["destinations"][0]["state"]' status --json payments)" open
expect 'status: who and why' 0 'payments .*open .*tripped by .*: a drill' pin status
expect 'wait: reached' 0 '^$' pin wait payments open --timeout 10s
expect 'wait: open time over is half-open' 0 '^$' pin wait payments half-open --timeout 10s
expect 'hold closed' 0 'held closed until reset' pin hold payments closed
expect 'wait: held closed' 0 '^$' pin wait payments closed --timeout 10s
expect 'wait: not in time' 1 'still closed' pin wait payments open --timeout 20ms
expect 'wait: no such state' 2 'possible here are: closed, open, half-open' \
    pin wait payments ajar --timeout 1s
expect 'wait: no timeout' 2 'say how long' pin wait payments open
expect 'hold open --for' 0 'held open for 5m' pin hold payments open --for 5m --reason $'tab\there'
expect 'status: time left, and text made harmless' 0 'held by .*left: tab\\there' pin status
expect 'status of one, in depth' 0 'breaker +opened.*policy .*good.conf:5.*events' \
    pin status payments
expect '--for and --until-reset' 2 'contradict' pin trip payments --for 1s --until-reset
expect 'steering what is only observed' 0 'watched is only observed' pin trip watched
expect 'reset what?' 2 'reset what' pin reset
expect 'reset' 0 '^payments  open -> closed' pin reset payments
expect 'reset --all' 0 'watched  open -> closed' pin reset --all
expect 'disable' 0 'goes straight through' pin disable --reason 'an incident'
is 'disabled' "$(json 'j["disabled"]' status --json)" True
expect 'enable' 0 'enabled' pin enable
expect 'disable DEST' 0 '^payments  disabled' pin disable payments
expect 'status: disabled' 0 'payments .* disabled ' pin status
expect 'enable DEST' 0 '^payments  enabled' pin enable payments
expect 'events' 0 \
    'payments  tripped by .*: a drill .pid [0-9]+ shearpin.*held open.*until.*: tab\\there' pin events
is 'events --json' "$(pin events --json --since 1h | "$python" -c '
import json, sys
print([json.loads(line)["kind"] for line in sys.stdin][:4])')" "['trip', 'hold', 'hold', 'trip']"
expect 'ASCII where the locale has no UTF-8' 0 '\* closed' env LC_ALL=C "$shearpin" status

# a share of the connections
sed 's/mode      observe/mode      enforce 10%/' good.conf >share.conf
expect 'reload: a share' 0 'watched.mode +observe -> enforce 10%' pin reload share.conf
expect 'status: its two sides' 0 \
    'watched .*enforced 10% .*0 calls, 0 refused, 0 cut.*observed 90% .*would have been refused' \
    pin status
expect 'and in depth' 0 'enforced 10% .*mode +enforce 10% ' pin status watched
two='j["destinations"][0]["enforced_share"], j["destinations"][0]["observed"]["would_refuse"]'
is 'and for machines' "$(json "$two" status --json watched)" '(0.1, 0)'
expect 'match: a share' 0 'mode +enforce 10%' pin match -p share.conf 10.9.8.7:5432
expect 'match -o: all of it' 0 'mode +enforce +-o' \
    pin match -p share.conf -o watched.mode=enforce 10.9.8.7:5432
expect 'match -o: a share' 0 'mode +enforce 2.5% +-o' \
    pin match -p share.conf -o 'watched.mode=enforce 2.5%' 10.9.8.7:5432
expect 'reload: back' 0 'watched.mode +enforce 10% -> observe' pin reload good.conf

# events -f shows what comes, and ends with 0 when interrupted
coproc FOLLOW { exec "$shearpin" events -f; }
follow=$FOLLOW_PID out=${FOLLOW[0]}
started+=("$follow")
pin trip -q payments --reason follow-me
while read -r -t 10 -u "$out" line; do
    [[ $line = *follow-me* ]] && break
done
like 'events -f' "$line" 'payments  tripped by .*: follow-me'
kill -INT "$follow"
wait "$follow"
is 'events -f ends with 0' $? 0
started=()
pin reset -q payments

# --- a policy in force ---
expect 'run: the file differs' 0 \
    'next.conf differs from generation 3 in force in segment cli; .shearpin reload next.conf. or .run --reload.' \
    pin run -p next.conf -- true
expect 'reload: the difference' 0 'payments.deadline.connect +250ms -> 300ms.*generation 4 in force' \
    pin reload next.conf
expect 'reload: nothing changes' 0 'nothing changes' pin reload
expect 'reload: a bad file' 1 'generation 4 stays in force' pin reload bad.conf
is 'reload: failures are counted' "$(json 'j["policy"]["failures"]' status --json)" 1
expect 'run --reload' 0 '^$' pin run -p good.conf --reload -- true
is 'and it is in force' "$(json 'j["policy"]["generation"]' status --json)" 5

# --- segments ---
coproc LIVING { run -- sh -c 'echo here; read -r line'; }
living=$LIVING_PID in=${LIVING[1]}
started+=("$living")
read -r -t 10 -u "${LIVING[0]}" line
is 'segments: one process' "$(json 'j[0]["name"], j[0]["processes"]' segments --json)" "('cli', 1)"
expect 'rm: in use' 1 'in use by 1 process; --force' pin rm cli
run -s second -- true
expect 'several segments' 2 'say which one with -s NAME' pin status
expect 'SHEARPIN_SEGMENT says which' 0 '^second ' env SHEARPIN_SEGMENT=second "$shearpin" status
expect 'the policy says which' 0 '^cli ' pin status -p good.conf
expect '-s says which' 0 '^second ' pin status -s second
expect 'no such segment' 3 "did you mean 'second'.*"$'\n''  shearpin status -s second' \
    pin status -s secnd
expect 'segments' 0 'cli .*second ' pin segments
expect 'rm' 0 'removed' pin rm second
echo >&"$in"
wait "$living"
started=()
expect 'rm when all have ended' 0 'removed' pin rm cli

# A private segment ends with its last process, not with its first.
mkfifo hold
name=$(run --private -- sh -c "sh -c 'read -r line <hold' >&- 2>&- & echo \$SHEARPIN_SEGMENT")
like 'run --private: a name of its own' "$name" '^private-[0-9]+-[0-9a-f]+$'
exec 9>hold
is 'it lives on with a child' "$(json 'len(j)' segments --json)" 1
expect 'alone it is meant' 0 '^private-' pin status
run -- true
expect 'beside another it is nobody else'"'"'s affair' 0 '^cli ' pin status
pin rm -q cli
echo >&9
exec 9>&-
# shellcheck disable=SC2317
gone() { [ "$(json 'len(j)' segments --json)" = 0 ]; }
until_true gone
verdict 'and goes with the last'

exit $failed
