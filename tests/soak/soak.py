#!/usr/bin/env python3
"""Sixteen clients of mixed kinds for as long as one likes, while breakers trip, a dependency comes
and goes, policies are reloaded and processes are stopped and killed.

    SOAK_SECONDS=1800 SOAK_SEED=1 tests/soak/soak.py       (make soak)
    SOAK_CONNECTIONS=1000000 SOAK_SECONDS=3600 ...         until one program has made so many

What must hold: memory and fds of programs that live long stay flat, no place of a cap is lost, the
counters are the servers' own, and no program ends otherwise than by our hand. Prints TAP.
"""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
SHEARPIN = os.path.join(BUILD, "shearpin")
SECONDS = float(os.environ.get("SOAK_SECONDS", "1800"))
CONNECTIONS = int(os.environ.get("SOAK_CONNECTIONS", "0"))
SEED = int(os.environ.get("SOAK_SEED", "1"))
PAGE = os.sysconf("SC_PAGE_SIZE")
PYTHON = "/usr/bin/python3"

ALWAYS = """
import asyncio, http.client, sys, time
kind, port = sys.argv[1], int(sys.argv[2])
def plain():
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    while True:
        try:
            c.request("GET", "/"); c.getresponse().read()
        except OSError: time.sleep(0.002)
        except http.client.HTTPException: pass
        finally: c.close() if kind == "short" else None
async def ask():
    while True:
        try:
            r, w = await asyncio.open_connection("127.0.0.1", port)
            w.write(b"GET / HTTP/1.0\\r\\n\\r\\n"); await r.read(); w.close()
        except OSError: await asyncio.sleep(0.002)
async def loop(): await asyncio.gather(*[ask() for _ in range(4)])
asyncio.run(loop()) if kind == "async" else plain()
"""
NODE = """
const http = require("http"), port = +process.argv[2], agent = new http.Agent({keepAlive: true, maxSockets: 3});
const ask = () => http.get({port, agent, host: "127.0.0.1"}, r => { r.resume(); r.on("end", ask); })
    .on("error", () => setTimeout(ask, 2));
for (let i = 0; i < 3; i++) ask();
"""
NGINX = """
worker_processes 2; pid {work}/nginx.pid; error_log {work}/nginx.log; daemon off;
events {{ worker_connections 1024; }}
http {{ access_log off; client_body_temp_path {work}/b; proxy_temp_path {work}/p;
  fastcgi_temp_path {work}/f; uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
  server {{ listen 127.0.0.1:{web}; location / {{ return 200 "hello"; }} }} }}
"""
POLICY = """segment soak
destination cache
    match     127.0.0.1:{redis}
    deadline  connect 5s  response 5s
    breaker   streak 50
    cap       connections 500  inflight 500
destination web
    match     127.0.0.1:{web}
    deadline  connect 5s  response 5s  idle 30s
    breaker   streak {streak}  rate 50% of 20 in 10s
    cap       40  wait 100ms
destination flaky
    match     127.0.0.1:{flaky}
    deadline  connect 100ms  response 100ms
    breaker   streak 3  open 100ms..500ms
    cap       4  wait 20ms
    retry     2  backoff 1ms..10ms  on refused
"""

work = tempfile.mkdtemp(prefix="shearpin-soak.", dir="/dev/shm")
os.mkdir(work + "/segments", 0o700)
os.environ.update(SHEARPIN_DIR=work + "/segments", SHEARPIN_LOG=work + "/log")
random.seed(SEED)
failed = 0


def verdict(name, good, why=""):
    global failed
    failed += not good
    print(f"{'ok' if good else 'not ok'} - {name}" + (f": {why}" if why else ""), flush=True)


def free_port():
    import socket
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def write(name, text):
    path = os.path.join(work, name)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


def start(*command, **options):
    options.setdefault("stdout", subprocess.DEVNULL)
    return subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                            **options)


def guarded(*command, **options):
    return start(SHEARPIN, "run", "-p", work + "/policy.conf", "--", *command, **options)


def command(*words):
    return subprocess.run([SHEARPIN, words[0], "-s", "soak", *words[1:]], capture_output=True,
                          text=True, check=False)


def destinations():
    listed = json.loads(command("status", "--json").stdout)["destinations"]
    return {one["name"]: one for one in listed}


