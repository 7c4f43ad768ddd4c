#!/bin/bash
# The live table as somebody sees it: in a terminal of 80 columns and 24 rows that tmux plays.
. "$(dirname "$0")/lib.sh"

export LC_ALL=C.UTF-8
socket=$work/tmux
tmux() { env -u TMUX tmux -f /dev/null -S "$socket" "$@"; }
shown() { tmux capture-pane -p -t top; }
shows() { [[ $(shown) =~ $1 ]]; }
narrow() { [ "$(shown | wc -L)" -le 40 ]; }
press() { tmux send-keys -t top "$@"; }
end_tmux() {
    tmux kill-server 2>/dev/null
    finish
}
trap end_tmux EXIT

start_dependency
policy top "destination payments
    match    127.0.0.1:$port
    breaker  streak 3  open 60s
    cap      64
destination orders-db
    match    10.9.8.7:5432
destination with-a-name-that-is-longer-than-its-column
    match    10.9.8.8:1"
guarded top true

# A shell below, so that what top leaves behind can be seen.
tmux new-session -d -s top -x 80 -y 24 "env PS1='ready> ' bash --norc --noprofile"
pid=$(tmux display-message -p -t top '#{pid}')
shell=$(tmux list-panes -t top -F '#{pane_pid}')
until_true shows 'ready>'
press "stty -g >$work/stty.before; $shearpin top -s top --interval 100ms" Enter
until_true shows 'payments.*closed'

page=$(shown)
like 'the first line: segment, processes, calls, errors' "$page" '^shearpin  top  [0-9]+ process(es)?  0 calls  - errors'
like 'a row: state, sparkline, calls, cap' "$page" 'payments      >● closed  ▁{12}     0/s    0/64         0'
like 'a long name is cut at its column' "$page" 'with-a-name-th ● closed'
like 'the keys are on the last line' "$page" 'q quit  s sort: policy  space pause  t trip  r reset$'
like 'the clock is in the corner' "$page" ' [0-9]{2}:[0-9]{2}:[0-9]{2}
'
is 'nothing is wider than the terminal' "$(wc -L <<<"$page")" 80

become up
guarded top "$python" -c '
import sys, urllib.request
for i in range(30): urllib.request.urlopen(sys.argv[1]).read()' "$url"
until_true shows '30 calls  0\.0% errors'
like 'calls are counted' "$(shown)" '30 calls  0.0% errors'
like 'and drawn' "$(shown)" 'payments +>● closed  ▁*█'

press t
until_true shows 'trip payments\? y/n'
press n
until_true shows 'nothing done'
is 'a trip that is not meant is none' "$(state top payments)" closed
press t
until_true shows 'trip payments\? y/n'
press q
until_true shows 'nothing done'
press t y
until_true shows 'payments.*open '
is 'y trips' "$(state top payments)" open
like 'and who did it is told' "$(shown)" 'payments  tripped by '
press r
until_true shows 'reset payments\? y/n'
press y
until_true shows 'payments.*closed'
is 'r resets' "$(state top payments)" closed

press Down
until_true shows 'orders-db     >'
press k
until_true shows 'payments      >'
echo 'ok - arrows and j, k choose'
press s
until_true shows 'sort: calls'
press s s s
until_true shows 'sort: policy'
echo 'ok - s sorts'
press Space
until_true shows 'paused'
guarded top curl -s -o /dev/null "$url"
page=$(shown)
press Down
until_true shows 'orders-db     >'
like 'space pauses' "$(shown)" '30 calls'
press Space
until_true shows '31 calls'
echo 'ok - and goes on'

tmux resize-window -t top -x 120 -y 30
until_true shows '─{20}    0/64'
echo 'ok - a wider terminal has room for bars'
tmux resize-window -t top -x 40 -y 8
until_true shows 'payments.*closed'
until_true narrow
like 'a small one shows what fits' "$(shown)" 'q quit'
tmux resize-window -t top -x 80 -y 24

press C-z
until_true shows 'Stopped'
like '^Z gives the terminal back' "$(shown)" 'ready>'
press fg Enter
until_true shows '^shearpin  top'
echo 'ok - and fg takes it again'

settled() { # whatever ended it, the terminal is as it was
    until_true shows 'ready> *$'
    press "stty -g >$work/stty.after" Enter
    until_true test -s "$work/stty.after"
    is "$1: the terminal is as it was" "$(cat "$work/stty.after")" "$(cat "$work/stty.before")"
    is "$1: the cursor, too" "$(tmux display-message -p -t top '#{cursor_flag}#{alternate_on}#{wrap_flag}')" 101
    rm "$work/stty.after"
}
again() {
    press "clear; ${1:-}$shearpin top -s top --interval 100ms; echo status \$?" Enter
    until_true shows '^shearpin  top'
}
top_pid() { pgrep -P "$shell" -x shearpin; }
press q
settled q
again
press C-c
settled '^C'
for name in TERM HUP QUIT; do
    again
    kill -s "$name" "$(top_pid)"
    until_true shows 'status 1[0-9][0-9]'
    settled "SIG$name"
done

again 'NO_COLOR=1 '
is 'NO_COLOR: no colours' "$(tmux capture-pane -e -p -t top | grep -c $'\e\\[3[0-9]m')" 0
press q
until_true shows 'status 0'
again
until_true eval "tmux capture-pane -e -p -t top | grep -q $'\e\\[32m'"
echo 'ok - else there are'
press q
until_true shows 'status 0'

# Where there is no screen.
"$shearpin" top -s top --batch --frames 2 --interval 10ms >"$work/out"
is 'in a batch: tables, one after the other' "$(grep -c ^DESTINATION "$work/out") $(grep -c $'\e' "$work/out")" '2 0'
is 'the same without a terminal' "$("$shearpin" top -s top --frames 1 --interval 10ms | grep -c ^payments)" 1
press "clear; TERM=dumb $shearpin top -s top --frames 1 --interval 10ms" Enter
until_true shows 'DESTINATION +STATE'
echo 'ok - and on a dumb one'
"$shearpin" top -s top --batch --interval 10ms | head -n 1 >/dev/null
is 'it ends with its reader' "${PIPESTATUS[0]}" 141
kill "$pid"
