#!/usr/bin/python3
"""Exchanges with the same server by two ports, in turn: paired differences, for tests/apps/latency.sh.

    paired.py serve                     prints its two ports and one that answers with the sum of
                                        what came until its end, lives until its own stdin ends
    paired.py FORM BARE LATE PAIRS      block, epoll, asyncio or http: prints the median of the
                                        differences in ms, and the median of the bare ones

What comes back is compared with what went. Pairs are asked on four connections at once.
"""
import asyncio
import hashlib
import http.client
import os
import select
import socket
import statistics
import sys
import threading
import time

LANES = 4
pairs = []


def answer(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        while more := connection.recv(65536):
            if more.startswith(b"GET "):
                more = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
            connection.sendall(more)
    except OSError:
        pass


def add(connection):
    whole = hashlib.sha256()
    while more := connection.recv(65536):
        whole.update(more)
    connection.sendall(whole.hexdigest().encode())
    connection.close()


def accept(listener, how):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=how, args=(connection,), daemon=True).start()


def serve():
    listeners = [socket.create_server(("127.0.0.1", 0), backlog=64) for _ in range(3)]
    for listener, how in zip(listeners, [answer, answer, add]):
        threading.Thread(target=accept, args=(listener, how), daemon=True).start()
    print(*(listener.getsockname()[1] for listener in listeners), flush=True)
    os.read(0, 1)


def block_lane(ports, count):
    sockets = [socket.create_connection(("127.0.0.1", port)) for port in ports]
    for i in range(count):
        took = []
        for connection in sockets:
            text = b"%d" % i
            start = time.monotonic()
            connection.sendall(text)
            got = connection.recv(100)
            took.append(time.monotonic() - start)
            assert got == text, got
        pairs.append(took)


def http_lane(ports, count):
    clients = [http.client.HTTPConnection("127.0.0.1", ports[0]) for _ in range(2)]
    for i in range(count):
        took = []
        for client, path in zip(clients, ["/bare/", "/late/"]):
            start = time.monotonic()
            client.request("GET", path)
            got = client.getresponse().read()
            took.append(time.monotonic() - start)
            assert got == b"ok", got
        pairs.append(took)


def threads(lane, ports, count):
    lanes = [threading.Thread(target=lane, args=(ports, count)) for _ in range(LANES)]
    for one in lanes:
        one.start()
    for one in lanes:
        one.join()


def epoll_lane(ports, count):
    """Yields the socket that it waits for."""
    sockets = []
    for port in ports:
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", port))
        yield connection, select.EPOLLOUT
        sockets.append(connection)
    for i in range(count):
        took = []
        for connection in sockets:
            text = b"%d" % i
            start = time.monotonic()
            connection.send(text)
            while True:
                yield connection, select.EPOLLIN
                try:
                    got = connection.recv(100)
                    break
                except BlockingIOError:
                    pass
            took.append(time.monotonic() - start)
            assert got == text, got
        pairs.append(took)


def epoll(ports, count):
    loop, waiting = select.epoll(), {}

    def step(lane):
        try:
            connection, events = next(lane)
        except StopIteration:
            return
        waiting[connection.fileno()] = lane
        try:
            loop.register(connection, events | select.EPOLLONESHOT)
        except FileExistsError:
            loop.modify(connection, events | select.EPOLLONESHOT)

    for _ in range(LANES):
        step(epoll_lane(ports, count))
    while waiting:
        for fd, _ in loop.poll():
            step(waiting.pop(fd))


async def asyncio_lane(ports, count):
    streams = [await asyncio.open_connection("127.0.0.1", port) for port in ports]
    for i in range(count):
        took = []
        for reader, writer in streams:
            text = b"%d" % i
            start = time.monotonic()
            writer.write(text)
            got = await reader.read(100)
            took.append(time.monotonic() - start)
            assert got == text, got
        pairs.append(took)


async def asyncio_lanes(ports, count):
    await asyncio.gather(*(asyncio_lane(ports, count) for _ in range(LANES)))


def main():
    if sys.argv[1] == "serve":
        return serve()
    form, ports, count = sys.argv[1], [int(port) for port in sys.argv[2:4]], int(sys.argv[4])
    count = -(-count // LANES)
    if form == "block":
        threads(block_lane, ports, count)
    elif form == "http":
        threads(http_lane, ports, count)
    elif form == "epoll":
        epoll(ports, count)
    else:
        asyncio.run(asyncio_lanes(ports, count))
    print("%.3f" % statistics.median((late - bare) * 1e3 for bare, late in pairs),
          "%.3f" % statistics.median(bare * 1e3 for bare, _ in pairs))


main()
