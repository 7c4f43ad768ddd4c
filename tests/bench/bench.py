#!/usr/bin/python3
"""Measures what shearpin costs: bench.py rows|quick|growth|outage|report

BENCH=row,row chooses rows, PAIRS=n and BENCH_SECONDS=s how long. What is measured goes into
build/bench/latest.json, row by row; `report` writes docs/performance.md from it.
"""
import datetime
import json
import os
import platform
import signal
import subprocess
import sys
import time
import traceback

import growth
import outage
import page
import pairs
import report
import stats
import variants
from rows import ROWS
from world import BUILD, CPUS, ROOT, Missing, World, pinned

LATEST = os.path.join(BUILD, "bench", "latest.json")


def load():
    try:
        with open(LATEST, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return {"rows": {}}


def save(kept):
    os.makedirs(os.path.dirname(LATEST), exist_ok=True)
    with open(LATEST + ".new", "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=1)
    os.rename(LATEST + ".new", LATEST)


def said_by(*argv):
    run = subprocess.run(argv, cwd=ROOT, text=True, capture_output=True, check=False)
    return run.stdout.strip()


def machine():
    cpu = said_by("sed", "-n", "s/^model name.*: //p", "/proc/cpuinfo").split("\n")[0]
    return {"cpu": cpu or platform.machine(), "cpus": len(CPUS), "kernel": platform.release(),
            "libc": "-".join(platform.libc_ver()), "system": said_by("sh", "-c",
            '. /etc/os-release; echo "$PRETTY_NAME"')}


def origin():
    """Where and when a figure was made."""
    return {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
            "commit": said_by("git", "rev-parse", "--short", "HEAD"), "machine": machine(),
            "load": os.getloadavg()[0]}


def available(row, world, makers):
    """The variants that can be made here, and the names of those that cannot."""
    made, missing = [], []
    for make in makers:
        try:
            made.append(make(world, row))
        except Missing as what:
            missing.append(f"{make.__name__.replace('_', ' ')} ({what})")
    return made, missing


def measured(row, world, made, count, seconds):
    by_name = {variant.name: variant for variant in made}
    with pinned(CPUS[0]):
        return pairs.run(list(by_name), lambda name: row.client(by_name[name]), count, seconds)


def measure(row, world, others=True):
    """One row: bare, guarded, forwarded; then the alternatives beside bare and guarded."""
    row.setup(world)
    guard = row.guarded(world)
    first, missing = [row.bare(world), guard, variants.forward(world, row)], []
    count = int(os.environ.get("PAIRS", row.pairs))
    row.seconds = seconds = float(os.environ.get("BENCH_SECONDS", row.seconds))
    kept = {"variants": measured(row, world, first, count, seconds)}
    if row.others and others:
        more, missing = available(row, world, row.others)
        seen = measured(row, world, first[:2] + more, min(count, row.few), seconds)
        kept["others"] = {v.name: seen[v.name] for v in [*more, guard]}
    row.check(guard)
    return {**kept, "title": row.title, "limit": row.limit, "missing": missing, **origin(),
            "difference": getattr(row, "difference", False),
            "sidecars": getattr(row, "sidecars", None)}


def chosen():
    wanted = os.environ.get("BENCH")
    if not wanted:
        return ROWS
    names = {row.name: row for row in ROWS}
    unknown = [name for name in wanted.split(",") if name not in names]
    if unknown:
        sys.exit(f"bench: no row {unknown[0]}; there are: {' '.join(names)}")
    return [names[name] for name in wanted.split(",")]


def rows():
    """Every chosen row; one that fails is told and does not stop the others."""
    failed, kept = 0, load()
    print(report.HEAD)
    for row in chosen():
        started = time.monotonic()
        try:
            with World() as world:
                kept["rows"][row.name] = measure(row, world)
        except Missing as what:
            kept["rows"][row.name] = {"title": row.title, "absent": str(what), **origin()}
        except Exception:
            failed += 1
            traceback.print_exc()
            continue
        save(kept)
        print(report.line(row.name, kept["rows"][row.name], time.monotonic() - started), flush=True)
    return failed


def quick_row(row):
    """A word of what could not be measured."""
    row.seconds, row.pairs = min(row.seconds, 1) / 20, 1
    with World() as world:
        kept = measure(row, world)
    return kept, "".join(f", without {name}" for name in kept["missing"])


def quick_growth(axis):
    growth.allow_fds()
    return growth.one_axis(axis, 1, 0.02), ""


def quick_outage(front):
    seconds = 2, 3, 2
    kept = outage.judged(outage.one_run(front, "shearpin", seconds), seconds)
    assert kept["during"] > 0.5 and kept["recovery"] is not None, kept
    return kept, ""


def quick_interval():
    assert stats.interval([1, 2, 3, 4, 5]) is None
    assert stats.interval([7, 1, 2, 3, 6, 5, 4]) == (1, 7)
    assert stats.interval(range(21)) == (5, 15)
    return None, ""


def quick():
    """Says as TAP whether everything can be measured; nobody looks at the figures."""
    tests = [(f"bench {row.name}", quick_row, row) for row in ROWS]
    tests += [(f"growth with {axis.name}", quick_growth, axis) for axis in growth.AXES]
    tests += [(f"outage behind {front}", quick_outage, front) for front in outage.FRONTS]
    tests.append(("an interval by order statistics", lambda _: quick_interval(), None))
    failed = 0
    for name, test, of in tests:
        try:
            print(f"ok - {name}{test(of)[1]}", flush=True)
        except Missing as what:
            print(f"ok - {name} # SKIP needs {what}", flush=True)
        except Exception:
            failed += 1
            print(f"not ok - {name}\n{traceback.format_exc()}", flush=True)
    return failed


def ordered(kept):
    """The rows in the order of the table, whenever they were measured."""
    return {**kept, "rows": {row.name: kept["rows"][row.name] for row in ROWS
                             if row.name in kept["rows"]}}


def section(name, module):
    """Runs a module that keeps its figures one by one."""
    kept = load()

    def keep(part, figures):
        kept.setdefault(name, {})[part] = figures
        save(kept)
    module.run(keep, origin)


def main():
    commands = {"rows": rows, "quick": quick, "growth": lambda: section("growth", growth),
                "outage": lambda: section("outage", outage),
                "report": lambda: page.write(ordered(load()))}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # the world still ends
    sys.exit(1 if commands[sys.argv[1]]() else 0)


main()
