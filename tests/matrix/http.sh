# http.sh - clients and proxies of HTTP
# shellcheck shell=bash disable=SC2154,SC2317

curl_row() {
    "${G[@]}" curl -sf "$small" && "${G[@]}" curl -sf "$large" | sum &&
        "${G[@]}" curl -sf --cacert "$work/cert" "https://localhost:$https/large" | sum &&
        "${G[@]}" curl -sf --http2 -w '%{http_version}\n' --cacert "$work/cert" "https://localhost:$https/small" &&
        "${G[@]}" curl -sf --data-binary "@$work/www/large" "http://127.0.0.1:$post/" &&
        "${G[@]}" curl -sfZ -o '#1' "$large?[1-20]" && cat [0-9]* | sum &&
        ! "${G[@]}" curl -s http://127.0.0.1:1/
}
row curl curl curl curl_row seen 'HTTP, HTTPS, HTTP/2, upload, 20 downloads at once, a refusal'

wget_row() {
    "${G[@]}" wget -qO- "$small" && "${G[@]}" wget -qO- "$large" | sum &&
        "${G[@]}" wget -qO- --ca-certificate="$work/cert" "https://localhost:$https/large" | sum &&
        "${G[@]}" wget -q --post-file="$work/www/large" -O- "http://127.0.0.1:$post/"
}
row wget wget wget wget_row seen 'HTTP, HTTPS by GnuTLS, upload'

python_row() {
    cat >urls.py <<EOF
import hashlib, ssl, urllib.request
context = ssl.create_default_context(cafile="$work/cert")
for url, tls in ("$small", None), ("$large", None), ("https://localhost:$https/large", context):
    print(hashlib.sha256(urllib.request.urlopen(url, context=tls).read()).hexdigest())
try:
    urllib.request.urlopen("http://127.0.0.1:1/")
except OSError as e:
    print(e)
EOF
    "${G[@]}" "$python" urls.py
}
row 'python3 urllib, ssl' python3 "$python" python_row seen 'HTTP, HTTPS, a refusal'

asyncio_row() {
    cat >many.py <<EOF
import asyncio, hashlib
async def one(path):
    reader, writer = await asyncio.open_connection("127.0.0.1", $http)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    await writer.drain()
    body = (await reader.read()).split(b"\r\n\r\n", 1)[1]
    writer.close()
    await writer.wait_closed()
    return hashlib.sha256(body).hexdigest()
async def main():
    print(*await asyncio.gather(*(one(p) for p in ["/large", "/small"] * 20)), sep="\n")
asyncio.run(main())
EOF
    "${G[@]}" "$python" many.py
}
row 'python3 asyncio' python3 "$python" asyncio_row seen '40 connections in one loop'

processes_row() {
    cat >tree.py <<EOF
import hashlib, multiprocessing, subprocess, urllib.request
def get(_): return hashlib.sha256(urllib.request.urlopen("$large").read()).hexdigest()
if __name__ == "__main__":
    kept = urllib.request.urlopen("$small")
    print(subprocess.run(["curl", "-sf", "$small"], capture_output=True).stdout, kept.read())
    for method in "fork", "spawn":
        with multiprocessing.get_context(method).Pool(4) as pool:
            print(pool.map(get, range(12)))
EOF
    "${G[@]}" "$python" tree.py
}
row 'python3 subprocess, multiprocessing' python3 "$python curl" processes_row seen \
    'vfork and exec beside an open connection; pools of forked and of spawned workers'

perl_row() {
    # shellcheck disable=SC2016
    "${G[@]}" perl -MHTTP::Tiny -MDigest::SHA=sha256_hex -e 'for (@ARGV) {
        my $r = HTTP::Tiny->new->get($_); print "$r->{status} ", sha256_hex($r->{content}), "\n" }' \
        "$small" "$large" http://127.0.0.1:1/
}
row perl perl perl perl_row seen 'HTTP::Tiny, a refusal'

ruby_row() {
    "${G[@]}" ruby -rnet/http -rdigest -e 'ARGV.map { |u| Thread.new { puts Digest::SHA256.hexdigest(Net::HTTP.get(URI(u))) } }.each(&:join)
        begin; Net::HTTP.get(URI("http://127.0.0.1:1/")); rescue => e; puts e.class; end' "$large" "$large" "$large"
}
row ruby 'ruby3.*' ruby ruby_row seen 'Net::HTTP in threads, a refusal'

php_row() {
    # shellcheck disable=SC2016
    "${G[@]}" php -r 'array_shift($argv); foreach ($argv as $u) echo hash("sha256", file_get_contents($u)), "\n";
        $s = stream_socket_client("tcp://127.0.0.1:1", $e, $m, 2) or print("$m\n");' -- "$small" "$large"
}
row php 'php*-cli' php php_row seen 'streams, a refusal'

