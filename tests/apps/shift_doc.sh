#!/bin/bash
# docs/shift.md, done as it says: its policy, its commands one after the other, with servers of our
# own and shorter times, print what stands there.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-arms.sh"

blue=$(free_port) green=$(free_port)
arm blue "$blue"
arm green "$green"
ours() { sed "s/10\.30\.1\.10:9200/127.0.0.1:$blue/g; s/10\.30\.2\.10:9200/127.0.0.1:$green/g"; }

# the first block that is no command
awk '/^    segment /, /^$/' docs/shift.md | sed 's/^    //' | ours >"$work/billing.conf"
cp "$work/billing.conf" "$work/policy.conf"
export SHEARPIN_SEGMENT=billing
guarded billing true
load billing "$blue" 0.002

cat >"$work/walk.py" <<'PYTHON'
import re, subprocess, sys
# COMMAND and what it prints, from lines `    $ COMMAND` and those that follow
steps = re.findall(r"^    \$ (.*)\n((?:    (?!\$ ).*\n)*)", sys.stdin.read(), re.M)
shorter = {"--every 30s": "--every 300ms --check-every 50ms", "for 20s": "for 1s", "500ms": "4s"}
# shares are to be the same; times, counts and ports are not
even = lambda text: re.sub(r"\d+(\.\d+)?(us|ms|s|m|h)?(?![\d.%])", "N", text)
for command, printed in steps:
    for long, short in shorter.items():
        command = command.replace(long, short)
    ran = subprocess.run(command, shell=True, capture_output=True, text=True)
    # with shorter times a stage may have to wait for calls
    said = re.sub(r"^.*  waits at .*\n", "", ran.stdout + ran.stderr, flags=re.M)
    written = re.sub("^    ", "", printed, flags=re.M)
    good = ran.returncode == 0 and even(said) == even(written)
    print("ok -" if good else "not ok -", command)
    if not good:
        print(f"  status {ran.returncode}, printed\n{said}  written\n{written}")
print("ok - all of it" if len(steps) > 8 else "not ok - there are no commands in it")
PYTHON
(cd "$work" && PATH=$build:$PATH "$python" walk.py) < <(ours <docs/shift.md)
unload >/dev/null
is "no program has failed meanwhile" "$(said failed)" 0
at_least "they have called" "$(said calls)" 100
