# SPDX-License-Identifier: Apache-2.0
"""Line charts as SVG: two axes, some lines, a legend."""
import html
import math

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 88, 24, 56, 64
COLOURS = ("#1f6f8b", "#c8553d", "#588157", "#8e6c8a", "#b08900", "#444444")


def steps(low, high, wanted=6):
    """Round values from low to high."""
    span = (high - low) or 1
    raw = span / wanted
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw)
    first = math.ceil(low / step - 1e-9)
    return [step * n for n in range(first, int(math.floor(high / step + 1e-9)) + 1)]


def decades(low, high):
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [factor * 10.0 ** n for n in range(first, last + 1) for factor in (1, 2, 5) if low <= factor * 10.0 ** n <= high]


def number(value):
    if value and abs(value) < 1:
        return f"{value:.3g}"
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= limit:
            return f"{value / {'G': 1e9, 'M': 1e6, 'k': 1e3}[suffix]:.4g}{suffix}"
    return f"{value:.6g}"


class Axis:
    def __init__(self, values, start, end, logarithmic=False, from_zero=True):
        self.log = logarithmic
        low, high = min(values), max(values)
        if logarithmic:
            low, high = max(low, 1e-9) / 1.3, high * 1.3
        elif from_zero:
            low, high = min(0.0, low), high * 1.05 or 1.0
        if high <= low:
            high = low + 1
        self.low, self.high, self.start, self.end = low, high, start, end
        self.ticks = decades(low, high) if logarithmic else steps(low, high)

    def at(self, value):
        if self.log:
            share = math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def grid(x, y, x_title, y_title, title, note):
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
             f'<text x="{LEFT}" y="24" font-size="17" font-weight="bold">{html.escape(title)}</text>',
             f'<text x="{LEFT}" y="43" font-size="11" fill="#555555">{html.escape(note)}</text>']
    for tick in x.ticks:
        at = x.at(tick)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{HEIGHT - BOTTOM}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{number(tick)}</text>')
    for tick in y.ticks:
        at = y.at(tick)
        parts.append(f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    parts.append(f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}" fill="none" '
                 'stroke="#777777"/>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 16}" text-anchor="middle" font-size="13">'
                 f'{html.escape(x_title)}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<text x="20" y="{middle}" text-anchor="middle" font-size="13" transform="rotate(-90 20 {middle})">'
                 f'{html.escape(y_title)}</text>')
    return parts


def chart(path, title, x_title, y_title, lines, note="", log_y=False):
    """lines: {name: [(x, y), ...]}; a name that begins with "-" is dashed and has no points."""
    lines = {name: sorted(points) for name, points in lines.items() if points}
    if not lines:
        return False
    x = Axis([p[0] for points in lines.values() for p in points], LEFT, WIDTH - RIGHT)
    y = Axis([p[1] for points in lines.values() for p in points], HEIGHT - BOTTOM, TOP, logarithmic=log_y)
    parts = grid(x, y, x_title, y_title, title, note)
    for i, (name, points) in enumerate(lines.items()):
        colour, dashed = COLOURS[i % len(COLOURS)], name.startswith("-")
        path_points = " ".join(f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in points)
        parts.append(f'<polyline points="{path_points}" fill="none" stroke="{colour}" stroke-width="2"'
                     + (' stroke-dasharray="6 5"' if dashed else "") + "/>")
        if not dashed:
            parts += [f'<circle cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="3.5" fill="{colour}"><title>{number(a)}: {number(b)}'
                      "</title></circle>" for a, b in points]
        at = TOP + 18 + 18 * i
        parts.append(f'<line x1="{LEFT + 14}" y1="{at - 4}" x2="{LEFT + 40}" y2="{at - 4}" stroke="{colour}" stroke-width="2"'
                     + (' stroke-dasharray="6 5"' if dashed else "") + "/>")
        parts.append(f'<text x="{LEFT + 46}" y="{at}">{html.escape(name.lstrip("-"))}</text>')
    with open(path, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
                   'font-family="sans-serif" font-size="12" fill="#222222">\n' + "\n".join(parts) + "\n</svg>\n")
    return True
