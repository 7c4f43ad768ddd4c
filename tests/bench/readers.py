#!/usr/bin/python3
"""Looks at a segment as often as anybody would: readers.py SHEARPIN SEGMENT

Ten times a second `status`, and each second a scrape of `serve`, until it is ended.
"""
import signal
import subprocess
import sys
import time
import urllib.request

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
shearpin, segment = sys.argv[1:]
serve = subprocess.Popen([shearpin, "serve", "-s", segment, "--listen", "127.0.0.1:0"],
                         stdout=subprocess.PIPE, text=True)
try:
    home = serve.stdout.readline().strip()
    print("ready", flush=True)
    for tick in range(10 ** 9):
        started = time.monotonic()
        subprocess.run([shearpin, "status", "-s", segment, "--interval", "1ms"], check=True,
                       stdout=subprocess.DEVNULL)
        if tick % 10 == 0:
            with urllib.request.urlopen(home + "metrics") as page:
                page.read()
        time.sleep(max(0, 0.1 - (time.monotonic() - started)))
finally:
    serve.terminate()
    serve.wait()
