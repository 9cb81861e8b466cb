"""A page measured in millimetres, top left first, that knows how wide its words are.

Everything is laid out from measured text, so that nothing overlaps and nothing leaves the page.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from sequela.report.palette import INK, PAPER, WARNING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

MARGIN: Final = 1.0  # mm of white on every side
WIDTHS: Final = {"single": 85 - 2 * MARGIN, "double": 170 - 2 * MARGIN}  # mm between the margins
Width = Literal["single", "double"]
MM_PER_INCH: Final = 25.4
DPI: Final = 200
_FINE: Final = 1000  # dots per inch at which rounding to dots no longer matters
POINT: Final = MM_PER_INCH / 72  # mm
LEADING: Final = 1.28
FONTS: Final = ("Arimo", "Liberation Sans", "Arial", "Helvetica", "DejaVu Sans")
WEB_FONTS: Final = "Arimo, 'Liberation Sans', Arial, Helvetica, 'DejaVu Sans', sans-serif"
Weight = Literal["normal", "bold"]
Slant = Literal["normal", "italic"]


@lru_cache(maxsize=1)
def families() -> tuple[str, ...]:
    """Those of the preferred fonts that this machine has; DejaVu Sans comes with matplotlib."""
    known = {font.name for font in fontManager.ttflist}
    return tuple(name for name in FONTS if name in known)


@lru_cache(maxsize=64)
def font(size: float, weight: Weight = "normal", style: Slant = "normal") -> FontProperties:
    """The font at `size` points."""
    return FontProperties(family=list(families()), size=size, weight=weight, style=style)


@lru_cache(maxsize=1)
def _ruler() -> Any:
    return FigureCanvasAgg(Drawing(dpi=_FINE)).get_renderer()


@lru_cache(maxsize=4096)
def width_of(text: str, size: float, weight: Weight = "normal") -> float:
    """Width of one line in mm."""
    if not text:
        return 0.0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        width, _, _ = _ruler().get_text_width_height_descent(text, font(size, weight), ismath=False)
    return float(width) / _FINE * MM_PER_INCH


def line_height(size: float) -> float:
    """Distance of two lines in mm."""
    return size * POINT * LEADING


def wrap(text: str, limit: float, size: float, weight: Weight = "normal") -> list[str]:
    """Lines no wider than `limit` mm; a word that is too wide is broken."""
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}" if line else word
            if width_of(longer, size, weight) <= limit:
                line = longer
                continue
            if line:
                lines.append(line)
            *whole, line = _break(word, limit, size, weight)
            lines += whole
        lines.append(line)
    return lines


def _break(word: str, limit: float, size: float, weight: Weight) -> list[str]:
    pieces = [""]
    for letter in word:
        if pieces[-1] and width_of(pieces[-1] + letter, size, weight) > limit:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def clean(text: str) -> str:
    """One line without control characters, which no font can draw."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in mm, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box, gap: float = 0.0) -> bool:
        """Whether the two overlap, or come nearer than `gap`."""
        return (
            self.left < other.right + gap
            and other.left < self.right + gap
            and self.top < other.bottom + gap
            and other.top < self.bottom + gap
        )


class Page:
    """A matplotlib figure addressed in mm from the top left corner inside its margins."""

    def __init__(self, width: float, height: float, banner: str | None = None) -> None:
        self.width, self.height = width, height
        self._outer = (width + 2 * MARGIN, height + 2 * MARGIN)
        inches = (self._outer[0] / MM_PER_INCH, self._outer[1] / MM_PER_INCH)
        self.drawing = Drawing(figsize=inches, dpi=DPI, facecolor=PAPER)
        FigureCanvasAgg(self.drawing)
        if banner:
            self.text(width, 2.4, clean(banner), size=7.5, weight="bold", colour=WARNING, align="right")

    def x(self, mm: float) -> float:
        """A place in mm as a fraction of the figure."""
        return (mm + MARGIN) / self._outer[0]

    def y(self, mm: float) -> float:
        """A height in mm, downwards, as a fraction of the figure, upwards."""
        return 1 - (mm + MARGIN) / self._outer[1]

    def axes(self, box: Box) -> Axes:
        """Data axes that fill `box`."""
        left, bottom = self.x(box.left), self.y(box.bottom)
        return self.drawing.add_axes((left, bottom, self.x(box.right) - left, self.y(box.top) - bottom))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 8,
        weight: Weight = "normal",
        style: Slant = "normal",
        colour: str = INK,
        align: Literal["left", "center", "right"] = "left",
        rotation: float = 0,
    ) -> Text | None:
        """One line, centred in height on `y`. Nothing is read as mathematics."""
        if not text:
            return None
        return self.drawing.text(
            self.x(x),
            self.y(y),
            text,
            fontproperties=font(size, weight, style),
            color=colour,
            ha=align,
            va="center" if rotation else "center_baseline",
            rotation=rotation,
            parse_math=False,
        )

    def lines(self, x: float, top: float, lines: list[str], *, size: float = 8, **options: Any) -> None:
        """Lines below each other; the first has its middle half a line below `top`."""
        step = line_height(size)
        for place, line in enumerate(lines):
            self.text(x, top + (place + 0.5) * step, line, size=size, **options)

    def line(
        self,
        xs: tuple[float, ...],
        ys: tuple[float, ...],
        *,
        colour: str = INK,
        width: float = 0.6,
        **options: Any,
    ) -> None:
        """A line through points, `width` in points."""
        self.drawing.add_artist(
            Line2D(
                [self.x(x) for x in xs],
                [self.y(y) for y in ys],
                color=colour,
                linewidth=width,
                transform=self.drawing.transFigure,
                **options,
            )
        )

    def rectangle(
        self, box: Box, *, fill: str = "none", edge: str = "none", width: float = 0.6, **options: Any
    ) -> None:
        """A rectangle."""
        left, bottom = self.x(box.left), self.y(box.bottom)
        self.drawing.add_artist(
            Rectangle(
                (left, bottom),
                self.x(box.right) - left,
                self.y(box.top) - bottom,
                facecolor=fill,
                edgecolor=edge,
                linewidth=width,
                transform=self.drawing.transFigure,
                **options,
            )
        )


BANNER_HEIGHT: Final = 5.5


def head_room(banner: str | None) -> float:
    """Height in mm that the banner takes."""
    return BANNER_HEIGHT if banner else 0.0
