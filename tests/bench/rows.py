"""The workloads of `make bench`: each row sets up its servers and says how a variant is run."""
import json
import os
import subprocess

import variants
from pairs import Both, Program, Worker, work
from variants import LIBRARIES, SIDECARS
from world import CPUS, DEADLINE, GUARDED, ROOT, SHEARPIN, free_port, program, until

HERE = CPUS[-1]          # where micro workloads run, client and server on one processor
THERE = CPUS[0]          # where servers of real programs run, and this driver


class Row:
    """One workload. Subclasses say how servers and clients are started."""

    pairs, seconds = 31, 0.25
    few = 7               # pairs with the alternatives
    lines, before = GUARDED, ""
    cpu = HERE            # of the server and of proxies

    def __init__(self, name, title, limit=None, others=(), **more):
        self.name, self.title, self.limit, self.others = name, title, limit, list(others)
        self.__dict__.update(more)

    def setup(self, world):
        self.world = world
        self.port = world.server(self.cpu)
        self.match = f"127.0.0.0/8:{self.port}"

    def another_server(self, env):
        return self.world.server(self.cpu, env=env)

    def bare(self, world):
        return variants.bare(world, self)

    def guarded(self, world, name="shearpin"):
        return variants.guarded(world, self, self.lines, self.before, name)

    def client(self, variant):
        raise NotImplementedError

    def check(self, variant):
        self.world.check_guarded(variant.segment)


class Micro(Row):
    """A kind of work.c on the processor of its server."""

    kind, spread = "exchange", 1

    def client(self, variant):
        port = variant.port or self.port
        argv = [work("work"), self.kind, str(port)]
        if self.spread > 1 and variant.port is None:
            argv.append(f"spread={self.spread}")
        return Worker(self.world, argv, variant, HERE)


class Apart(Micro):
    """The server has the other processor, and proxies go where the kernel puts them."""

    def setup(self, world):
        super().setup(world)
        self.cpu = None

    def __init__(self, *rest, **more):
        super().__init__(*rest, cpu=THERE, **more)


class Unix(Micro):
    def setup(self, world):
        self.world = world
        self.port = world.server(self.cpu, unix="peer.sock")
        self.match = f"unix:{self.port}"


class TwoProcesses(Micro):
    """A server and a client on each of two processors, all of one destination."""

    def setup(self, world):
        self.world = world
        self.ports = [world.server(cpu) for cpu in CPUS[:2]]
        self.match = " ".join(f"127.0.0.0/8:{port}" for port in self.ports)

    def client(self, variant):
        return Both([Worker(self.world, [work("work"), self.kind, str(port)], variant, cpu)
                     for port, cpu in zip(self.ports, CPUS)])


class Refused(Micro):
    """Bare: nobody listens. Guarded: the breaker is open, and the kernel is not asked."""

    kind = "refused"

    def setup(self, world):
        self.world, self.port = world, free_port()
        self.match = f"127.0.0.0/8:{self.port}"

    def guarded(self, world):
        variant = super().guarded(world)
        subprocess.run(["true"], env={**world.env, **variant.env}, check=True)
        world.shearpin("trip", "-q", "-s", variant.segment, "peer", "--for", "1h")
        return variant

    def check(self, variant):
        said = self.world.shearpin("status", "-s", variant.segment, "--json", "peer")
        peer = json.loads(said)["destinations"][0]
        if not peer["rejected"]["breaker"] or peer["connects"]["refused"]:
            raise RuntimeError(f"not refused by the breaker: {said}")


class Watched(Micro):
    """Both sides are guarded; the segment of one is read all the time, from another processor."""

    def bare(self, world):
        return super().guarded(world, name="bare")

    def guarded(self, world):
        variant = super().guarded(world)
        subprocess.run(["true"], env={**world.env, **variant.env}, check=True)
        readers = world.start(["/usr/bin/python3", os.path.join(ROOT, "tests/bench/readers.py"),
                               SHEARPIN, variant.segment], THERE)
        readers.stdout.readline()
        return variant


