#!/usr/bin/env python3
"""Dependencies that misbehave, each on a port of its own, for tests/apps/deadlines.sh.

    servers.py [CERTIFICATE KEY]

It prints one line `NAME PORT` for each and an empty line, and lives until its stdin ends:
  echo    sends back what comes
  hang    accepts, reads and never answers
  half    answers with headers and half a body, then nothing
  unread  accepts and reads nothing
  deaf    listens with a full backlog: the kernel answers no SYN
  sink    reads all that comes; a connection that begins with COUNT is told how many lines that was
and with a certificate:
  tls     TLS 1.3 with its tickets, then as hang
  tlsrest TLS 1.3 without tickets, then as echo
  tlshalf TLS 1.3, then as half
  h2      TLS 1.3 and HTTP/2: SETTINGS and its acknowledgement, then nothing
"""
import os
import socket
import ssl
import sys
import threading

lines = 0
lock = threading.Lock()


def swallow(connection):
    while connection.recv(65536):
        pass


def echo(connection):
    while more := connection.recv(65536):
        connection.sendall(more)


def half(connection):
    request = b""
    while b"\r\n\r\n" not in request:
        more = connection.recv(65536)
        if not more:
            return
        request += more
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                       b"Content-Length: 2000\r\n\r\n" + b"half of it\n" * 100)
    swallow(connection)


def h2(connection):
    frame = b"\0\0\0\4%c\0\0\0\0"
    connection.sendall(frame % 0)
    connection.recv(65536)
    connection.sendall(frame % 1)
    swallow(connection)


def sink(connection):
    global lines
    first = b""
    while True:
        more = connection.recv(65536)
        if not first and more.startswith(b"COUNT"):
            connection.sendall(b"%d\n" % lines)
            return
        if not more:
            return
        first = first or more
        with lock:
            lines += more.count(b"line")


held = []


def hold(connection):
    held.append(connection)
    threading.Event().wait()


def converse(what, connection, context):
    try:
        with connection:
            if context:
                connection = context.wrap_socket(connection, server_side=True)
            what(connection)
    except OSError:
        pass


def serve(what, listener, context):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=converse, args=(what, connection, context), daemon=True).start()


def listen(backlog=1024, room=None):
    listener = socket.socket()
    if room:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    listener.bind(("127.0.0.1", 0))
    listener.listen(backlog)
    return listener


def start(name, what, context=None, room=None):
    listener = listen(room=room)
    threading.Thread(target=serve, args=(what, listener, context), daemon=True).start()
    print(name, listener.getsockname()[1])


def deaf():
    listener = listen(0)
    while True:
        filler = socket.socket()
        filler.settimeout(0.1)
        held.append(filler)
        try:
            filler.connect(listener.getsockname())
        except OSError:
            break
    held.append(listener)
    print("deaf", listener.getsockname()[1])


def tls(protocol, tickets=2):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(*sys.argv[1:3])
    context.num_tickets = tickets
    context.set_alpn_protocols([protocol])
    return context


start("echo", echo)
start("hang", swallow)
start("half", half)
start("unread", hold, room=4096)
start("sink", sink)
deaf()
if len(sys.argv) > 2:
    start("tls", swallow, tls("http/1.1"))
    start("tlsrest", echo, tls("http/1.1", 0))
    start("tlshalf", half, tls("http/1.1"))
    start("h2", h2, tls("h2"))
print(flush=True)
sys.stdin.read()
os._exit(0)
