#!/bin/bash
# The recipes of docs/chaos.md for test suites, as they stand there: each file is taken from the page.
. "$(dirname "$0")/lib.sh"
# a server that outlives clients who are cut off
exec {served}< <(exec "$python" -c '
from http.server import *
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(*_): pass
class Server(ThreadingHTTPServer):
    def handle_error(*_): pass
server = Server(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()')
started+=("$!")
read -r -u "$served" port
export PAYMENTS=http://127.0.0.1:$port/
export PATH=$build:/usr/bin:$PATH no_proxy='*'
page=$root/docs/chaos.md
mkdir "$work/suite"
cd "$work/suite" || exit 1

# a name in backticks with a colon, and under it the file, indented
"$python" - "$page" <<'END2'
import re, sys
for name, text in re.findall(r"^`([\w.]+)`:\n\n((?:(?:    .*)?\n)+)", open(sys.argv[1]).read(), re.M):
    open(name, "w").write(re.sub(r"^    ", "", text, flags=re.M).strip("\n") + "\n")
END2
is 'the files of the page' "$(echo *)" \
    'CMakeLists.txt ci.sh conftest.py package.json payments.test.js shearpin.conf test_payments.py'
like 'its policy has no mistakes' "$(shearpin check shearpin.conf)" 'no mistakes'
# said LINE: it stands on the page as a line to be typed
said() { grep -qxF "    $1" "$page" && echo yes; }

if /usr/bin/python3 -c 'import pytest' 2>/dev/null; then
    line='shearpin run -p shearpin.conf --private -- pytest'
    is 'pytest: the line' "$(said "$line")" yes
    like 'pytest' "$(shearpin run -p shearpin.conf --private -- /usr/bin/python3 -m pytest -p no:cacheprovider 2>&1)" '3 passed'
    like 'and without the faults its tests fail' "$(mkdir none; printf '#!/bin/sh\n' >none/shearpin; chmod +x none/shearpin
        PATH=$PWD/none:$PATH timeout 60 /usr/bin/python3 -m pytest -p no:cacheprovider 2>&1)" '2 failed, 1 passed'
else
    echo 'skipped - pytest is not here'
fi

if command -v npm >/dev/null && node --test --help >/dev/null 2>&1; then
    line='shearpin run -p shearpin.conf --private -- npm test'
    is 'npm: the line' "$(said "$line")" yes
    like 'npm test' "$($line 2>&1)" 'pass 2'
else
    echo 'skipped - npm is not here'
fi

if command -v ctest >/dev/null; then
    cmake -S . -B built >/dev/null
    like 'ctest, all at once' "$(cd built && ctest -j 4 2>&1)" '100% tests passed, 0 tests failed out of 2'
else
    echo 'skipped - ctest is not here'
fi

# shellcheck disable=SC2016
printf '#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8; do curl -s -o /dev/null "$PAYMENTS" && echo paid || echo failed; done >outcome\nexit 3\n' >suite.sh
chmod +x suite.sh ci.sh
report=$(./ci.sh 2>&1)
is 'CI: the status is that of the suite' $? 3
like 'the report' "$report" 'payments-flaky   running .* seed 7.*injected +refuse [1-8] .*rerun +shearpin chaos start payments-flaky --seed 7'
like 'and its page' "$(cat chaos.html)" '^<!doctype html>.*<svg.*payments-flaky --seed 7'
first=$(xargs <outcome)
like 'some were refused' "$first" 'paid.*failed|failed.*paid'
./ci.sh >/dev/null 2>&1
is 'the same again' "$(xargs <outcome)" "$first"

cp "$build/shearpin" go
echo x >note
objcopy --add-section .go.buildinfo=note go
said=$(shearpin run -p shearpin.conf --private -- ./go 2>&1)
is 'go test cannot be covered' $? 125
like 'and is told so' "$said" 'Go program'
left() { [ "$(ls "$SHEARPIN_DIR")" = '' ]; }
until_true left
is 'no private segment is left' "$(ls "$SHEARPIN_DIR")" ''