class Ordinals(Micro):
    """A fault whose turn never comes: every exchange takes its number for it."""

    def guarded(self, world):
        variant = super().guarded(world)
        variant.env["SHEARPIN_SET"] = "peer.inject=reset at 4000000000..4000000001"
        return variant


class Start(Row):
    """posix_spawn and wait of `true`; the spawning program itself is bare."""

    difference = True
    seconds = 0.5
    before = "\n".join(f"destination d{i}\n    match 10.0.{i}.0/24:80 d{i}.example.com:443\n    "
                       + "\n    ".join(GUARDED) for i in range(15))

    def setup(self, world):
        self.world, self.match = world, "peer.example.com:443"

    def client(self, variant):
        argv = [work("work"), "start"] + [f"{k}={v}" for k, v in variant.env.items()]
        return Worker(self.world, argv, variant, self.cpu, env={})

    def check(self, variant):
        pass


class HttpClient(Micro):
    """Where its memory lies makes a python faster or slower than the next by more than what is
    measured: many short pairs of processes, all with the same hashes of strings."""

    pairs, seconds = 61, 0.2

    def client(self, variant):
        argv = ["/usr/bin/python3", os.path.join(ROOT, "tests/bench/ask_http.py"),
                str(variant.port or self.port)]
        return Worker(self.world, argv, variant, self.cpu, {**variant.env, "PYTHONHASHSEED": "0"})


class Real(Row):
    """A real program of which one run is a batch; its server has the other processor."""

    pairs, seconds = 21, 0.7
    pattern = None

    def setup(self, world):
        self.world, self.port = world, free_port()
        self.match = f"127.0.0.0/8:{self.port}"
        self.serve()

    def client(self, variant):
        return Program(self.world, variant, HERE, self.argv(variant.port or self.port),
                       self.pattern)


class Redis(Real):
    pairs, seconds, few = 61, 0.2, 21
    pattern = r"GET: ([\d.]+) requests per second"
    pipeline = 1

    def serve(self):
        program("redis-benchmark")
        server = [program("redis-server"), "--port", str(self.port), "--save", "", "--appendonly",
                  "no", "--dir", self.world.dir]
        self.world.daemon(server, self.port, THERE)

    def argv(self, port):
        count = int(self.seconds * (60000 if self.pipeline == 1 else 500000))
        return ["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-c", "50", "-P",
                str(self.pipeline), "-n", str(count), "-t", "get", "-q"]


class Wrk(Real):
    pairs, seconds = 31, 1      # it takes whole seconds
    pattern = r"Requests/sec: +([\d.]+)"
    body = """http {{ access_log off; keepalive_requests 100000000;
    server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello\\n"; }} }} }}"""

    def serve(self):
        program("wrk")
        self.world.nginx(self.body.format(port=self.port), self.port, THERE)

    def argv(self, port):
        return ["wrk", "-t1", "-c16", f"-d{max(1, round(self.seconds))}s",
                f"http://127.0.0.1:{port}/"]


class WrkProxy(Wrk):
    """The library is in an nginx that is the client of another: wrk is bare."""

    proxy = """http {{ access_log off; keepalive_requests 100000000;
    upstream behind {{ server 127.0.0.1:{port}; keepalive 32; keepalive_requests 100000000; }}
    server {{ listen 127.0.0.1:{front};
        location / {{ proxy_pass http://behind; proxy_http_version 1.1;
                      proxy_set_header Connection ""; }} }} }}"""

    def client(self, variant):
        front = free_port()
        self.world.nginx(self.proxy.format(port=self.port, front=front), front, HERE, variant.env)
        proxy = self.world.processes[-1]
        return Program(self.world, variants.Variant("wrk"), THERE, self.argv(front), self.pattern,
                       end=lambda: self.world.end(proxy))


