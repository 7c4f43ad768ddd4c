#!/bin/bash
# What is written about the command agrees with the command: shearpin(1), shearpin-json(7), and what
# bash completes.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

# --- shearpin(1) ---
"$shearpin" help man >shearpin.1
is 'man has nothing to say against shearpin(1)' "$(man --warnings -E UTF-8 -l shearpin.1 2>&1 >page)" ''
is 'nor against shearpin-json(7)' "$(man --warnings -E UTF-8 -l "$root/docs/shearpin-json.7" 2>&1 >/dev/null)" ''
"$shearpin" help bash >completion
commands=$(sed -n "s/^    local commands='\(.*\)'/\1/p" completion)
at_least 'commands' "$(wc -w <<<"$commands")" 20
missing=
for command in $commands; do
    grep -q "^\\\\fB$command\\\\fR" shearpin.1 || missing+=" $command"
    # every option that the help of the command lists
    for option in $("$shearpin" help "$command" | sed -n 's/^ .*\(--[a-z][a-z-]*\) .*/\1/p'); do
        grep -qF -- "${option//-/\\-}" shearpin.1 || missing+=" $command/$option"
    done
done
is 'every command and every option is in the manual' "$missing" ''
is 'every word of a policy, too' "$(for word in deadline breaker cap limit retry; do
    grep -q "^\\\\fB$word\\\\fR" shearpin.1 || echo "$word"
done)" ''

# --- bash ---
is 'shellcheck likes what bash reads' "$(command -v shellcheck >/dev/null && shellcheck -s bash completion)" ''
policy filled "destination payments
    match 127.0.0.1:1
destination other-one
    match 127.0.0.1:2"
guarded filled true
PATH=$build:$PATH
# shellcheck disable=SC1091
. ./completion
# completed WORDS...: what the last of them may become
completed() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _shearpin
    echo "${COMPREPLY[*]}"
}
is 'a command' "$(completed shearpin stat)" status
is 'its options' "$(completed shearpin trip --r)" --reason
is 'a destination' "$(completed shearpin trip pay)" payments
is 'one of the segment that is named' "$(completed shearpin trip -s filled oth)" other-one
is 'a state' "$(completed shearpin hold payments cl)" closed
is 'a segment' "$(completed shearpin status -s fil)" filled
is 'a topic' "$(completed shearpin help env)" environment
is 'a file' "$(completed shearpin check filled.c)" filled.conf
is 'a file after an option' "$(completed shearpin run -p filled.c)" filled.conf
wrong=
for command in $commands; do
    offered=" $(completed shearpin "$command" --) "
    for option in $("$shearpin" help "$command" | sed -n 's/^ .*\(--[a-z][a-z-]*\) .*/\1/p'); do
        [[ $offered = *" $option "* ]] || wrong+=" $command/$option"
    done
done
is 'every option of every command' "$wrong" ''

# --- shearpin-json(7): what is printed is written down, and what is written down is printed ---
policy json "destination payments
    match 127.0.0.1:1
    breaker streak 2 open 1m
    cap 4
    retry 1 backoff 1ms..2ms
    slo errors < 50% for 1m
    fallback 127.0.0.1:6 when open
    fallback localhost:7 when open
destination rated
    match 127.0.0.1:2
    breaker rate 50% of 2 in 10s open 1m
    mode enforce 10%
destination slow
    match 127.0.0.1:3
destination probed
    match 127.0.0.1:4
    breaker streak 1 open 10ms
destination scoped
    match 127.0.0.1:5
    breaker streak 1 open 1m scope endpoint eject 100%"
export SHEARPIN_SEGMENT=json
for port in 1 1 1 2 2 2 2 4 5; do guarded json curl -s --noproxy '*' "http://127.0.0.1:$port/"; done
probed() {
    guarded json curl -s --noproxy '*' http://127.0.0.1:4/
    "$shearpin" events --json | grep -q '"probe"'
}
until_true probed
"$shearpin" status --json >>printed
"$shearpin" hold slow open --for 1h --reason maintenance >/dev/null
"$shearpin" status --json >>printed
"$shearpin" trip rated --for 1h >/dev/null
"$shearpin" reset slow >/dev/null
"$shearpin" disable slow >/dev/null
"$shearpin" enable slow >/dev/null
echo '    deadline connect 1s' >>json.conf
"$shearpin" reload json.conf >/dev/null
"$shearpin" events --json >told
"$python" - "$root/docs/shearpin-json.7" printed told >differences <<'END'
import json, re, sys

SECTIONS = {"STATUS": 0, "EVENTS": 1}
# a breaker that trips by slow calls needs a server, an old look-up a resolver that fails
ELSEWHERE = {"destinations[].reason.slow", "age_s"}
written = [set(), set()]
section = None
for line in open(sys.argv[1]):
    heading = re.match(r"\.SH (.*)", line)
    key = re.match(r"\.B (\S+)$", line)
    if heading:
        section = SECTIONS.get(heading[1])
    elif key and section is not None:
        written[section].add(key[1])
written[0].discard("destinations")


def keys(value, path=""):
    if isinstance(value, list):
        for item in value:
            yield from keys(item, path + "[]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from keys(item, (path + "." if path else "") + key)
    if path and not isinstance(value, (list, dict)):
        yield path


for section, file in enumerate(sys.argv[2:]):
    printed = {key for line in open(file) for key in keys(json.loads(line))}
    stars = {key[:-1] for key in written[section] if key.endswith(".*")}
    under = lambda key: any(key.startswith(star) for star in stars)
    print(*sorted("not written down: " + key for key in printed
                  if key not in written[section] and not under(key)), sep="\n", end="")
    parents = {key.rsplit(".", 1)[0].removesuffix("[]") for key in written[section] | printed if "." in key}
    print(*sorted("not printed: " + key for key in written[section] - printed - parents - ELSEWHERE
                  if not key.endswith(".*")), sep="\n", end="")
    print(*sorted("not printed: " + star + "*" for star in stars
                  if not any(key.startswith(star) for key in printed)), sep="\n", end="")
END
is 'shearpin-json(7) is what is printed' "$(cat differences)" ''
