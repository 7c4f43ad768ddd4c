"""Writes docs/performance.md, docs/growth.svg and docs/outage.svg from what was measured."""
import os

import growth
import outage
import plot
from report import between, time_of, verdict
from world import ROOT

DOCS = os.path.join(ROOT, "docs")
INTRODUCTION = """# What it costs

Every figure here is measured by `make bench`, `make bench-growth` and `make bench-outage`, which keep what they find in
`build/bench/latest.json`; `make bench-report` writes this page from that. Do not edit it.

{machines}

**How.** A pair is one fresh process of each variant. They live at the same time, ask the same server, and work in turn in
batches of 8 ms, A B C A B C, turned round from pair to pair; the pair's ratio is the median over its batches. For real programs a batch is a run of a
fifth of a second to one second. Shown is the median over the pairs with its 95 % interval by order statistics of the paired ratios, which
holds for any distribution. Client and server of the first rows share one CPU, which makes the round trip short and the
overhead large; servers of real programs have a CPU of their own. *Guarded* is: breaker (streak and rate), cap, connect
deadline, histograms; real programs have a response deadline, too. *Forward* is a library that wraps the same names and
jumps to libc: the floor under any preloaded library.

A ratio holds if the lower end of its interval is under the limit; *at the edge* says that the upper end is not.
"""
ALTERNATIVES = """
## Against what else is there

Time of the same work, ratio to bare, each beside bare and shearpin in the same pairs. Proxies share the CPU of client and
server: what is compared is work, not latency hidden by another processor. proxychains4 excepts loopback, trickle has limits that are
never reached, fiu-run fails nothing: what is left is the cost of their wrappers. socket_wrapper replaces TCP by unix sockets,
which are faster; nginx stream and HAProxy have nothing but the forwarding configured.
"""
GROWTH = """
## What grows with what

An exchange and a connect (connect, exchange, close), guarded, against the number of everything that there can be many of.
The destination that matches is the last, its rule is the last, all places of the cap but one are taken. In
parentheses: against the fewest, median of paired ratios. *Flat*: the lower end of the interval of the last is under {flat}.
"""
OUTAGE = """
## An outage

A front service with 16 threads (http.server with a ThreadPoolExecutor, and http.client; the same in C) asks two others, one
connection a call: payments, which hangs for {hang} s (SIGSTOP: the kernel accepts, nobody answers), and an inventory, which
is well. {payments} users of payments and {inventory} of the inventory ask, wait however long it takes, rest {rest} ms and ask
again. HAProxy in front of both and shearpin in the front service have the same limits: {limit} ms for connect and answer,
{places} connections at once, {wait} ms of waiting for one. *With checks*: HAProxy takes payments out after five failures and asks
once a second; shearpin's breaker opens after five and probes after {open} s.

Healthy goodput is that of the inventory from one second after the hang begins to its end, against before it; median of the
runs. Recovery is that of the payments, from the end of the hang; the longest of the runs. Who never stops asking has
nothing to recover from.
"""
BUSY = 2.5                 # a load that the benchmarks alone do not make
RULES = ("Rules are compared one after the other, from the top, until one matches, and what was found is kept for "
         "the next connect to the same address.")
EXPLAINED = {
    "destinations": RULES,
    "rules of a destination": RULES,
    "places of a cap, all but one taken": "A free place is looked for one word after the other, from a start "
    "that differs by process. A cap that is not nearly full has one at once.",
}


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def machines(kept):
    """Where, when and of which commit: one sentence for each combination."""
    seen = {}
    for part in ("rows", "growth", "outage"):
        for figures in kept.get(part, {}).values():
            key = tuple(figures["machine"].values())
            entry = seen.setdefault(key, {"dates": set(), "commits": set(), "load": 0})
            entry["load"] = max(entry["load"], figures["load"])
            entry["dates"].add(figures["date"][:10])
            entry["commits"].add(figures["commit"])
    return "\n".join(
        f"Measured on {cpu}, {cpus} CPUs, Linux {kernel}, {libc}, {system}, on "
        f"{', '.join(sorted(entry['dates']))}, commit {', '.join(sorted(entry['commits']))}."
        + (f" Other work ran on it meanwhile (load {entry['load']:.1f})." if entry["load"] > BUSY else "")
        for (cpu, cpus, kernel, libc, system), entry in seen.items())


def bare_row(name, row):
    if "absent" in row:
        return [f"`{name}`", row["title"], f"missing: {row['absent']}"] + [""] * 5
    what = "difference" if row["difference"] else "ratio"
    number = (lambda ns: "+" + time_of(ns)) if row["difference"] else "{:.3f}".format
    guard, forward = row["variants"]["shearpin"][what], row["variants"]["forward"][what]
    return [f"`{name}`", row["title"], time_of(row["variants"]["bare"]["cost"]["median"]),
            f"**{number(guard['median'])}**", between(guard, number),
            number(row["limit"]) if row["limit"] else "", verdict(row["limit"], guard),
            number(forward["median"])]


def against_bare(rows):
    head = ["row", "work", "bare", "guarded", "95 %", "at most", "", "forward"]
    return "\n## Against bare\n\n" + table(head, [bare_row(n, r) for n, r in rows.items()])


