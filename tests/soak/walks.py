#!/usr/bin/env python3
"""Random walks over socket and fd calls (tests/shim/walk.h), bare and guarded, under policies that
interfere with nothing: results, errnos, bytes and signals must be the same.

    WALK_SECONDS=3600 WALK_SEED=1 tests/soak/walks.py     (make walks) a walk a CPU at a time
    tests/soak/walks.py due connect                       under these policies only
    tests/soak/walks.py due wide 4711                     one walk, with the lines that differ

Signals come by the clock, so a walk is made again before a difference is believed: of twenty guarded
ones most must part from twenty bare ones, at a line where these go on alike. Prints TAP.
"""
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(ROOT, "build")))
SECONDS = float(os.environ.get("WALK_SECONDS", "3600"))
SEED = int(os.environ.get("WALK_SEED", str(int(time.time()))))
JOBS = int(os.environ.get("WALK_JOBS", str(os.cpu_count())))
ROUNDS = 20
HUNG = 60  # seconds; a walk takes one or two, on a busy machine ten

CALM = "breaker streak 1000"
POLICIES = {  # guards, and what SHEARPIN_SET says
    "plain": (CALM, ""),
    "due": (CALM + "\n deadline connect 5s response 30s send 20s idle 25s", ""),
    "connect": (CALM + "\n deadline connect 100ms", ""),  # less than a fresh peer takes to read
    "connect-due": (CALM + "\n deadline connect 100ms response 30s", ""),
    "alarm": ("exchange none\n deadline connect 5s response 40ms send 5s idle 40ms", ""),
    "all": (CALM + " scope endpoint\n cap inflight 900\n cap connecting 900\n limit 1000000/s\n"
            " retry 1 on unreachable\n deadline connect 5s response 30s send 20s total 60s", ""),
    "retry": (CALM + "\n retry 3 backoff 1ms on timeout\n deadline connect 20s", ""),
    "share": ("mode enforce 50%\n " + CALM + "\n deadline connect 5s response 30s idle 30s", ""),
    "observe": ("mode observe\n breaker streak 1\n"
                " deadline connect 1ms response 1ms send 1ms idle 1ms", ""),
    "never": (CALM + "\n deadline response 30s",
              "d.inject=latency 1ms share 0%;d.inject=slice 3B share 0%;d.inject=hang share 0%"),
}
WALKS = {"wide": ("walk", "120", "wide"), "fresh": ("walk", "8", "fresh"),
         "threads": ("walk_threads", "120", None), "narrow": ("walk", "120", None)}
TURNS = {"connect": ("fresh", "wide"), "connect-due": ("fresh", "wide")}
# No walk has a TLS session, and this libc may lack what is newest.
UNWALKED = {"pidfd_spawn", "pidfd_spawnp",
            "SSL_read", "SSL_read_ex", "SSL_do_handshake", "gnutls_record_recv", "gnutls_handshake"}

work = tempfile.mkdtemp(prefix="shearpin-walks.")
failed = 0


def verdict(name, good, why=""):
    global failed
    failed += not good
    print(f"{'ok' if good else 'not ok'} - {name}" + (f": {why}" if why else ""), flush=True)


class World:
    """A policy, the segment that its walks share, and what they found."""

    def __init__(self, name):
        self.name, self.seeds, self.raced, self.differences = name, 0, 0, 0
        self.lock = threading.Lock()
        self.place = os.path.join(work, name)
        os.makedirs(self.place + "/sockets", 0o700)
        guards, sets = POLICIES[name]
        with open(self.place + "/policy.conf", "w", encoding="utf-8") as out:
            out.write("segment walks\n" + ("defaults\n journal 64KiB\n" if name == "all" else "") +
                      f"destination d\n match 127.0.0.1 unix:{self.place}/sockets/*\n"
                      f" cap 1000\n {guards}\n")
        self.env = {"PATH": "/usr/bin:/bin", "LANG": "C", "SHEARPIN_DIR": self.place,
                    "SHEARPIN_POLICY": self.place + "/policy.conf",
                    "SHEARPIN_LOG": self.place + "/log"}
        if sets:
            self.env["SHEARPIN_SET"] = sets

    def connects(self):
        said = subprocess.run([BUILD + "/shearpin", "status", "-s", "walks", "--json"],
                              env=self.env, capture_output=True, text=True, check=False)
        listed = json.loads(said.stdout or '{"destinations": []}')["destinations"]
        return sum(sum(d["connects"].values()) for d in listed)

    def logged(self):
        if not os.path.exists(self.env["SHEARPIN_LOG"]):
            return ""
        with open(self.env["SHEARPIN_LOG"], encoding="utf-8") as log:
            return log.readline().strip()

    def start(self, walk, seed, bare):
        """The trace is in a file of its own, for several walks are made at once."""
        victim, steps, width = WALKS[walk]
        trace = f"{self.place}/{walk}-{seed}-{'bare' if bare else 'guarded'}"
        env = dict(self.env)
        if not bare:
            env["LD_PRELOAD"] = ":".join(filter(None, [
                BUILD + "/libshearpin.so", os.environ.get("PRELOAD_AFTER")]))
            env["PLANTED"] = os.environ.get("PLANTED", "")
        command = [BUILD + "/tests/shim", "--victim", victim, str(seed), steps,
                   self.place + "/sockets", trace] + ([width] if width else [])
        return trace, subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, walk, seed):
        """The traces of a bare and a guarded walk, made at the same time."""
        both = [self.start(walk, seed, bare) for bare in (True, False)]
        began = time.monotonic()
        bare = ended(*both[0], HUNG)
        return bare, ended(*both[1], 5 + 5 * (time.monotonic() - began))

    def judge(self, walk, seed):
        """None: alike. "raced": as bare walks part. Else the line, and what stands there."""
        pairs = []
        for _ in range(3):
            pairs.append(self.run(walk, seed))
            if pairs[-1][0] == pairs[-1][1]:
                return None
        while len(pairs) < ROUNDS:
            pairs.append(self.run(walk, seed))
        bares = [bare for bare, _ in pairs]
        found = [part for part in (parted(guarded, bares) for _, guarded in pairs) if part]
        return found[0] if len(found) > ROUNDS / 2 else "raced"

    def walk(self, turn, seed):
        turns = TURNS.get(self.name, ("wide", "fresh", "threads", "wide", "narrow"))
        walk = turns[turn % len(turns)]
        found = self.judge(walk, seed)
        with self.lock:
            self.seeds += 1
            self.raced += found == "raced"
            self.differences += found not in (None, "raced")
        if found not in (None, "raced"):
            print(told(self.name, walk, seed, found), flush=True)

    def conclude(self):
        good = self.seeds > 0 and self.differences == 0 and self.connects() > 0
        said = self.logged()
        verdict(f"{self.name}: bare and guarded walks are alike", good and not said,
                f"{self.seeds} seeds, {self.differences} differences, {self.raced} that bare walks"
                f" show as well; {self.connects()} connects guarded" + (f"; logged: {said}" if said else ""))