java_row() {
    cat >Get.java <<EOF
import java.net.*; import java.net.http.*; import java.util.*; import java.util.stream.*;
public class Get {
    public static void main(String[] a) throws Exception {
        System.out.println(Arrays.hashCode(new URL("$large").openStream().readAllBytes()));
        var client = HttpClient.newHttpClient();
        var all = IntStream.range(0, 20).mapToObj(i -> client.sendAsync(
            HttpRequest.newBuilder(URI.create("$large")).version(HttpClient.Version.HTTP_1_1).build(), HttpResponse.BodyHandlers.ofByteArray())).toList();
        for (var one : all) System.out.println(Arrays.hashCode(one.get().body()));
        try { new Socket("127.0.0.1", 1); } catch (ConnectException e) { System.out.println(e.getMessage()); }
    }
}
EOF
    javac Get.java && "${G[@]}" java -Xshare:auto -XX:TieredStopAtLevel=1 Get
}
row java 'openjdk-*-jre-headless' 'java javac' java_row seen 'HttpURLConnection, 20 requests of HttpClient, a refusal'

node_row() {
    cat >get.mjs <<EOF
import http from 'node:http'; import { createHash } from 'node:crypto';
const sha = b => createHash('sha256').update(Buffer.from(b)).digest('hex');
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
const get = u => new Promise((ok, no) => http.get(u, { agent }, r => { const b = []; r.on('data', d => b.push(d)); r.on('end', () => ok(Buffer.concat(b))) }).on('error', no));
for (const b of await Promise.all(Array.from({ length: 20 }, () => get('$large')))) console.log(sha(b));
console.log(sha(await (await fetch('$large')).arrayBuffer()));
await get('http://127.0.0.1:1/').catch(e => console.log(e.code));
agent.destroy();
EOF
    "${G[@]}" node get.mjs
}
row node nodejs node node_row seen 'http with a pool of 4, fetch, a refusal'

git_row() {
    if [ ! -e "$work/www/repository/HEAD" ]; then
        git init -q --bare "$work/www/repository"
        git init -q from && (cd from && git -c user.name=x -c user.email=x@y commit -q --allow-empty -m one --date=@1 &&
            git push -q "$work/www/repository" HEAD:main)
        git -C "$work/www/repository" symbolic-ref HEAD refs/heads/main
        git -C "$work/www/repository" update-server-info
    fi
    "${G[@]}" git clone -q "http://127.0.0.1:$http/repository" to && git -C to log --format=%H
}
row git git git git_row seen 'a clone over HTTP'

apt_row() { "${G[@]}" /usr/lib/apt/apt-helper -o Acquire::http::Proxy=false -qq download-file "$large" out >/dev/null && sum <out; }
row 'apt (http method)' apt /usr/lib/apt/apt-helper apt_row seen 'a download'

s_client_row() {
    printf 'GET /small HTTP/1.0\r\n\r\n' | "${G[@]}" openssl s_client -quiet -CAfile "$work/cert" -connect "localhost:$https" 2>&1 |
        tail -n 1 && "${G[@]}" openssl s_client -connect 127.0.0.1:1 2>&1 </dev/null | grep -o 'Connection refused' | head -n 1
}
row 'openssl s_client' openssl openssl s_client_row seen 'TLS, a refusal'

load_row() {
    "${G[@]}" wrk -t 2 -c 20 -d 1s "$small" | grep -cE 'requests in|Requests/sec' && "${G[@]}" ab -q -n 500 -c 10 -k "$small" |
        grep -E '^(Complete|Failed|Keep-Alive) requests'
}
row 'wrk, ab' wrk 'wrk ab' load_row seen 'load from 20 connections, and 500 requests from 10'

# proxy PORT...: through it, small and large, several at once
through() {
    until_true listening "$1"
    curl -sf "http://127.0.0.1:$1/small" && curl -sfZ -o '#1' "http://127.0.0.1:$1/large?[1-8]" && cat [0-9] | sum
}
nginx_row() {
    local own
    own=$(free_ports 1)
    mkdir state
    cat >conf <<EOF
daemon off; pid $PWD/state/pid; error_log $PWD/state/log; worker_processes 2; user root;
events { }
http {
    access_log off; client_body_temp_path $PWD/state/a; proxy_temp_path $PWD/state/b; fastcgi_temp_path $PWD/state/c;
    uwsgi_temp_path $PWD/state/d; scgi_temp_path $PWD/state/e;
    upstream it { server 127.0.0.1:$http; keepalive 4; }
    server { listen 127.0.0.1:$own; location / { proxy_pass http://it; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}
EOF
    serve "${G[@]}" nginx -e "$PWD/state/log" -c "$PWD/conf"
    through "$own"
}
row 'nginx' nginx 'nginx curl root' nginx_row seen 'a proxy with two workers and kept connections, server and client at once'

haproxy_row() {
    local own
    own=$(free_ports 1)
    cat >conf <<EOF
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen it
    bind 127.0.0.1:$own
    server one 127.0.0.1:$http check inter 100ms
EOF
    serve "${G[@]}" haproxy -db -f conf
    through "$own"
}
row haproxy haproxy 'haproxy curl' haproxy_row seen 'a proxy with health checks, server and client at once'
