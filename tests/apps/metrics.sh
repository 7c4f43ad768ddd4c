#!/bin/bash
# Metrics of real programs, in Prometheus' words, and that they are what the servers counted.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 1

# value NAME LABELS: of one sample of `shearpin metrics`.
value() { "$shearpin" metrics | sed -n "s/^shearpin_$1{$2} //p"; }
payments='segment="metrics",destination="payments"'

cd "$root" || exit 1
start_dependency
cd "$work" || exit 1
policy metrics "destination payments
    match 127.0.0.1:$port
    deadline connect 2s
    breaker streak 3 open 1m
    cap 16
destination watched
    match 10.0.0.0/8:5432
    mode observe
    limit 90/m burst 7
    cap connecting 4 inflight 8"

for _ in 1 2 3 4 5; do guarded metrics curl -s -o page --noproxy '*' "$url"; done
become count
is 'as many connects as the server accepted' \
    "$(value connects_total "$payments,result=\"ok\"")" "$accepted"
is 'as many answers' "$(value exchanges_total "$payments,result=\"ok\"")" "$accepted"
is 'as many in the histogram' "$(value response_duration_seconds_count "$payments")" "$accepted"
at_least 'answers were bytes' "$(value received_bytes_total "$payments")" 100
is 'a closed breaker' "$(value breaker_state "$payments,state=\"closed\"")" 1

become down
for _ in 1 2 3 4 5; do guarded metrics curl -s -o page --noproxy '*' "$url"; done
is 'three were refused on the wire' \
    "$(value connects_total "$payments,result=\"refused\"")" 3
is 'two by the breaker' "$(value rejections_total "$payments,reason=\"breaker\"")" 2
is 'which is open' "$(value breaker_state "$payments,state=\"open\"")" 1
is 'in one state only' "$("$shearpin" metrics | awk -v d="$payments" \
    'index($1, "breaker_state{" d) { n += $2 } END { print n }')" 1
is 'by one transition' "$(value breaker_transitions_total "$payments,to=\"open\"")" 1
"$shearpin" hold payments open >/dev/null
is 'held open' "$(value breaker_state "$payments,state=\"forced_open\"")" 1
"$shearpin" disable payments >/dev/null
is 'disabled' "$(value breaker_state "$payments,state=\"disabled\"")" 1
is 'a rate in calls a second' \
    "$(value limit_calls_per_second 'segment="metrics",destination="watched"')" 1.5
is 'what is not set has no sample' "$(value limit_calls_per_second "$payments")" ''

"$shearpin" metrics >page
is 'promtool has nothing to say' "$(promtool check metrics <page 2>&1)" ''
# shellcheck disable=SC2016
is 'buckets never fall, and the last is the count' "$(awk '
    /_bucket/ { le = $1; sub(/.*le="/, "", le); sub(/".*/, "", le)
                if ($2 < last && !first) print "fell: " $0
                last = $2; first = le == "+Inf"; if (first) whole = $2 }
    /_count/  { if ($2 != whole) print "differs: " $0 }' page)" ''
is 'no address, no pid' "$(grep -cE '127\.0\.0|pid=' page)" 0

# --- what goes elsewhere is counted apart ---
become up
policy apart "destination primary
    match 127.0.0.1:1
    breaker streak 1 open 1m
    fallback 127.0.0.1:$port when open"
for _ in 1 2 3; do guarded apart curl -s -o page --noproxy '*' http://127.0.0.1:1/; done
primary='segment="apart",destination="primary"'
is 'connections on a fallback' "$(value fallbacks_total "$primary,to=\"127.0.0.1:$port\"")" 2
is 'answered there' "$(value fallback_exchanges_total "$primary,result=\"ok\"")" 2
is 'and in no other figure' "$(value exchanges_total "$primary,result=\"ok\"")" 0
is 'without one there is no sample' "$("$shearpin" metrics | grep -c "fallback.*$payments")" 0
"$shearpin" rm apart >/dev/null