def alternatives(rows):
    """Ratios to bare, and how much more shearpin gets through than what stands between."""
    beside = {name: row for name, row in rows.items() if row.get("others")}
    names = list(dict.fromkeys(v for row in beside.values() for v in row["others"]))
    cells = [[name] + [f"{row['others'][name]['ratio']['median']:.3f}"
                       if name in row["others"] else "" for row in beside.values()]
             for name in names]
    out = ALTERNATIVES + "\n" + table([""] + [f"`{name}`" for name in beside], cells)
    for name, row in beside.items():
        if row["missing"]:
            out += f"\nNot installed for `{name}`: {', '.join(row['missing'])}.\n"
    return out + throughput({n: row for n, row in beside.items() if row["sidecars"]})


def throughput(rows):
    cells = []
    for name, row in rows.items():
        ours = row["others"]["shearpin"]["ratio"]["median"]
        for other in ("haproxy tcp", "haproxy http", "nginx stream"):
            if other in row["others"]:
                times = row["others"][other]["ratio"]["median"] / ours
                cells.append([f"`{name}`", other, f"**{times:.2f}**", f"{row['sidecars']:.2f}",
                              "holds" if times >= row["sidecars"] else "does not hold"])
    return "\nThroughput of shearpin against that through a proxy:\n\n" + table(
        ["row", "proxy", "times as much", "at least", ""], cells)


def grown(kept):
    rows, notes = [], []
    for name, figures in kept.items():
        for kind in ("exchange", "connect"):
            steps = [str(step) for step in figures["steps"]]
            said = growth.verdict(figures[kind][steps[-1]]["ratio"])
            rows.append([f"{name}, {kind}", "; ".join(
                f"{int(s):,}: {time_of(figures[kind][s]['cost']['median'])} "
                f"({figures[kind][s]['ratio']['median']:.3f})" for s in steps), said])
            if said == "grows" and name in EXPLAINED and EXPLAINED[name] not in notes:
                notes.append(EXPLAINED[name])
        if name == growth.Fds.name and figures["steps"][-1] < growth.Fds.steps[-1]:
            notes.append(f"This machine allows a process {figures['steps'][-1] + growth.SPARE:,} fds.")
    return (GROWTH.format(flat=growth.FLAT) + "\n" + table(["against", "cost", ""], rows) + "\n"
            + "\n\n".join(notes) + "\n\n![cost against number](growth.svg)\n")


def growth_plot(kept):
    panels = []
    for kind in ("exchange", "connect"):
        lines = {name.split(",")[0]: [(step, figures[kind][str(step)]["ratio"]["median"])
                                      for step in figures["steps"]]
                 for name, figures in kept.items()}
        top = max(y for points in lines.values() for _, y in points)
        panels.append({"title": f"{kind}, against the fewest", "x": "how many", "log_x": True,
                       "range_x": (1, 100000), "range_y": (0.8, max(1.2, top + 0.05)),
                       "lines": lines})
    return plot.svg(panels)


def outages(kept):
    rows = []
    for front, figures in kept.items():
        for variant, seen in figures["variants"].items():
            back = "never" if seen["recovery"] is None else f"{seen['recovery']:.1f} s"
            holds = ""
            if variant == "shearpin":
                good = seen["during"] >= 0.95 and seen["recovery"] is not None and \
                    seen["recovery"] <= outage.OPEN + 1
                holds = "holds (95 %, 2 s)" if good else "does not hold (95 %, 2 s)"
            rows.append([front, variant, f"{seen['usual']:.0f}/s", f"**{seen['during']:.1%}**",
                         f"{seen['worst']:.1%}", back, seen["runs"], holds])
    text = OUTAGE.format(hang=outage.HANG, rest=outage.REST, limit=outage.LIMIT_MS,
                         places=outage.PLACES, wait=outage.WAIT_MS, open=outage.OPEN, **outage.USERS)
    return text + "\n" + table(["front", "", "before", "healthy goodput", "worst second", "recovery",
                                "runs", ""], rows) + "\n![an outage](outage.svg)\n"


def outage_plot(kept):
    panels = []
    for front, figures in kept.items():
        before, hang, after = figures["seconds"]
        lines = {variant: [(at / 10 + 0.25, outage.rate(bins, at / 10, at / 10 + 0.5))
                           for at in range(0, len(bins) - 4, 5)]
                 for variant, bins in figures["bins"].items()}
        top = max(y for points in lines.values() for _, y in points)
        panels.append({"title": f"healthy calls a second, front in {front}", "x": "seconds",
                       "range_x": (0, before + hang + after), "range_y": (0, top * 1.1),
                       "lines": lines, "marked": [(before, before + hang)]})
    return plot.svg(panels)


def keep(name, text):
    with open(os.path.join(DOCS, name), "w", encoding="utf-8") as file:
        file.write(text)
    print(f"docs/{name}")


def write(kept):
    parts = [INTRODUCTION.format(machines=machines(kept)), against_bare(kept["rows"]),
             alternatives(kept["rows"])]
    if "growth" in kept:
        parts.append(grown(kept["growth"]))
        keep("growth.svg", growth_plot(kept["growth"]))
    if "outage" in kept:
        parts.append(outages(kept["outage"]))
        keep("outage.svg", outage_plot(kept["outage"]))
    keep("performance.md", "".join(parts))