def parted(guarded, bares):
    """Where it parts from all bare walks that came so far, if these go on alike."""
    at = max(common(bare, guarded) for bare in bares)
    lines = {line(bare, at) for bare in bares if common(bare, guarded) == at}
    return None if guarded in bares or len(lines) > 1 else (at + 1, lines.pop(), line(guarded, at))


def ended(trace, process, seconds):
    try:
        out, errors = process.communicate(timeout=seconds)
        wrong = "" if process.returncode == 0 and b"walked" in out else \
            f"ended with {process.returncode}: {errors[-200:]!r}\n"
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        wrong = "hung\n"
    try:
        with open(trace, errors="replace", encoding="utf-8") as lines:
            made = lines.readlines()
    except FileNotFoundError:
        made = []
    return made + [wrong] if wrong else made


def common(one, other):
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other)))


def line(trace, at):
    return trace[at].strip() if at < len(trace) else "(the end)"


def told(policy, walk, seed, found):
    return (f"# {policy} {walk} {seed}: line {found[0]}\n#   bare:    {found[1]}\n"
            f"#   guarded: {found[2]}\n#   again:   BUILD={BUILD} tests/soak/walks.py {policy} {walk} {seed}")


def walk_all(names):
    worlds = [World(name) for name in names]
    print(f"# WALK_SEED={SEED} WALK_SECONDS={SECONDS:g}", flush=True)
    end, turns = time.monotonic() + SECONDS, itertools.count()

    def walker():
        while time.monotonic() < end:
            n = next(turns)  # each round gives every policy a seed
            worlds[n % len(worlds)].walk(n // len(worlds), SEED + n)

    walkers = [threading.Thread(target=walker) for _ in range(JOBS)]
    for one in walkers:
        one.start()
    for one in walkers:
        one.join()
    for world in worlds:
        world.conclude()


def covered():
    """What the objects of the walks call, against the list of what is wrapped."""
    folder = BUILD + "/obj/tests/shim/"
    walks = [folder + name for name in os.listdir(folder) if name.startswith("walk") and name.endswith(".o")]
    called = subprocess.run(["nm", "-u", *walks], capture_output=True, text=True, check=True).stdout
    with open(BUILD + "/symbols.txt", encoding="ascii") as symbols:
        wrapped = set(symbols.read().split())
    left = wrapped - {word.split("@")[0] for word in called.split()} - UNWALKED
    verdict("walks make every call that is wrapped", not left,
            " ".join(sorted(left)) or f"{len(wrapped - UNWALKED)}, TLS apart")


def again(policy, walk, seed):
    world = World(policy)
    found = world.judge(walk, seed)
    if found in (None, "raced"):
        verdict(f"{policy} {walk} {seed}", True, found or "alike")
        return
    print(told(policy, walk, seed, found) + f"\n#   traces:  {world.place}/{walk}-{seed}-*")
    verdict(f"{policy} {walk} {seed}", False)


def main(words):
    one = len(words) == 3 and words[0] in POLICIES and words[1] in WALKS and words[2].isdigit()
    if not one and not set(words) <= set(POLICIES):
        print(f"walks.py: policies are {' '.join(POLICIES)}; walks, before a seed, {' '.join(WALKS)}",
              file=sys.stderr)
        return 2
    if one:
        again(words[0], words[1], int(words[2]))
    else:
        covered()
        walk_all(words or list(POLICIES))
    if not (one and failed):
        shutil.rmtree(work)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