class Client:
    """A program that is started again whenever it ends. `mine` is whether we may kill it."""

    def __init__(self, *words, mine=True, **options):
        self.words, self.options, self.mine, self.killed, self.wrong = words, options, mine, 0, []
        self.process = guarded(*words, **options)

    def look(self):
        code = self.process.poll()
        if code is None:
            return
        if code < 0 and not (code == -signal.SIGKILL and self.killed):
            self.wrong.append(f"{self.words[0]} ended by signal {-code}")
        self.process = guarded(*self.words, **self.options)

    def kill(self):
        self.killed += 1
        self.process.kill()


def resident(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
        return int(re.search(r"^Rss: +(\d+)", rollup.read(), re.M)[1]) * 1024


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def slope(points):
    """Of least squares: y for each x."""
    n, mx, my = len(points), sum(x for x, _ in points), sum(y for _, y in points)
    over = sum((x - mx / n) ** 2 for x, _ in points)
    return sum((x - mx / n) * (y - my / n) for x, y in points) / over if over else 0.0


def set_policy(ports, streak):
    write("policy.conf", POLICY.format(streak=streak, **ports))


def trouble(ports, flaky, clients):
    """One thing that operators, networks and kernels do."""
    what = random.choice(["reload", "reload", "trip", "reset", "disable", "kill", "kill", "stop",
                          "down", "up", "deaf", "up"])
    if what == "reload":
        set_policy(ports, random.randint(5, 50))
        said = command("reload", work + "/policy.conf")
        return None if said.returncode == 0 else said.stderr
    if what in ("trip", "reset"):
        command(what, "flaky")
    elif what == "disable":
        command("disable", "flaky")
        command("enable", "flaky")
    elif what == "kill":
        random.choice([c for c in clients if c.mine]).kill()
    elif what == "stop":
        pid = random.choice([c for c in clients if c.mine]).process.pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.2)
        os.kill(pid, signal.SIGCONT)
    else:
        print(what, file=flaky.stdin, flush=True)
        flaky.stdout.readline()
    return None


def begin(ports):
    redis = start("redis-server", "--port", str(ports["redis"]), "--save", "", "--bind", "127.0.0.1")
    write("nginx.conf", NGINX.format(work=work, **ports))
    nginx = start("nginx", "-c", work + "/nginx.conf", "-p", work, "-e", work + "/nginx.log")
    while subprocess.run(["redis-cli", "-p", str(ports["redis"]), "ping"], capture_output=True,
                         check=False).returncode:
        time.sleep(0.01)
    return redis, nginx


def all_clients(ports):
    redis, web, flaky = str(ports["redis"]), str(ports["web"]), str(ports["flaky"])
    url = f"http://127.0.0.1:{web}/"
    always, node = write("always.py", ALWAYS), write("ask.js", NODE)
    kept_small = ("node", "--max-semi-space-size=1", "--max-old-space-size=32")
    curls = ("curl", "-s", "-o", "/dev/null", "--no-keepalive", "--noproxy", "*")
    return [
        Client("wrk", "-t1", "-c4", "-d5", url), Client("ab", "-q", "-n2000", "-c4", url),
        Client("ab", "-q", "-k", "-n5000", "-c4", url), Client(*curls, url + "[1-50]"),
        Client(PYTHON, always, "short", web), Client(PYTHON, always, "kept", web),
        Client(PYTHON, always, "async", web), Client(*kept_small, node, web, mine=False),
        Client(PYTHON, always, "short", flaky), Client(PYTHON, always, "kept", flaky),
        Client(PYTHON, always, "async", flaky, mine=False), Client("node", node, flaky),
        Client(*curls, f"http://127.0.0.1:{flaky}/[1-20]"),
        Client("wget", "-q", "-O", "/dev/null", "--no-proxy", "-t1", url),
        Client("perl", "-MHTTP::Tiny", "-e",
               f"HTTP::Tiny->new->get('{url}') for 1..200", mine=True),
    ], guarded(os.path.join(BUILD, "tests/many"), redis, stdout=subprocess.PIPE)


def last_line(pipe, before):
    """What `many` has said so far, without waiting."""
    os.set_blocking(pipe.fileno(), False)
    try:
        text = os.read(pipe.fileno(), 1 << 20).decode()
    except BlockingIOError:
        return before
    lines = [line for line in text.split("\n")[:-1] if line.count(" ") == 1]
    return tuple(map(int, lines[-1].split())) if lines else before


