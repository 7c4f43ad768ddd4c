"""What an exchange and a connect cost against the number of everything there can be many of."""
import os
import resource

import pairs
import variants
from pairs import Worker, work
from rows import HERE
from world import CPUS, GUARDED, World, pinned

SPARE = 200                               # fds that are left over for the work itself
PAIRS, SECONDS, FLAT = 7, 0.2, 1.02


def before(destinations):
    """So many destinations before the one that matches, by address and by name in turn."""
    return "\n".join(
        f"destination d{i}\n    match " + (f"10.{i // 250}.{i % 250}.0/24:80" if i % 2 else
                                           f"d{i}.example.com:443") + "\n    breaker streak 5"
        for i in range(destinations))


class Axis:
    """One thing of which there are more and more: a policy, and what stands around the worker."""

    name, steps = None, []

    def setup(self, world):
        self.world = world
        self.port, self.parked = world.server(HERE), world.server(HERE, threads=0)

    def lines(self, _count):
        return GUARDED

    def before(self, _count):
        return ""

    def others(self, _count):
        """What a match says before what matches."""
        return ""

    def options(self, _count):
        return []

    def around(self, count, variant):
        """Called once before measuring."""

    def variant(self, world, count):
        self.match = f"{self.others(count)}127.0.0.0/8:{self.port} 127.0.0.0/8:{self.parked}"
        made = variants.guarded(world, self, self.lines(count), self.before(count), str(count))
        self.around(count, made)
        return made


class Destinations(Axis):
    name, steps = "destinations", [1, 10, 100, 1000]

    def before(self, count):
        return before(count - 1)


class Rules(Axis):
    name, steps = "rules of a destination", [1, 10, 100, 1000]

    def others(self, count):
        return "".join(f"10.{i // 250}.{i % 250}.0/24:80\n    match " for i in range(count - 1))


class Fds(Axis):
    name, steps = "open fds", [10, 100, 1000, 10000, 100000]

    def setup(self, world):
        super().setup(world)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        most = self.steps[-1] if hard == resource.RLIM_INFINITY else hard - SPARE
        self.steps = [n for n in self.steps if n < most] + [min(most, self.steps[-1])]

    def options(self, count):
        return [f"fds={count}"]


class Processes(Axis):
    name, steps = "processes of the segment", [1, 16, 64, 256]

    def around(self, count, variant):
        for _ in range(count - 1):
            Worker(self.world, [work("work"), "exchange", str(self.port)], variant, HERE)


class Caps(Axis):
    """All places but one are taken, by the worker itself."""

    name, steps = "places of a cap, all but one taken", [1, 16, 256, 4096]

    def lines(self, count):
        return GUARDED[:2] + [f"cap connections {count}  inflight {count}"]

    def options(self, count):
        return [f"held={count - 1}:{self.parked}"] if count > 1 else []


AXES = [Destinations, Rules, Fds, Processes, Caps]


def measure(axis, kind, world, count, seconds):
    made = {str(step): axis.variant(world, step) for step in axis.steps}
    made["bare"] = variants.bare(world, axis)

    def client(name):
        options = axis.options(int(name)) if name != "bare" else []
        spread = ["spread=16"] if kind == "connect" else []
        argv = [work("work"), kind, str(axis.port), *spread, *options]
        return Worker(world, argv, made[name], HERE)

    with pinned(CPUS[0]):
        seen = pairs.run(list(made), client, count, seconds, base=str(axis.steps[0]))
    for variant in made.values():
        if variant.segment:
            world.check_guarded(variant.segment)
    return seen


def allow_fds():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def one_axis(make, count, seconds):
    """The figures of one axis, for exchanges and for connects."""
    figures = {}
    for kind in ("exchange", "connect"):
        with World() as world:
            axis = make()
            axis.setup(world)
            figures[kind] = measure(axis, kind, world, count, seconds)
            figures["steps"] = axis.steps
    return figures


def run(keep, origin):
    """Measures every axis; keep(name, figures) is called as each is done."""
    allow_fds()
    count = int(os.environ.get("PAIRS", PAIRS))
    seconds = float(os.environ.get("BENCH_SECONDS", SECONDS))
    for make in AXES:
        figures = {**one_axis(make, count, seconds), **origin()}
        for kind in ("exchange", "connect"):
            print(line(make.name, kind, figures), flush=True)
        keep(make.name, figures)


def verdict(seen):
    """The most against the fewest: flat if the interval is not above two per cent."""
    if seen["low"] is None:
        return "too few pairs"
    return "flat" if seen["low"] <= FLAT else "grows"


def line(name, kind, figures):
    seen = figures[kind]
    costs = "  ".join(f"{step:,}: {seen[str(step)]['cost']['median'] / 1000:.2f} us "
                      f"({seen[str(step)]['ratio']['median']:.3f})" for step in figures["steps"])
    last = seen[str(figures["steps"][-1])]["ratio"]
    return f"{name}, {kind}: {costs}  {verdict(last)}"
