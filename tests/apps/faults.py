"""What tests/apps/faults.sh asks, and with what. `serve` says its port and then, for each line on stdin,
how many connections it has accepted. The clients say how it ended and how many bytes had come."""
import asyncio
import errno
import hashlib
import os
import selectors
import socket
import sys
import threading
import time

BLOCK = bytes(i * 7 % 251 for i in range(1 << 16))


def answer(connection, count):
    """GET /N: N bytes. GET /slow: a byte each 20 ms. PUT /N: N bytes come, their sum goes back."""
    with connection:
        request = b""
        while b"\r\n\r\n" not in request:
            more = connection.recv(65536)
            if not more:
                return
            request += more
        head, body = request.split(b"\r\n\r\n", 1)
        method, path = head.split()[:2]
        path = path.decode()[1:]
        if path == "slow":
            for _ in range(200):
                connection.sendall(b"x")
                time.sleep(0.02)
            return
        size = int(path)
        if method in (b"PUT", b"POST"):
            total, got = hashlib.sha256(body), len(body)
            while got < size:
                more = connection.recv(65536)
                if not more:
                    return
                total.update(more)
                got += len(more)
            text = total.hexdigest().encode()
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\nConnection: close\r\n\r\n" + text)
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % size)
        while size > 0:
            connection.sendall(BLOCK[:size])
            size -= min(size, len(BLOCK))


def serve(path):
    accepted = [0]

    def accept(listener):
        while True:
            connection, _ = listener.accept()
            accepted[0] += 1
            threading.Thread(target=quietly, args=(connection,), daemon=True).start()

    def quietly(connection):
        try:
            answer(connection, accepted)
        except (OSError, ValueError):
            pass

    tcp = socket.create_server(("127.0.0.1", 0), backlog=1024)
    local = socket.socket(socket.AF_UNIX)
    local.bind(path)
    local.listen(64)
    for listener in (tcp, local):
        threading.Thread(target=accept, args=(listener,), daemon=True).start()
    print(tcp.getsockname()[1], flush=True)
    for _ in sys.stdin:
        print(accepted[0], flush=True)


def ended(error, got, start):
    word = "end" if error is None else errno.errorcode.get(error.errno, str(error))
    print(word, got, "%.3f" % (time.monotonic() - start), flush=True)


def blocking(port, what):
    start, got = time.monotonic(), 0
    try:
        if port.startswith("/"):
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(port)
        else:
            connection = socket.create_connection(("127.0.0.1", int(port)))
        connection.sendall(b"GET /%s HTTP/1.1\r\n\r\n" % what.encode())
        while True:
            more = connection.recv(65536)
            if not more:
                return ended(None, got, start)
            got += len(more)
    except OSError as error:
        ended(error, got, start)


def loop(port, what):
    asyncio.run(looped(port, what))


async def looped(port, what):
    start, got = time.monotonic(), 0
    try:
        if port.startswith("/"):
            reader, writer = await asyncio.open_unix_connection(port)
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(b"GET /%s HTTP/1.1\r\n\r\n" % what.encode())
        while True:
            more = await reader.read(65536)
            if not more:
                return ended(None, got, start)
            got += len(more)
    except OSError as error:
        ended(error, got, start)


def many(port, count):
    """One character a connect: `.` or the first of its error."""
    said = []
    for _ in range(int(count)):
        try:
            socket.create_connection(("127.0.0.1", int(port))).close()
            said.append(".")
        except OSError as error:
            said.append("x" if error.errno == errno.ECONNREFUSED else "?")
    print("".join(said))


def put(port, size):
    """Sends and reads without a loop of its own: sendall() on a blocking socket."""
    size = int(size)
    connection = socket.create_connection(("127.0.0.1", int(port)))
    connection.sendall(b"PUT /%d HTTP/1.1\r\n\r\n" % size)
    total, largest, left = hashlib.sha256(), 0, size
    while left:
        sent = connection.send(BLOCK[:left])
        total.update(BLOCK[:sent])
        largest = max(largest, sent)
        left -= sent
    reply = b""
    while more := connection.recv(65536):
        reply += more
    print("same" if reply.endswith(total.hexdigest().encode()) else "other", largest)