def look(memory, made, pid):
    memory.append((made, resident(pid), fds(pid)))


def run(ports, flaky, clients, many):
    memory, others, said, errors = [], {}, (0, 0), []
    watched = [c.process.pid for c in clients if not c.mine]
    end, next_look = time.monotonic() + SECONDS, 0.0
    while time.monotonic() < end and not 0 < CONNECTIONS <= said[0]:
        time.sleep(random.uniform(0.02, 0.3))
        error = trouble(ports, flaky, clients)
        errors += [error] if error else []
        for client in clients:
            client.look()
        said = last_line(many.stdout, said)
        if time.monotonic() >= next_look:
            next_look = time.monotonic() + max(0.2, SECONDS / 300)
            look(memory, said[0], many.pid)
            for pid in watched:
                others.setdefault(pid, []).append((time.monotonic(), resident(pid), fds(pid)))
    look(memory, said[0], many.pid)
    took = time.monotonic() - end + SECONDS
    print(f"# {said[0]} connections in {took:.0f} s, {said[0] / took:.0f} a second", flush=True)
    return memory, others, errors


def judge_memory(memory, others):
    made = memory[-1][0]
    warm = memory[len(memory) // 4:] if made < 100_000 else [m for m in memory if m[0] >= 50_000]
    pages = slope([(x, rss) for x, rss, _ in warm]) * 100_000 / PAGE
    verdict("memory of one that made many connections is flat", pages < 1,
            f"{pages:.2f} pages per 100,000 connections, {made} connections")
    if CONNECTIONS:
        verdict("it made as many as were asked for", made >= CONNECTIONS, f"{made} of {CONNECTIONS}")
    verdict("its fds are as many as ever", max(f for _, _, f in warm) <= min(f for _, _, f in warm) + 1)
    for seen in others.values():
        half = seen[len(seen) // 2:]
        grown = max(rss for _, rss, _ in half) - max(rss for _, rss, _ in seen[:len(seen) // 2])
        verdict("memory of a long-lived one", grown < 16 << 20, f"{grown >> 10} KiB more")
        verdict("fds of a long-lived one", max(f for *_, f in half) < 60)


def redis_count(port):
    info = subprocess.run(["redis-cli", "-p", str(port), "info", "stats"], capture_output=True,
                          text=True, check=True).stdout
    return int(re.search(r"total_connections_received:(\d+)", info)[1])


def finish(clients, many):
    for client in clients:
        client.mine = True
        client.kill()
        client.process.wait()
    many.stdin.close()
    many.wait(10)
    return many.returncode


def main():
    ports = {name: free_port() for name in ("redis", "web")}
    flaky = start(PYTHON, os.path.join(ROOT, "scripts/demo-server.py"), stdout=subprocess.PIPE)
    ports["flaky"] = int(flaky.stdout.readline())
    set_policy(ports, 20)
    servers = [flaky, *begin(ports)]
    before = redis_count(ports["redis"])
    print(f"# SOAK_SEED={SEED} SOAK_SECONDS={SECONDS:g}", flush=True)
    clients, many = all_clients(ports)
    try:
        memory, others, errors = run(ports, flaky, clients, many)
        code = finish(clients, many)
        judge_memory(memory, others)
        verdict("every reload was taken", not errors, "; ".join(errors[:2]))
        wrong = [w for c in clients for w in c.wrong]
        verdict("nobody ended otherwise than by our hand", not wrong and code == 0, "; ".join(wrong[:3]))
        counts = redis_count(ports["redis"]) - before - 1
        figures = destinations()
        cache = figures["cache"]["connects"]
        verdict("the server's own count of connections", cache["ok"] == counts, f"{cache['ok']} of {counts}")
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline and any(d["cap"]["in_use"] for d in destinations().values()):
            guarded("true").wait()
            time.sleep(0.1)
        for name, d in destinations().items():
            verdict(f"{name}: no place is lost", d["cap"]["in_use"] == 0 and d["cap"]["waiting"] == 0,
                    f"{d['cap']}, {sum(d['connects'].values())} connects")
    finally:
        for process in [c.process for c in clients] + [many] + servers:
            process.terminate()
            process.wait()
        shutil.rmtree(work)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