class Pgbench(Real):
    pairs, seconds = 61, 0.25
    pattern = r"tps = ([\d.]+)"

    def serve(self):
        import glob
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        bins = os.path.dirname(found[-1]) if found else ""
        server, initdb = (program(name, f"{bins}/{name}") for name in ("postgres", "initdb"))
        data = self.world.path("pg")
        os.mkdir(data)
        user = []
        if os.geteuid() == 0:
            user = [program("setpriv"), "--reuid", "postgres", "--regid", "postgres",
                    "--clear-groups"]
            subprocess.run(["chown", "postgres:", data], check=True)
        subprocess.run([*user, initdb, "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
                       check=True, capture_output=True, env=self.world.env, cwd="/")
        self.world.start([*user, server, "-D", data, "-h", "127.0.0.1", "-p", str(self.port),
                          "-k", data, "-F"], THERE, stdout=subprocess.DEVNULL, cwd="/")
        asks = [program("pgbench"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres",
                "-i", "-q", "postgres"]
        until("postgres", lambda: subprocess.run(asks, env=self.world.env, capture_output=True,
                                                 check=False).returncode == 0, 90)

    def argv(self, port):
        return ["pgbench", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-S", "-n",
                "-c", "4", "-t", str(max(10, int(self.seconds * 5000))), "postgres"]


MODE = "mode enforce 50%"
ROWS = [
    Micro("tcp", "64-byte ping-pong, one TCP connection, one CPU", 1.010, SIDECARS + LIBRARIES,
          sidecars=2),
    Apart("tcp-apart", "client and server on a CPU each", None, SIDECARS),
    Micro("tcp-deadline", "the same with a response deadline, blocking socket", 1.025,
          lines=DEADLINE),
    Unix("unix", "the same over a unix socket", 1.020),
    Unix("unix-deadline", "unix socket with a response deadline", lines=DEADLINE),
    Micro("connect", "connect, send, recv, close for each request", 1.015, SIDECARS + LIBRARIES,
          kind="connect", spread=16, sidecars=2),
    TwoProcesses("two", "two processes on two CPUs, one destination", 1.030),
    Redis("redis", "redis-benchmark -P 1 -c 50", 1.015, SIDECARS[:1] + SIDECARS[2:] + LIBRARIES[:3],
          lines=DEADLINE),
    Redis("redis-pipeline", "redis-benchmark -P 16 -c 50", 1.010, pipeline=16, lines=DEADLINE),
    Wrk("wrk", "wrk -c16, nginx behind; guarded is wrk", 1.015, lines=DEADLINE),
    WrkProxy("nginx", "wrk -c16, nginx, nginx behind; guarded is the first nginx", 1.015,
             lines=DEADLINE),
    Pgbench("pgbench", "pgbench -S -c 4", 1.015, lines=DEADLINE),
    HttpClient("http.client", "python http.client, keep-alive", 1.015, lines=DEADLINE),
    Micro("read", "read of a byte from a file", 1.010, LIBRARIES, kind="read"),
    Micro("write", "write of a byte to a file", 1.010, kind="write"),
    Micro("pread", "pread of a byte from a file", 1.010, kind="pread"),
    Micro("pipe", "a byte through a pipe, write and read", 1.010, kind="pipe"),
    Micro("zero", "read of a byte from /dev/zero", 1.010, kind="zero"),
    Refused("refused", "socket, connect, close: refused by an open breaker, against the kernel's "
            "own refusal", 0.45),
    Start("start", "start of `true`, 16 destinations, segment present", 120000),
    Watched("readers", "ping-pong while its segment is read: status 10 times, a scrape once a "
            "second; against guarded and unread", 1.005),
    Micro("inflight", "ping-pong with `cap inflight 64`", lines=GUARDED[:2] + ["cap inflight 64"]),
    Micro("limit", "ping-pong with `limit 1000000/s`",
          lines=GUARDED + ["limit 1000000/s  burst 100000"]),
    Micro("share", f"ping-pong with `{MODE}`", lines=[MODE] + GUARDED),
    Micro("share-connect", f"connect for each request with `{MODE}`", kind="connect", spread=16,
          lines=[MODE] + GUARDED),
    Ordinals("ordinals", "ping-pong with a fault whose turn never comes"),
    Micro("observe", "ping-pong with `mode observe`", lines=["mode observe"] + GUARDED),
    Micro("journal", "ping-pong with `journal 1MiB`", lines=GUARDED,
          before="defaults\n    journal 1MiB"),
]
