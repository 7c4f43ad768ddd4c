#!/usr/bin/python3
"""A front service as people write it: 16 threads of http.server that ask others by http.client.

    front.py NAME=PORT...      GET /NAME asks the service of that name; it prints its port
"""
import http.client
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn

PORTS = dict(word.split("=") for word in sys.argv[1:])
POOL = ThreadPoolExecutor(16)


class Front(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            service = http.client.HTTPConnection("127.0.0.1", int(PORTS[self.path[1:]]))
            service.request("GET", "/")
            answer = service.getresponse()
            status, body = answer.status, answer.read()
            service.close()
        except (OSError, http.client.HTTPException):
            status, body = 502, b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Pooled(ThreadingMixIn, HTTPServer):
    request_queue_size = 1024

    def process_request(self, request, client_address):
        POOL.submit(self.process_request_thread, request, client_address)


server = Pooled(("127.0.0.1", 0), Front)
print(server.server_port, flush=True)
server.serve_forever()
