"""Runs variants of one workload against each other.

A pair is one fresh process of every variant. They live at the same time and are asked in turn for
short batches, A B C A B C, so that what slows the machine slows all of them; the next pair goes
C B A C B A. Within a pair it never turns round: who is asked twice in a row finds the caches as it
left them, which made a python 4 % faster than the same python in the middle. The pair's ratio is
the median over its batches; the result is the median over the pairs.
"""
import os
import re
import subprocess
from statistics import median

import stats
from world import TESTS, pinned

BATCH = 8e6  # nanoseconds of the bare variant


class Worker:
    """A program that does as much work as it is told and prints how long it took (work.c)."""

    def __init__(self, world, argv, variant, cpu, env=None):
        self.world, self.count = world, 1
        self.process = world.start([*variant.prefix, *argv], cpu,
                                   {**(variant.env if env is None else env)},
                                   stdin=subprocess.PIPE, stderr=None)

    def ask(self):
        self.process.stdin.write(f"{self.count}\n")
        self.process.stdin.flush()

    def answer(self):
        said = self.process.stdout.readline()
        if not said:
            raise RuntimeError(f"{self.process.args} ended early")
        return int(said) / self.count

    def batch(self):
        self.ask()
        return self.answer()

    def calibrate(self):
        """How many make a batch; the first ones are warm-up."""
        self.count = 100
        while (each := self.batch()) * self.count < BATCH / 4 and self.count < 10 ** 6:
            self.count *= 2
        return max(1, int(BATCH / each))

    def end(self):
        self.world.end(self.process)


class Both:
    """Workers on several processors, asked at the same moment."""

    def __init__(self, workers):
        self.workers = workers

    def batch(self):
        for worker in self.workers:
            worker.ask()
        return sum([worker.answer() for worker in self.workers]) / len(self.workers)

    def calibrate(self):
        return self.workers[0].calibrate()

    @property
    def count(self):
        return self.workers[0].count

    @count.setter
    def count(self, count):
        for worker in self.workers:
            worker.count = count

    def end(self):
        for worker in self.workers:
            worker.end()


class Program:
    """A benchmark program that says operations per second; a batch is one run of it."""

    def __init__(self, world, variant, cpu, argv, pattern, end=None):
        self.world, self.cpu, self.pattern = world, cpu, pattern
        self.argv, self.env = [*variant.prefix, *argv], variant.env
        self.end = end or (lambda: None)

    def batch(self):
        with pinned(self.cpu):
            run = subprocess.run(self.argv, env={**self.world.env, **self.env}, check=False,
                                 text=True, stdin=subprocess.DEVNULL, capture_output=True)
        found = re.search(self.pattern, run.stdout)
        if run.returncode != 0 or not found:
            raise RuntimeError(f"{self.argv}: {run.stdout}{run.stderr}")
        return 1e9 / float(found[1])


def work(name):
    return os.path.join(TESTS, name)


def one_pair(clients, order, batches):
    samples = {name: [] for name in clients}
    for _ in range(batches):
        for name in order:
            samples[name].append(clients[name].batch())
    return samples


def run(names, client_of, pairs, seconds, base="bare"):
    """client_of(name) starts one; returns per name the costs (ns), ratios and differences to base."""
    kept = {name: {"cost": [], "ratio": [], "difference": []} for name in names}
    count = None
    for pair in range(pairs):
        order = names if pair % 2 == 0 else names[::-1]
        clients = {name: client_of(name) for name in order}
        batches = 1
        if hasattr(clients[base], "calibrate"):
            count = count or clients[base].calibrate()
            for client in clients.values():
                client.count = count
                client.batch()
            batches = max(2, round(seconds * 1e9 / BATCH / 2) * 2)
        samples = one_pair(clients, order, batches)
        for client in clients.values():
            client.end()
        for name in names:
            both = list(zip(samples[name], samples[base]))
            kept[name]["cost"].append(median(samples[name]))
            kept[name]["ratio"].append(median(mine / theirs for mine, theirs in both))
            kept[name]["difference"].append(median(mine - theirs for mine, theirs in both))
    return {name: {what: stats.summary(values) for what, values in each.items()}
            for name, each in kept.items()}
