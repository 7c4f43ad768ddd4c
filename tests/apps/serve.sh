#!/bin/bash
# `serve` as its readers meet it: a real Prometheus, a real browser, probes.
. "$(dirname "$0")/lib.sh"

start_dependency
cd "$work" || exit 1
policy served "destination payments
    match 127.0.0.1:$port
    deadline connect 2s
    breaker streak 2 open 1m
    cap 16"

# started NAME COMMAND...: in the background; its first line is in $work/NAME.
started() {
    local name=$1
    shift
    "$@" >"$work/$name" 2>"$work/$name.err" &
    started+=($!)
}
get() { curl -s --noproxy '*' --max-time 10 "$@"; }
ready() { [ "$(code "${home}readyz")" = "$1" ]; }
code() { get -o "$work/body" -w '%{http_code}' "$@"; }

started serve "$shearpin" serve --listen 127.0.0.1:0
until_true grep -q http "$work/serve" || { cat "$work/serve.err"; exit; }
home=$(cat "$work/serve")
serving=${home##*:}
serving=${serving%/}

# --- before there is anything, and after ---
is 'it lives' "$(code "${home}healthz")" 200
is 'and is not ready' "$(code "${home}readyz")" 503
is 'metrics of nothing are none' "$(get "${home}metrics" | grep -vc '^#')" 0
for _ in 1 2 3; do guarded served curl -s -o page --noproxy '*' "$url"; done
until_true ready 200
is 'ready as soon as there is a segment' "$(code "${home}readyz")" 200
become count
like 'the figures of now' "$(get "${home}metrics")" \
    "connects_total\{segment=\"served\",destination=\"payments\",result=\"ok\"\} $accepted"
is 'promtool likes it' "$(get "${home}metrics" | promtool check metrics 2>&1)" ''
like 'status.json is what status says' "$(get "${home}status.json" | "$python" -c '
import json, sys
s = json.load(sys.stdin)["segments"][0]
print(s["name"], s["status"]["destinations"][0]["name"], len(s["history"]["payments"]))')" \
    '^served payments 60$'

# --- what a server must stand ---
is 'it only tells' "$(code -X POST -d x=1 "$home")" 405
is 'there is no more' "$(code "${home}etc/passwd")" 404
exec {idle}<>"/dev/tcp/127.0.0.1/$serving"
printf 'GET /metrics HTTP/1.1\r\n' >&"$idle"
is 'who asks slowly delays nobody' "$(code "${home}healthz")" 200
exec {idle}>&-
like 'an address that is taken' "$("$shearpin" serve --listen "127.0.0.1:$serving" 2>&1 || echo "status $?")" \
    'cannot listen on .*in use.*status 5'
like 'an address that is none' "$("$shearpin" serve --listen 9464 2>&1 || echo "status $?")" \
    'wants ADDRESS:PORT.*status 5'

# --- Prometheus ---
free=$("$python" -c '
import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >prometheus.yml <<END
global: {scrape_interval: 200ms}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: shearpin
    static_configs: [{targets: ['127.0.0.1:$serving']}]
END
cp "$root/share/alerts.yml" .
started prometheus prometheus --config.file=prometheus.yml --storage.tsdb.path=tsdb \
    --web.listen-address="127.0.0.1:$free" --log.level=error
# asked EXPRESSION: the value of its only sample
asked() {
    get -G --data-urlencode "query=$1" "http://127.0.0.1:$free/api/v1/query" | "$python" -c '
import json, sys
print(*[r["value"][1] for r in json.load(sys.stdin)["data"]["result"]])' 2>/dev/null
}
answers() { [ "$(asked "$1")" = "$2" ]; }
until_true answers 'shearpin_policy_generation' 1
is 'Prometheus scraped it' "$(asked 'shearpin_connects_total{result="ok"}')" "$accepted"
is 'and finds it up' "$(asked 'up{job="shearpin"}')" 1

# --- the page in a browser: figures that it comes with, and those that it fetches ---
export HOME=$work XDG_CONFIG_HOME=$work XDG_CACHE_HOME=$work
# dom URL: what stands in the page once its scripts have run for five seconds of its own clock
dom() {
    chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-proxy-server \
        --user-data-dir="$work/chromium" --virtual-time-budget=5000 --dump-dom "$1" 2>"$work/chromium.err"
}
page=$(dom "$home")
like 'the page shows the destination' "$page" '<tr class="closed" data-destination="payments"'
like 'its state in words' "$page" 'closed</td>'
like 'its cap' "$page" '0/16'
like 'a picture of the last minute, with words for who cannot see it' "$page" \
    '<svg class="past"[^>]*aria-label="calls per second over the last minute'
get "$home" >index.html
has_opened() { get "${home}status.json" | grep -q '"state":"open"'; }
become down
for _ in 1 2 3; do guarded served curl -s -o page --noproxy '*' "$url"; done
until_true has_opened
get "${home}status.json" >status.json
started static "$python" -u -m http.server --bind 127.0.0.1 0
until_true grep -q 'port [0-9]' static
static=$(sed 's/.*port \([0-9]*\).*/\1/' static)
like 'the old page holds old figures' "$(cat index.html)" '"state":"closed"'
page=$(dom "http://127.0.0.1:$static/")
like 'a page that is open gets new figures by itself' "$page" \
    '<tr class="open" data-destination="payments"'
like 'says so in its title' "$page" '<title>● 1 open · shearpin</title>'
like 'and why' "$page" '2 refused in a row'
rm status.json
page=$(dom "http://127.0.0.1:$static/")
like 'without an answer it says that it is old' "$page" '<body class="lost">'
is 'nothing comes from elsewhere' "$(get "$home" | grep -oE '(src|href)="[^"]*"' | grep -vE '="(data:,|/[a-z.]+)"')" ''
until_true answers 'shearpin_breaker_state{state="open"}' 1
is 'Prometheus knows that it is open' "$(asked 'shearpin_breaker_state{state="open"}')" 1

# what stands in a segment is never markup
"$shearpin" hold payments closed --reason '</script><script>document.title="owned"</script><b id=owned>' >/dev/null
told() { get "${home}status.json" | grep -q owned; }
until_true told
page=$(dom "$home")
like 'a hostile reason is on the page' "$page" '&lt;/script&gt;'
is 'as text' "$(grep -cE '<title>owned|<b id="owned"' <<<"$page")" 0

# --- the end ---
"$shearpin" rm served --force >/dev/null
until_true ready 503
is 'a segment that is gone is let go' "$(code "${home}readyz")" 503
server=${started[1]}
kill "$server"
wait "$server"
is 'it ends when it is told' $? 0
