# servers.sh - what the rows talk to; bare, and there until the end.
# shellcheck shell=bash disable=SC2154,SC2034
read -r http https post redis < <(free_ports 4)

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key" -out "$work/cert" -days 2 -subj /CN=localhost \
    -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2>/dev/null
echo hello >"$work/www/small"
"$python" -c 'import random, sys
random.seed(1)
sys.stdout.buffer.write(random.randbytes(3 << 20))' >"$work/www/large"
mkdir "$work/www/repository" "$work/nginx"
cat >"$work/nginx.conf" <<EOF
daemon off; master_process off; pid $work/nginx/pid; error_log $work/nginx/log;
events { }
http {
    access_log off;
    client_body_temp_path $work/nginx/a; proxy_temp_path $work/nginx/b; fastcgi_temp_path $work/nginx/c;
    uwsgi_temp_path $work/nginx/d; scgi_temp_path $work/nginx/e;
    server {
        listen 127.0.0.1:$http; listen 127.0.0.1:$https ssl http2;
        ssl_certificate $work/cert; ssl_certificate_key $work/key;
        root $work/www;
    }
}
EOF
serve nginx -e "$work/nginx/log" -c "$work/nginx.conf"

# answers a POST with the sum of what came
cat >"$work/post.py" <<'EOF'
import hashlib, http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = (hashlib.sha256(body).hexdigest() + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *_): pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
EOF
serve "$python" "$work/post.py" "$post"
redis_server=$(command -v redis-server || command -v redis-check-rdb)
redis_start=(bash -c 'exec -a redis-server "$@"' bash "$redis_server" --save '' --appendonly no
    --repl-diskless-sync-delay 0)
serve "${redis_start[@]}" --port "$redis" --unixsocket "$work/redis.sock"
for port in $http $https $post $redis; do
    until_true listening "$port"
done

small=http://127.0.0.1:$http/small large=http://127.0.0.1:$http/large
