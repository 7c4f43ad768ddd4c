"""A payment service hangs for a while: what becomes of the calls to an inventory that is well.

A front service of 16 threads asks both. Users ask the front in a closed loop, 48 for payments and
16 for the inventory. The hang is SIGSTOP: the kernel still accepts, nobody answers.
"""
import os
import signal
import time
from statistics import median

import variants
from world import ROOT, TESTS, World

BEFORE, HANG, AFTER = 3, 10, 5               # seconds
REST, USERS = 100, {"payments": 48, "inventory": 16}
OPEN = 1                                     # seconds, of the breaker
LIMIT_MS, PLACES, WAIT_MS = 250, 8, 100
RUNS = 3
GUARDS = [f"deadline connect {LIMIT_MS}ms  response {LIMIT_MS}ms",
          f"breaker streak 5  open {OPEN}s  probe 1  close 1", f"cap {PLACES}  wait {WAIT_MS}ms"]
FRONTS = {"python": ["/usr/bin/python3", os.path.join(ROOT, "tests/bench/front.py")],
          "C": [os.path.join(TESTS, "front")]}


def direct(_world, ports):
    return ports, {}


def haproxy(world, ports, check="", more=""):
    """The same limits, in front of each service."""
    times = (f"timeout connect {LIMIT_MS}ms\n    timeout server {LIMIT_MS}ms\n    "
             f"timeout queue {WAIT_MS}ms\n    retries 0\n    {more}")
    return {name: world.haproxy("http", port, server=f"maxconn {PLACES} {check}", more=times)
            for name, port in ports.items()}, {}


def haproxy_checks(world, ports):
    """And a server that fails five times is taken out until a check, once a second, succeeds."""
    return haproxy(world, ports, f"check inter {OPEN}s fall 1 rise 1 observe layer7 error-limit 5 "
                   "on-error mark-down", f"option httpchk GET /\n    timeout check {LIMIT_MS}ms")


def shearpin(world, ports):
    first, second = ports.items()
    other = "\n    ".join([f"destination {first[0]}", f"match 127.0.0.1:{first[1]}", *GUARDS])
    site = type("Site", (), {"match": f"127.0.0.1:{second[1]}"})
    return ports, variants.guarded(world, site, GUARDS, other).env


VARIANTS = {"bare": direct, "haproxy": haproxy, "haproxy with checks": haproxy_checks,
            "shearpin": shearpin}


def services(world):
    """The ports by name, and the process that will hang."""
    ports, processes = {}, {}
    for name in USERS:
        ports[name] = world.server(None, threads=64)
        processes[name] = world.processes[-1]
    return ports, processes["payments"]


def one_run(front, variant, seconds):
    """Answers in each tenth of a second: {"payments good": [...], ...}."""
    before, hang, after = seconds
    with World() as world:
        ports, victim = services(world)
        ports, env = VARIANTS[variant](world, ports)
        server = world.start([*FRONTS[front], *(f"{n}={p}" for n, p in ports.items())], env=env)
        load = world.start([os.path.join(TESTS, "load"), server.stdout.readline().strip(),
                            str(round(before + hang + after)), str(REST),
                            *(f"{n}={u}" for n, u in USERS.items())])
        load.stdout.readline()
        time.sleep(before)
        victim.send_signal(signal.SIGSTOP)
        time.sleep(hang)
        victim.send_signal(signal.SIGCONT)
        lines = load.communicate(timeout=60)[0].splitlines()
    return {" ".join(line.split()[:2]): [int(n) for n in line.split()[2:]] for line in lines}


def rate(bins, start, end):
    """Answers a second between two times in seconds."""
    return sum(bins[int(start * 10):int(end * 10)]) / (end - start)


def recovery(bins, usual, start):
    """Seconds from the end of the hang until half a second is as good as before it."""
    for tenth in range(len(bins) - int(start * 10) - 5):
        at = start + tenth / 10
        if rate(bins, at, at + 0.5) >= 0.95 * usual:
            return tenth / 10
    return None


def judged(run, seconds):
    """Of one run: goodput of the healthy calls from a second after the hang began, and recovery."""
    before, hang, _ = seconds
    well, ill = run["inventory good"], run["payments good"]
    usual = rate(well, 1, before)
    worst = min(rate(well, before + 1 + s, before + 2 + s) for s in range(int(hang) - 1))
    return {"usual": usual, "during": rate(well, before + 1, before + hang) / usual,
            "worst": worst / usual,
            "recovery": recovery(ill, rate(ill, 1, before), before + hang)}


def summary(each):
    """Of all runs: the median, but the longest recovery."""
    back = [one["recovery"] for one in each]
    return {**{what: median(one[what] for one in each) for what in ("usual", "during", "worst")},
            "recovery": None if None in back else max(back), "runs": len(each)}


def run(keep, origin):
    """Every variant behind both fronts, in turn. A breaker's probes come once in OPEN seconds, so
    the hangs are of different length."""
    for front in FRONTS:
        runs = {variant: [] for variant in VARIANTS}
        figures = {"seconds": [BEFORE, HANG, AFTER], "bins": {}, "variants": {}, **origin()}
        for number in range(int(os.environ.get("PAIRS", RUNS))):
            seconds = BEFORE, HANG + 0.3 * number, AFTER
            for variant, kept in runs.items():
                bins = one_run(front, variant, seconds)
                figures["bins"].setdefault(variant, bins["inventory good"])
                kept.append(judged(bins, seconds))
        for variant, kept in runs.items():
            figures["variants"][variant] = summary(kept)
            print(f"{front} {variant}: {line(figures['variants'][variant])}", flush=True)
        keep(front, figures)


def line(seen):
    back = "never" if seen["recovery"] is None else f"{seen['recovery']:.1f} s"
    return (f"{seen['usual']:.0f}/s healthy calls; while the other hangs {seen['during']:.1%}, in "
            f"the worst second {seen['worst']:.1%}; recovered after {back}")