def get(port, size):
    """The sum of what came, and the largest piece."""
    connection = socket.create_connection(("127.0.0.1", int(port)))
    connection.sendall(b"GET /%s HTTP/1.1\r\n\r\n" % size.encode())
    head, total, largest, got = b"", hashlib.sha256(), 0, 0
    while more := connection.recv(65536):
        largest = max(largest, len(more))
        if head is not None:
            head += more
            if b"\r\n\r\n" not in head:
                continue
            more, head = head.split(b"\r\n\r\n", 1)[1], None
        total.update(more)
        got += len(more)
    print(total.hexdigest(), got, largest)


def hurt(port, size):
    """Which bytes of the answer are other than they were sent, as a sum, and how many; and how it was
    to look first."""
    connection = socket.create_connection(("127.0.0.1", int(port)))
    connection.sendall(b"GET /%s HTTP/1.1\r\n\r\n" % size.encode())
    time.sleep(0.2)
    seen = connection.recv(1000, socket.MSG_PEEK)
    text = b""
    while more := connection.recv(65536):
        text += more
    body = text[-int(size):]
    wrong = [i for i, byte in enumerate(body) if byte != BLOCK[i % len(BLOCK)]]
    place = hashlib.sha256(repr(wrong).encode()).hexdigest()[:12]
    print(len(text) > int(size), len(wrong), place, seen == text[:len(seen)])


def whole(port, size):
    """MSG_WAITALL and MSG_PEEK under slices."""
    connection = socket.create_connection(("127.0.0.1", int(port)))
    connection.sendall(b"GET /%s HTTP/1.1\r\n\r\n" % size.encode())
    first = connection.recv(1, socket.MSG_PEEK)
    got = connection.recv(int(size), socket.MSG_WAITALL)
    print(len(got), first == got[:1])


def edges(port, size):
    """An edge-triggered reader that takes a short read for the last one, as nginx does."""
    connection = socket.create_connection(("127.0.0.1", int(port)))
    connection.sendall(b"GET /%s HTTP/1.1\r\n\r\n" % size.encode())
    connection.setblocking(False)
    import select
    poll = select.epoll()
    poll.register(connection, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)
    got, waits = 0, 0
    while True:
        if not poll.poll(5):
            return print("stalled", got)
        waits += 1
        while True:
            try:
                more = connection.recv(65536)
            except BlockingIOError:
                break
            if not more:
                return print("end", got > int(size), waits > 100)
            got += len(more)
            if len(more) < 65536:
                break


def backlog(path):
    """What who does not block is told where the other does not accept."""
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)
    print(errno.errorcode[connection.connect_ex(path)])


def accepts():
    """A server that cannot get fds for what it accepts: which of four calls could not."""
    said = []
    listener = socket.create_server(("127.0.0.1", 0))
    clients = []
    for _ in range(4):
        raw = socket.socket()
        raw.connect(listener.getsockname())
        clients.append(raw)
        try:
            listener.accept()
            said.append("ok")
        except OSError as error:
            said.append(errno.errorcode[error.errno])
    print(*said)


def datagrams():
    """UDP is nobody's business here."""
    one, two = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("127.0.0.1", 0))
    two.connect(one.getsockname())
    for i in range(100):
        two.send(b"%d" % i)
    print(b"".join(one.recv(10) for _ in range(100)) == b"".join(b"%d" % i for i in range(100)))


def name(host):
    start = time.monotonic()
    try:
        found = sorted({a[4][0] for a in socket.getaddrinfo(host, 80, socket.AF_INET, socket.SOCK_STREAM)})
        said = " ".join(found)
    except socket.gaierror as error:
        said = {socket.EAI_AGAIN: "EAI_AGAIN", socket.EAI_NONAME: "EAI_NONAME"}[error.errno]
    print(said, "%.3f" % (time.monotonic() - start))


globals()[sys.argv[1]](*sys.argv[2:])
