"""What a benchmark runs in: servers, sidecars, policies and the variants of a program.

Everything stands in one directory of /dev/shm and ends with it; processes are ended by pid.
"""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
TESTS = os.path.join(BUILD, "tests")
SHEARPIN = os.path.join(BUILD, "shearpin")
LIBRARY = os.path.join(BUILD, "libshearpin.so")
CPUS = sorted(os.sched_getaffinity(0))

BREAKER = "breaker streak 5  rate 50% of 20 in 10s"
GUARDED = ["deadline connect 2s", BREAKER, "cap 256"]
DEADLINE = ["deadline connect 2s  response 10s", BREAKER, "cap 256"]   # a busy machine stalls for 2 s


class Missing(Exception):
    """What a row needs is not installed."""


def program(name, *elsewhere):
    for path in (shutil.which(name), *elsewhere):
        if path and os.path.exists(path):
            return path
    raise Missing(name)


@contextlib.contextmanager
def pinned(cpu):
    """Processes that are started inside run on this CPU only; None: on any."""
    before = os.sched_getaffinity(0)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, attempt, seconds=10):
    """Waits for a server that says nothing when it is ready."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if attempt():
                return
        except OSError:
            pass
        time.sleep(0.01)
    raise RuntimeError(f"{what} did not come up")


def listens(port):
    with socket.create_connection(("127.0.0.1", port), 1):
        return True


class World:
    """A directory, the processes started for it, and ports."""

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="shearpin-bench.", dir="/dev/shm")
        os.chmod(self.dir, 0o755)
        os.mkdir(self.path("segments"), 0o700)
        self.processes = []
        self.policies = 0
        self.env = {k: v for k, v in os.environ.items()
                    if not k.startswith("SHEARPIN") and k != "LD_PRELOAD"
                    and not k.lower().endswith("_proxy")}
        self.env["SHEARPIN_DIR"] = self.path("segments")
        self.env["SHEARPIN_LOG"] = self.path("log")
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            self.end(process)
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def start(self, argv, cpu=None, env=None, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.DEVNULL, "text": True, **options}
        with pinned(cpu):
            process = subprocess.Popen(argv, env={**self.env, **(env or {})}, **options)
        self.processes.append(process)
        return process

    def end(self, process):
        if process in self.processes:
            self.processes.remove(process)
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()

    def server(self, cpu, threads=32, unix=None, env=None):
        """A server of ours; returns its port, or the path of its socket."""
        argv = [os.path.join(TESTS, "server"), str(threads)]
        process = self.start(argv + ([self.path(unix)] if unix else []), cpu, env,
                             stdin=subprocess.PIPE)
        said = process.stdout.readline().strip()
        return said if unix else int(said)

    def daemon(self, argv, port, cpu=None, env=None):
        """A program that listens on the port as soon as it is ready."""
        process = self.start(argv, cpu, env, stdout=subprocess.DEVNULL)
        until(argv[0], lambda: process.poll() is None and listens(port))
        return process

    # --- policies ---

    def policy(self, lines, match, before="", name="peer"):
        """A policy of one destination and a segment of its own; `before` stands in front of it."""
        self.policies += 1
        segment = f"bench{self.policies}"
        text = "\n    ".join([f"segment {segment}\n{before}\ndestination {name}", f"match {match}",
                              *lines])
        path = self.write(segment + ".conf", text + "\n")
        self.shearpin("check", "-q", path)
        return segment, path

    def shearpin(self, *argv):
        return subprocess.run([SHEARPIN, *argv], env=self.env, check=True, text=True,
                              capture_output=True).stdout

    def check_guarded(self, segment):
        """Fails unless what ran in this segment was guarded, and nothing failed or was refused."""
        said = self.shearpin("status", "-s", segment, "--json", "peer")
        peer = json.loads(said)["destinations"][0]
        bad = sum(number for outcomes in (peer["connects"], peer["exchanges"])
                  for outcome, number in outcomes.items() if outcome not in ("ok", "abandoned"))
        good = min(peer[what]["ok"] for what in ("connects", "exchanges"))
        if good == 0 or bad or any(peer["rejected"].values()):
            raise RuntimeError(f"not as it should be: {said}")

    # --- sidecars: each returns the port that leads to the given one ---

    def haproxy(self, mode, port, cpu=None, server="", more=""):
        front = free_port()
        config = self.write(f"haproxy-{front}.cfg", f"""
global
    nbthread 1
defaults
    mode {mode}
    timeout connect 2s
    timeout client 1m
    timeout server 1m
    {more}
listen bench
    bind 127.0.0.1:{front}
    server one 127.0.0.1:{port} {server}
""")
        self.daemon([program("haproxy", "/usr/sbin/haproxy"), "-db", "-q", "-f", config], front, cpu)
        return front

    def nginx(self, body, port, cpu=None, env=None):
        modules = "/usr/lib/nginx/modules"
        load = f"load_module {modules}/ngx_stream_module.so;" if "stream {" in body else ""
        if load and not os.path.exists(f"{modules}/ngx_stream_module.so"):
            raise Missing("libnginx-mod-stream")
        os.makedirs(self.path("nginx"), exist_ok=True)
        config = self.write(f"nginx-{port}.conf", f"""{load}
user root;
daemon off;
master_process off;
pid {self.path(f'nginx-{port}.pid')};
error_log /dev/null crit;
events {{ worker_connections 1024; }}
{body}
""")
        self.daemon([program("nginx", "/usr/sbin/nginx"), "-p", self.path("nginx"), "-c", config],
                    port, cpu, env)
        return port

    def nginx_stream(self, port, cpu=None):
        front = free_port()
        return self.nginx(f"stream {{ server {{ listen 127.0.0.1:{front}; tcp_nodelay on; "
                          f"proxy_pass 127.0.0.1:{port}; }} }}", front, cpu)
