"""Six colours that stay apart on white for every kind of colour vision, and dashes for no colour at all.

Chosen by search and by eye, measured in `tests/unit/report/test_palette.py`: smallest CAM02-UCS distance
(Luo, Cui and Li 2006) with normal vision, deuteranopia, protanopia and tritanopia (Machado, Oliveira and
Fernandes 2009), and the contrast on white that WCAG 2.2 asks of lines (3) and of text (4.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PAPER: Final = "#FFFFFF"
INK: Final = "#16191D"
MUTED: Final = "#5A626B"
HAIR: Final = "#B9BFC6"
WASH: Final = "#F1F3F5"
WARNING: Final = "#7F4A00"

Dash = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour for lines and areas, its darker twin for words, and its dash pattern (points on, off, …)."""

    line: str
    text: str
    dash: Dash = ()


PALETTE: Final = (
    Colour("#004B87", "#004B87"),
    Colour("#C04F00", "#B84B00", (6, 1.6)),
    Colour("#2D8F65", "#26774F", (2, 1.2)),
    Colour("#A75CCC", "#9A48C3", (7, 1.6, 1.6, 1.6)),
    Colour("#6B3D43", "#6B3D43", (3.4, 1.2)),
    Colour("#911101", "#911101", (7, 1.4, 1.4, 1.4, 1.4, 1.4)),
)


def colour(place: int) -> Colour:
    """The colour at `place`; after the sixth they begin again."""
    return PALETTE[place % len(PALETTE)]


def tint(hexadecimal: str, strength: float) -> str:
    """The colour mixed with white: 0 is white, 1 the colour itself."""
    parts = (int(hexadecimal[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (part - 255) * strength):02X}" for part in parts)
