"""A confusion matrix as SVG: what things are down, what they were taken for across."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

CELL, LEFT, TOP, MARGIN = 30, 300, 250, 12
DARK = (27, 108, 168)
TOLD, WHITE_FROM = 0.05, 0.55
"""Shares from which a cell says its own, and says it in white."""


def heat_map(rows: Sequence[str], columns: Sequence[str], shares: np.ndarray, title: str) -> str:
    """An SVG document: `shares`, (rows, columns), each from 0 (white) to 1 (dark); from TOLD up as percent, too."""
    width = LEFT + CELL * len(columns) + 110
    height = TOP + CELL * len(rows) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        'font-family="sans-serif" font-size="12" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{MARGIN}" y="22" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    for place, name in enumerate(columns):
        x, y = LEFT + CELL * (place + 0.65), TOP - 8
        parts.append(f'<text x="{x:g}" y="{y}" transform="rotate(-50 {x:g} {y})">{escape(name)}</text>')
    for row, name in enumerate(rows):
        y = TOP + CELL * row
        parts.append(f'<text x="{LEFT - 8}" y="{y + 19}" text-anchor="end">{escape(name)}</text>')
        for column, share in enumerate(shares[row]):
            parts.append(_cell(LEFT + CELL * column, y, float(share), f"{name} → {columns[column]}"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _cell(x: int, y: int, share: float, what: str) -> str:
    color = ",".join(str(round(255 + (dark - 255) * min(max(share, 0.0), 1.0))) for dark in DARK)
    box = (
        f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="rgb({color})" stroke="#e4e4e7">'
        f"<title>{escape(what)}: {share:.1%}</title></rect>"
    )
    if share < TOLD:
        return box
    ink = "#fff" if share >= WHITE_FROM else "#18181b"
    return (
        f'{box}<text x="{x + CELL / 2:g}" y="{y + 19}" text-anchor="middle" font-size="11" fill="{ink}" '
        f'pointer-events="none">{100 * share:.0f}</text>'
    )
