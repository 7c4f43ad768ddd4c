#!/bin/bash
# `status DEST` in depth: what happened, which line of the policy each limit comes from, the last
# errors; over the life of the segment, or over an interval.
. "$(dirname "$0")/lib.sh"

start_dependency
policy status "defaults
    journal  1MiB
destination payments
    match    127.0.0.1:$port
    deadline connect 250ms
    breaker  streak 50  rate 90% of 20 in 1h
    cap      8
    slo      errors < 50% for 5m"
become up
for _ in 1 2 3; do guarded status curl -s -o /dev/null "$url"; done
become down
for _ in 1 2; do guarded status curl -s -o /dev/null "$url"; done
become deaf
guarded status curl -s -o /dev/null "$url"

depth=$("$shearpin" status -s status payments)
like 'the window, and its line' "$depth" $'\n  window +3 of 6 calls failed in the last 1h +[^ ]+status.conf:7\n'
like 'the last errors, newest first' "$depth" \
    'last errors +[0-9:]+  connect: ETIMEDOUT after 250ms'$'\n'' +[0-9:]+  connect: ECONNREFUSED after [0-9.]+[mu]s'
like 'places, and the line' "$depth" $'\n  cap +0/8 connections +[^ ]+status.conf:8\n'
like 'outcomes' "$depth" 'connects +ok 3  refused 2  connect_timeout 1'
like 'percentiles' "$depth" 'answer time +p50 [0-9.]+[mu]s  p90 [0-9.]+[mu]s  p95 [0-9.]+[mu]s  p99 [0-9.]+[mu]s  p99.9 '
like 'what is demanded' "$depth" 'slo +errors < 50% for 5m +broken: 50.0% \(3 of 6 calls failed, 3 may\)'
like 'every word, and its line' "$depth" 'journal +1MiB +[^ ]+status.conf:3 \(defaults\)'

quiet=$("$shearpin" status -s status --interval 10ms payments)
like 'over an interval: only what happened in it' "$(grep -c 'connects  ' <<<"$quiet")" '^0$'
like 'but the breaker knows of its last failure' "$quiet" 'last failure [0-9]+s ago: connect_timeout'
