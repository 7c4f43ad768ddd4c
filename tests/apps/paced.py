#!/usr/bin/python3
"""Moves a file, for tests/apps/latency.sh, and says how long that took and whether it is the same.

    paced.py block|asyncio get|put STORE SINK FILE     from http at STORE, or to SINK of paired.py
"""
import asyncio
import hashlib
import os
import socket
import sys
import time

form, way, store, sink, path = sys.argv[1:]
with open(path, "rb") as file:
    content = file.read()
want = hashlib.sha256(content).hexdigest()
request = b"GET /%s HTTP/1.0\r\n\r\n" % os.path.basename(path).encode()


def block_get():
    with socket.create_connection(("127.0.0.1", int(store))) as connection:
        connection.sendall(request)
        parts = []
        while more := connection.recv(65536):
            parts.append(more)
    return hashlib.sha256(b"".join(parts).partition(b"\r\n\r\n")[2]).hexdigest()


def block_put():
    with socket.create_connection(("127.0.0.1", int(sink))) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(100).decode()


async def asyncio_get():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(store))
    writer.write(request)
    whole = await reader.read()
    writer.close()
    return hashlib.sha256(whole.partition(b"\r\n\r\n")[2]).hexdigest()


async def asyncio_put():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sink))
    writer.write(content)
    await writer.drain()
    writer.write_eof()
    got = await reader.read()
    writer.close()
    return got.decode()


start = time.monotonic()
move = globals()[form + "_" + way]
got = move() if form == "block" else asyncio.run(move())
print("%.3f" % (time.monotonic() - start), "same" if got == want else "another")
