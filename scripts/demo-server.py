#!/usr/bin/env python3
"""The dependency of scripts/demo: an HTTP server on 127.0.0.1 that does as it is told.

It prints its port, then obeys one word a line and answers each with how many connections it has
accepted so far:
  up      accept and answer "hello"
  down    bound, but not listening: the kernel refuses every connect
  deaf    listening, with a full backlog: the kernel answers no SYN
  count   nothing changes
"""
import contextlib
import select
import socket
import sys
import threading

accepted = 0


def serve(listener):
    """Answers one request a connection until the listener is closed."""
    global accepted
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        accepted += 1
        with connection, contextlib.suppress(OSError):  # a client that is gone is no reason to end
            connection.recv(65536)
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")


def bound(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def fill(listener):
    """Connects until one attempt stays without an answer."""
    fillers = []
    while True:
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
        if not select.select([], [filler], [], 0.1)[1]:
            return fillers


def become(word, port):
    """The listener and what must stay open beside it."""
    listener = bound(port)
    if word == "up":
        listener.listen(128)
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    elif word == "deaf":
        listener.listen(0)
        return listener, fill(listener)
    return listener, []


def main():
    listener, fillers = become("up", 0)
    port = listener.getsockname()[1]
    print(port, flush=True)
    for line in sys.stdin:
        word = line.strip()
        if word != "count":
            try:
                listener.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            for each in [listener, *fillers]:
                each.close()
            listener, fillers = become(word, port)
        print(accepted, flush=True)


main()
