"""A share at each stage, beside the paper's, as an SVG document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

WIDTH, LEFT, ROW, BAR = 720, 150, 22, 14
COLOURS = ("#1b6ca8", "#15803d", "#c2410c", "#7e22ce")
WHISKER = "#18181b"

Interval = tuple[float, float, float]
"""A share, and the ends of its interval."""


def stage_picture(stages: Sequence[str], series: Mapping[str, Mapping[str, Interval]]) -> str:
    """Bars by stage, one for each series that has it, with its interval as a line; shares are of 1."""
    shown = [
        (stage, name, values[stage]) for stage in stages for name, values in series.items() if stage in values
    ]
    widest = max((high for _, _, (_, _, high) in shown), default=0.0) or 1.0
    scale = (WIDTH - LEFT - 90) / widest
    height = ROW * len(shown) + 8 * len(stages) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        f'font-size="12"><rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    ]
    y, before = 8, ""
    for stage, name, (share, low, high) in shown:
        if stage != before:
            y += 8
            parts.append(
                f'<text x="{LEFT - 12}" y="{y + 12}" text-anchor="end" font-weight="bold">{escape(stage)}</text>'
            )
        before = stage
        colour = COLOURS[list(series).index(name) % len(COLOURS)]
        parts += [
            f'<rect x="{LEFT}" y="{y}" width="{max(1.0, share * scale):.1f}" height="{BAR}" fill="{colour}"/>',
            f'<path d="M{LEFT + low * scale:.1f} {y + BAR / 2}H{LEFT + high * scale:.1f}" stroke="{WHISKER}"/>',
            f'<text x="{LEFT + high * scale + 6:.1f}" y="{y + 11}">{share:.2%}</text>',
        ]
        y += ROW
    for place, name in enumerate(series):
        x = LEFT + 150 * place
        parts += [
            f'<rect x="{x}" y="{height - 20}" width="10" height="10" fill="{COLOURS[place % len(COLOURS)]}"/>',
            f'<text x="{x + 15}" y="{height - 11}">{escape(name)}</text>',
        ]
    return "".join([*parts, "</svg>"])
