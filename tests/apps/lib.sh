# lib.sh - what the tests with real programs share. Source it first.
#
# Every script has a directory, a policy and a segment directory of its own, ends what it started by
# pid, and prints `ok - NAME` or `not ok - NAME` lines.
# shellcheck shell=bash disable=SC2034
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

root=$PWD
build=${BUILD:-build}
[[ $build = /* ]] || build=$root/$build
shearpin=$build/shearpin
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3)

while read -r name; do unset "$name"; done < <(compgen -e | grep -E '^(SHEARPIN|.*_proxy$|.*_PROXY$)')
work=$(mktemp -d /dev/shm/shearpin-apps.XXXXXX) || exit 1
mkdir -m 700 "$work/segments"
export SHEARPIN_DIR=$work/segments SHEARPIN_LOG=$work/log
started=()

finish() {
    local pid
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    rm -rf "$work"
}
trap finish EXIT

# is NAME ACTUAL EXPECTED; like NAME ACTUAL REGEX
is() {
    if [ "$2" = "$3" ]; then
        echo "ok - $1"
    else
        printf 'not ok - %s\n  got:      %s\n  expected: %s\n' "$1" "${2//$'\n'/$'\n            '}" "$3"
    fi
}
like() {
    if [[ $2 =~ $3 ]]; then
        echo "ok - $1"
    else
        printf 'not ok - %s\n  got:       %s\n  not like:  %s\n' "$1" "${2//$'\n'/$'\n             '}" "$3"
    fi
}
# at_least NAME NUMBER BOUND; below NAME NUMBER BOUND
at_least() { like "$1 ($2 >= $3)" "$(awk "BEGIN { print ($2 >= $3) }")" '^1$'; }
below() { like "$1 ($2 < $3)" "$(awk "BEGIN { print ($2 < $3) }")" '^1$'; }

# until_true COMMAND...: waits for what will happen, at most ten seconds.
until_true() {
    local end=$((SECONDS + 10))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || { echo "not ok - never came: $*"; return 1; }
        sleep 0.005
    done
}

# enter_namespaces WHAT: from here on the script runs in mounts and a network of its own, or says that
# it cannot.
enter_namespaces() {
    [ -z "${INSIDE:-}" ] || return 0
    if unshare -mn true 2>/dev/null; then
        INSIDE=$work unshare -mn bash "$0"
    else
        echo "ok - $1 # SKIP no mount and network namespaces here"
    fi
    exit
}

# policy NAME TEXT: $work/NAME.conf, with a segment of that name
policy() { printf 'segment %s\n%s\n' "$1" "$2" >"$work/$1.conf"; }

# guarded NAME COMMAND...: under the policy of that name; options of `run` may stand in $run_options.
run_options=()
guarded() {
    local name=$1
    shift
    "$shearpin" run -p "$work/$name.conf" "${run_options[@]}" -- "$@"
}

# field SEGMENT DESTINATION EXPRESSION: of `status --json`, d is the destination.
field() {
    "$shearpin" status -s "$1" --json "$2" | "$python" -c '
import json, sys
d = json.load(sys.stdin)["destinations"][0]
print(eval(sys.argv[1]))' "$3"
}
state() { field "$1" "$2" 'd["state"]'; }

# A dependency over HTTP on 127.0.0.1:$port; `become up|down|deaf|count` tells it what to be and
# leaves in $accepted how many connections it has accepted so far.
start_dependency() {
    coproc DEPENDENCY { exec "$python" scripts/demo-server.py; }
    started+=("$DEPENDENCY_PID")
    dependency_in=${DEPENDENCY[1]} dependency_out=${DEPENDENCY[0]}
    read -r -u "$dependency_out" port
    url=http://127.0.0.1:$port/
    accepted=0
}
become() {
    echo "$1" >&"$dependency_in"
    read -r -u "$dependency_out" accepted
}

# What curl says: "HTTP CODE" or its exit status, and after it the seconds it took.
curl_says() {
    local name=$1 said
    shift
    said=$(guarded "$name" curl -s -o /dev/null --noproxy '*' --max-time 20 \
        -w '%{http_code} %{time_total}' "$@") && said="HTTP $said" || said="exit $? ${said#* }"
    echo "$said"
}
