"""Lines and tables from what was measured."""

HEAD = f"{'row':15s} {'bare':>10s} {'shearpin':>9s} {'95 %':>17s} {'limit':>7s} {'forward':>8s}"


def verdict(limit, seen):
    """A ratio holds if the lower end of its interval is under the limit."""
    if limit is None:
        return ""
    if seen["low"] is None:
        return "too few pairs"
    if seen["high"] <= limit:
        return "holds"
    return "holds, at the edge" if seen["low"] <= limit else "does not hold"


def time_of(ns):
    if ns < 1000:
        return f"{ns:.1f} ns"
    return f"{ns / 1000:.2f} us" if ns < 1e6 else f"{ns / 1e6:.2f} ms"


def between(seen, number):
    return "-" if seen["low"] is None else f"{number(seen['low'])} - {number(seen['high'])}"


def line(name, row, seconds):
    """What the terminal shows of a row."""
    if "absent" in row:
        return f"{name:15s} missing: {row['absent']}"
    what = "difference" if row["difference"] else "ratio"
    number = time_of if row["difference"] else "{:.4f}".format
    guard, forward = (row["variants"][v][what] for v in ("shearpin", "forward"))
    text = (f"{name:15s} {time_of(row['variants']['bare']['cost']['median']):>10s} "
            f"{number(guard['median']):>9s} {between(guard, number):>17s} "
            f"{number(row['limit']) if row['limit'] else '-':>7s} {number(forward['median']):>8s}  "
            f"{verdict(row['limit'], guard)} ({seconds:.0f} s)")
    for other, seen in row.get("others", {}).items():
        text += f"\n    {other:15s} {seen[what]['median']:.3f}"
    for other in row["missing"]:
        text += f"\n    {other}: missing"
    return text