# --- several segments ---
policy other "destination elsewhere
    match 127.0.0.2:1"
guarded other true
is 'both segments, once each metric' "$("$shearpin" metrics | grep -c '^# TYPE shearpin_processes ')" 1
like 'the first' "$("$shearpin" metrics)" 'shearpin_processes\{segment="metrics"\}'
like 'the second' "$("$shearpin" metrics)" 'shearpin_processes\{segment="other"\}'
is 'one that is named' "$("$shearpin" metrics -s other | grep -c 'segment="metrics"')" 0
is 'two that are named' "$("$shearpin" metrics -s other -s metrics | grep -c '^shearpin_processes{')" 2
is 'promtool likes both' "$("$shearpin" metrics | promtool check metrics 2>&1)" ''
like 'one -s where one is meant' "$("$shearpin" status -s other -s metrics 2>&1)" 'at most 1 -s'
like 'an unknown one' "$("$shearpin" metrics -s othre 2>&1 || echo "status $?")" "did you mean 'other'.*status 3"

# --- the file for node_exporter ---
"$shearpin" metrics --textfile "$work/shearpin.prom"
is 'a file that everybody reads' "$(stat -c %a "$work/shearpin.prom")" 644
is 'the same in it' "$(grep -c '' "$work/shearpin.prom")" "$("$shearpin" metrics | grep -c '')"
last=$(tail -n 1 "$work/shearpin.prom")
torn=0
for _ in {1..40}; do
    "$shearpin" metrics --textfile "$work/shearpin.prom" &
    writer=$!
    while kill -0 $writer 2>/dev/null; do
        [ "$(tail -n 1 "$work/shearpin.prom")" = "$last" ] || torn=1
    done
    wait $writer
done
is 'never half of one' "$torn" 0
is 'no draft is left' "$(find "$work" -maxdepth 1 -name 'shearpin.prom?*')" ''
like 'nowhere to write' "$("$shearpin" metrics --textfile /proc/none/x.prom 2>&1 || echo "status $?")" \
    'cannot write beside /proc/none/x.prom: .*status 5'

# --- what is written about them ---
# shellcheck disable=SC2016
listed=$("$shearpin" metrics --list | sed -n 's/^| `\(shearpin_[a-z_]*\)`.*/\1/p')
is 'docs/metrics.md has the table' \
    "$(sed -n '/^| metric | type/,/^$/p' "$root/docs/metrics.md" | sed '$d')" \
    "$("$shearpin" metrics --list)"
for file in share/alerts.yml share/dashboard.json docs/metrics.md; do
    is "every metric in $file exists" "$(grep -oE '\bshearpin_[a-z_]+\b' "$root/$file" |
        sed -E 's/_(bucket|sum|count)$//' | sort -u | grep -vxF "$listed")" ''
done

# --- alerts and the dashboard ---
cp "$root/share/alerts.yml" "$root/tests/apps/alerts.test.yml" .
like 'promtool reads the alerts' "$(promtool check rules alerts.yml 2>&1)" 'SUCCESS: [0-9]+ rules'
like 'they fire when they should' "$(promtool test rules alerts.test.yml 2>&1)" SUCCESS
"$python" - "$root/share/dashboard.json" >dashboard.yml <<'END'
import json, sys
panels = json.load(open(sys.argv[1]))["panels"]
rules = []
for panel in panels:
    assert panel["targets"] and panel["title"], panel
    for target in panel["targets"]:
        expr = target["expr"].replace("$__rate_interval", "5m")
        rules.append({"record": "panel:%d:%s" % (panel["id"], target["refId"]), "expr": expr})
ids = [panel["id"] for panel in panels]
assert len(set(ids)) == len(ids)
print(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
END
like 'every question of the dashboard is PromQL' "$(promtool check rules dashboard.yml 2>&1)" \
    'SUCCESS: [0-9]+ rules'
