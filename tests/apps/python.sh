#!/bin/bash
# python3: http.client, asyncio, and subprocess, whose vfork child closes every fd.
. "$(dirname "$0")/lib.sh"
start_dependency

policy http "destination d
    match 127.0.0.1:$port
    deadline connect 300ms
    breaker streak 2  open 60s
    cap 4"

# says SEGMENT PROGRAM ARGUMENT...: what it printed
says() {
    local segment=$1 program=$2
    shift 2
    guarded "$segment" "$python" -c "$program" "$@" 2>&1
}

http_client='
import http.client, sys, time
start = time.monotonic()
try:
    c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=None if len(sys.argv) < 3 else 5)
    c.request("GET", "/")
    print(c.getresponse().read().decode().strip(), end=" ")
except OSError as error:
    print(type(error).__name__, end=" ")
print(time.monotonic() - start)'

# shellcheck disable=SC2034
asyncio_client='
import asyncio, sys, time
async def ask():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    body = await reader.read()
    writer.close()
    return body.decode().split()[-1]
start = time.monotonic()
try:
    print(asyncio.run(ask()), end=" ")
except OSError as error:
    print(type(error).__name__, end=" ")
print(time.monotonic() - start)'

for client in http_client asyncio_client; do
    policy $client "destination d
        match 127.0.0.1:$port
        deadline connect 300ms
        breaker streak 2  open 60s"
    like "$client: answered" "$(says $client "${!client}" "$port")" '^hello '
    become deaf
    for n in 1 2; do
        said=$(says $client "${!client}" "$port")
        like "$client: the connect deadline is a timeout, $n of 2" "$said" '^TimeoutError '
        at_least "$client: not early" "${said##* }" 0.3
        below "$client: not late" "${said##* }" 1
    done
    is "$client: the breaker is open" "$(state $client d)" open
    become up
    before=$accepted
    like "$client: refused at once" "$(says $client "${!client}" "$port")" '^ConnectionRefusedError '
    become count
    is "$client: nothing reached the listener" "$accepted" "$before"
done
like "a timeout of its own changes nothing" "$(says http "$http_client" "$port" 5)" '^hello '

policy faults "destination d
    match 127.0.0.1:$port"
run_options=(--inject 'latency 150ms' --on d)
said=$(says faults "$http_client" "$port")
like "latency injected: it still answers" "$said" '^hello '
at_least "connect and exchange are each later" "${said##* }" 0.3
run_options=()

# The parent holds two connections of a cap of 2 while its children close all they inherit.
policy subprocess "destination d
    match 127.0.0.1:$port
    cap 2"
is "subprocess does not disturb its parent" "$(says subprocess '
import socket, subprocess, sys
def dial():
    return socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def asked(s):
    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    return b"hello" in s.makefile("rb").read()
def full():
    try: dial(); return False
    except ConnectionRefusedError: return True
held = [dial(), dial()]
print(full(), end=" ")
for i in range(5):
    subprocess.run(["/bin/true"], check=True)
    subprocess.run(["/bin/true"], check=True, close_fds=False, preexec_fn=lambda: None)
    subprocess.run(["/bin/true"], check=True, start_new_session=True)
print(full(), asked(held[0]), asked(held[1]), full(), end=" ")
held.pop().close()
print(full())' "$port")" "True True True True True False"
is "no lease is lost" "$(field subprocess d 'd["cap"]["in_use"]')" 0

# Forked workers, as a pre-forking server has them, each with connections of its own.
is "multiprocessing workers" "$(says subprocess '
import multiprocessing as m, socket, sys
def ask(port):
    while True:
        try: s = socket.create_connection(("127.0.0.1", port)); break
        except ConnectionRefusedError: pass
    s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    return b"hello" in s.recv(100)
with m.get_context("fork").Pool(4) as pool:
    print(sum(pool.map(ask, [int(sys.argv[1])] * 40)))' "$port")" 40

# urllib in threads: look-ups, timeouts of its own, many connections.
is "urllib in threads" "$(says http '
import concurrent.futures as f, sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def ask(_):
    return opener.open("http://127.0.0.1:%s/" % sys.argv[1], timeout=5).read() == b"hello\n"
with f.ThreadPoolExecutor(4) as pool:
    print(sum(pool.map(ask, range(40))))' "$port")" 40
