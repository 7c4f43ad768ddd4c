#!/usr/bin/python3
"""The worker of row `http.client`: GETs over one connection, with the standard library alone."""
import http.client
import sys
import time

for line in sys.stdin:
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    start = time.monotonic_ns()
    for _ in range(int(line)):
        connection.request("GET", "/")
        connection.getresponse().read()
    print(time.monotonic_ns() - start, flush=True)
    connection.close()
