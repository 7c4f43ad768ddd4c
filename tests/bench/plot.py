"""Line plots as SVG, side by side, from the standard library alone."""
from math import log10

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 420, 300, 55, 34, 46
COLOURS = ["#1b6ca8", "#c8553d", "#5b8c5a", "#8d5a97", "#d9a21b", "#555555"]


def scale(low, high, pixels_low, pixels_high, logarithmic=False):
    if logarithmic:
        low, high = log10(low), log10(high)
    width = (high - low) or 1

    def place(value):
        value = log10(value) if logarithmic else value
        return pixels_low + (value - low) / width * (pixels_high - pixels_low)
    return place


def ticks(low, high, logarithmic):
    """Round numbers from low to high."""
    if logarithmic:
        return [10 ** e for e in range(7) if low <= 10 ** e <= high]
    step = 10 ** int(log10(high - low) // 1)
    step = next(step * f for f in (0.1, 0.2, 0.5, 1, 2, 5) if (high - low) / (step * f) <= 7)
    return [step * n for n in range(round(low / step), int(high / step + 1e-9) + 1)]


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{words}</text>'


def axes(panel, x, y, left):
    """The grid, its numbers and the titles of a panel."""
    bottom, right = HEIGHT - BOTTOM, left + WIDTH - LEFT - 15
    out = [text((left + right) / 2, TOP - 14, panel["title"], more='font-weight="bold"'),
           text((left + right) / 2, HEIGHT - 10, panel["x"])]
    for value in ticks(*panel["range_x"], panel.get("log_x")):
        out.append(text(x(value), bottom + 16, f"{value:,.6g}"))
    for value in ticks(*panel["range_y"], False):
        out.append(f'<path class="grid" d="M{left} {y(value):.1f}H{right}"/>')
        out.append(text(left - 6, y(value) + 4, f"{value:,.6g}", "end"))
    for low, high in panel.get("marked", []):
        out.append(f'<rect x="{x(low):.1f}" y="{TOP}" width="{x(high) - x(low):.1f}" '
                   f'height="{bottom - TOP}" class="marked"/>')
    return out


def draw(panel, left):
    bottom, right = HEIGHT - BOTTOM, left + WIDTH - LEFT - 15
    x = scale(*panel["range_x"], left, right, panel.get("log_x"))
    y = scale(*panel["range_y"], bottom, TOP)
    out = axes(panel, x, y, left)
    for number, (name, points) in enumerate(panel["lines"].items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in points)
        out.append(f'<polyline points="{path}" stroke="{colour}"/>')
        if len(points) < 20:
            out += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="2.5" fill="{colour}"/>'
                    for a, b in points]
    return out


def legend(names, top):
    out = []
    for number, name in enumerate(names):
        x = LEFT + number * 160
        out.append(f'<path d="M{x} {top}h18" stroke="{COLOURS[number % len(COLOURS)]}"/>')
        out.append(text(x + 24, top + 4, name, "start"))
    return out


def svg(panels):
    """Each panel: title, x, range_x, range_y, lines {name: [(x, y)]}, log_x, marked [(from, to)]."""
    width, height = WIDTH * len(panels) + 20, HEIGHT + 24
    body = [line for number, panel in enumerate(panels)
            for line in draw(panel, LEFT + number * WIDTH)]
    body += legend(panels[0]["lines"], HEIGHT + 8)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}">',
        "<style>text{font:11px sans-serif;fill:#333}polyline,path{fill:none;stroke-width:1.6}"
        ".grid{stroke:#ddd;stroke-width:1}.marked{fill:#c8553d;opacity:.1}</style>",
        '<rect width="100%" height="100%" fill="#fff"/>', *body, "</svg>\n"])
