"""A plot of times against sizes, both logarithmic, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 860, 520
LEFT, RIGHT, TOP, BOTTOM = 70, 200, 20, 50
COLORS = (
    *("#1b6ca8", "#c2410c", "#15803d", "#7e22ce", "#b91c1c", "#0f766e"),
    *("#a16207", "#4338ca", "#be185d", "#52525b", "#0369a1"),
)


def growth(lines: Mapping[str, Sequence[tuple[float, float]]], *, across: str, up: str) -> str:
    """An SVG document with a line for each name, and a dashed one that grows as n · log n.

    Points are (size, seconds), all above 0; the dashed line begins at the geometric mean of the lines' first points.
    """
    sizes = sorted({size for points in lines.values() for size, _ in points})
    times = [seconds for points in lines.values() for _, seconds in points]
    first = math.exp(sum(math.log(points[0][1]) for points in lines.values()) / len(lines))
    guide = [(size, first * size * math.log(size) / (sizes[0] * math.log(sizes[0]))) for size in sizes]
    low, high = 10 ** math.floor(math.log10(min(times))), 10 ** math.ceil(math.log10(max(times)))

    def place(size: float, seconds: float) -> tuple[float, float]:
        span = math.log(sizes[-1] / sizes[0]) or 1.0
        x = LEFT + (WIDTH - LEFT - RIGHT) * math.log(size / sizes[0]) / span
        y = HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(seconds / low) / math.log(high / low)
        return round(x, 1), round(max(y, TOP), 1)

    def line(points: Sequence[tuple[float, float]], style: str) -> str:
        path = " ".join("{},{}".format(*place(*point)) for point in points)
        return f'<polyline points="{path}" fill="none" {style}/>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    decade = low
    while decade <= high:
        _, y = place(sizes[0], decade)
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#e4e4e7"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{decade:g}</text>')
        decade *= 10
    for size in sizes:
        x, _ = place(size, low)
        parts.append(f'<text x="{x}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{size:,.0f}</text>')
    parts.append(line(guide, 'stroke="#a1a1aa" stroke-dasharray="6 5"'))
    ends = sorted((place(*points[-1])[1], name) for name, points in lines.items())
    ends = sorted([*ends, (place(*guide[-1])[1], "n · log n")])
    lowest = TOP - 4.0
    for y, name in ends:
        lowest = max(y + 4, lowest + 15)
        color = COLORS[list(lines).index(name) % len(COLORS)] if name in lines else "#71717a"
        parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{lowest}" fill="{color}">{escape(name)}</text>')
    for number, points in enumerate(lines.values()):
        parts.append(line(points, f'stroke="{COLORS[number % len(COLORS)]}" stroke-width="2"'))
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">{escape(across)}</text>')
    parts.append(f'<text x="14" y="{TOP + 200}" transform="rotate(-90 14 {TOP + 200})">{escape(up)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
