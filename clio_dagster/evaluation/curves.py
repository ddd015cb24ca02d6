"""Shares along steps, as an SVG document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 60, 210, 20, 60
COLORS = ("#1b6ca8", "#c2410c", "#15803d", "#7e22ce")


def shares_along(steps: Sequence[str], lines: Mapping[str, Sequence[float]], *, across: str) -> str:
    """A line for each name, a point (0 to 1) for each step; steps lie evenly, in their order.

    Raises ValueError where a line has not a point for each step.
    """
    if any(len(points) != len(steps) for points in lines.values()):
        raise ValueError("each line needs one point a step")

    def x(place: int) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * place / max(1, len(steps) - 1), 1)

    def y(share: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for tenths in range(0, 11, 2):
        height = y(tenths / 10)
        parts.append(f'<path d="M{LEFT} {height}H{WIDTH - RIGHT}" stroke="#e4e4e7"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{height + 4}" text-anchor="end">{tenths / 10:g}</text>')
    for place, step in enumerate(steps):
        parts.append(
            f'<text x="{x(place)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{escape(step)}</text>'
        )
    lowest = TOP - 15.0
    for name, points in sorted(lines.items(), key=lambda line: -line[1][-1]):
        color = COLORS[list(lines).index(name) % len(COLORS)]
        path = " ".join(f"{x(place)},{y(share)}" for place, share in enumerate(points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(place)}" cy="{y(share)}" r="3" fill="{color}"/>'
            for place, share in enumerate(points)
        ]
        lowest = max(y(points[-1]) + 4, lowest + 15)
        parts.append(f'<text x="{WIDTH - RIGHT + 10}" y="{lowest}" fill="{color}">{escape(name)}</text>')
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 14}" text-anchor="middle">{escape(across)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
