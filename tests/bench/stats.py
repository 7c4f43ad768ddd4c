"""The median of paired ratios and its interval."""
from math import comb
from statistics import median


def interval(values):
    """95 % interval of the median by order statistics: exact for any distribution, a little wide.

    With 7 values it is the smallest and the largest (98.4 %); with fewer than 6 there is none.
    """
    count = len(values)
    below, rank = 0.0, 0
    while (below := below + comb(count, rank) / 2 ** count) <= 0.025:
        rank += 1
    if rank == 0:
        return None
    ordered = sorted(values)
    return ordered[rank - 1], ordered[count - rank]


def summary(values):
    """What the tables show of paired values."""
    bounds = interval(values) or (None, None)
    return {"median": median(values), "low": bounds[0], "high": bounds[1], "pairs": len(values)}
