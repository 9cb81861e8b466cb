"""Pictures inside figures: grey levels that stay linear, shrunk to print resolution, with scale bars.

A grey level is a straight line of the pixel's value between two limits, which the figure prints. Nothing is
sharpened, cut out or put together; pixels are only averaged where the file has more of them than print shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image

from sequela.report.figures.page import MM_PER_INCH, POINT, Box, Page, clean, width_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from sequela.core.finding import Finding

PRINT: Final = 300  # dots per inch
MARK: Final = (0xE0, 0x45, 0x00)  # pixels at the limit of the camera
BARS: Final = (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000)  # micrometres
NOTED: Final = 6.5  # points

Colours = "NDArray[np.uint8]"


@dataclass(frozen=True, slots=True)
class Limits:
    """Pixel values that are drawn as black and as white."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:,.4g} to {self.high:,.4g}".replace(",", " ")


def share(values: NDArray[Any], limits: Limits) -> NDArray[np.float64]:
    """0 at the lower limit, 1 at the upper one, straight between."""
    span = limits.high - limits.low
    return np.clip((values.astype(float) - limits.low) / (span if span > 0 else 1.0), 0.0, 1.0)


def grey_levels(values: NDArray[Any], limits: Limits, *, inverted: bool = False) -> NDArray[np.uint8]:
    """Rows x columns x 3: black at the lower limit; `inverted` white."""
    level = share(values, limits)
    level = 1 - level if inverted else level
    return np.repeat(np.round(255 * level).astype(np.uint8)[..., None], 3, axis=2)


def magenta_green(
    magenta: NDArray[Any], green: NDArray[Any], first: Limits, second: Limits
) -> NDArray[np.uint8]:
    """Two channels in one picture: white where both are; apart for every kind of colour vision."""
    m, g = share(magenta, first), share(green, second)
    return np.round(255 * np.stack([m, g, m], axis=-1)).astype(np.uint8)


def painted(
    colours: NDArray[np.uint8], where: NDArray[np.bool_], ink: tuple[int, int, int] = MARK
) -> NDArray[np.uint8]:
    """The picture with the pixels `where` in one colour."""
    found = colours.copy()
    found[where] = ink
    return found


def place(page: Page, box: Box, colours: NDArray[np.uint8], marked: NDArray[np.bool_] | None = None) -> Axes:
    """The picture in `box`, in axes that count its pixels, rows downwards.

    It is shrunk to 300 dots an inch where it has more (means of pixels; a place with one `marked` pixel stays marked).
    """
    rows, columns = colours.shape[:2]
    shown = shrunk(colours, box)
    if marked is not None:
        size = (shown.shape[1], shown.shape[0])
        wide = Image.fromarray(marked.astype(np.float32)).resize(size, Image.Resampling.BOX)
        shown = painted(shown, np.asarray(wide) > 0)
    axes = page.axes(box)
    axes.imshow(shown, extent=(0, columns, rows, 0), interpolation="none", aspect="auto")
    axes.set_axis_off()
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    return axes


def shrunk(colours: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """The picture with no more pixels than `box` shows at 300 dots an inch."""
    rows, columns = colours.shape[:2]
    wide = min(columns, math.ceil((box.right - box.left) / MM_PER_INCH * PRINT))
    tall = min(rows, math.ceil((box.bottom - box.top) / MM_PER_INCH * PRINT))
    if (wide, tall) == (columns, rows):
        return colours
    return np.asarray(Image.fromarray(colours).resize((wide, tall), Image.Resampling.BOX))


def bar_length(width_um: float) -> float:
    """The longest round length in micrometres within a quarter of the picture's width."""
    fitting = [one for one in BARS if one <= width_um / 4]
    return float(fitting[-1]) if fitting else width_um / 4


def scale_bar(
    page: Page, box: Box, columns: int, pixel_um: float, *, colour: str, named: bool, ground: str = "none"
) -> float:
    """A scale bar in the lower right corner, on a `ground` of its own; returns its length in micrometres."""
    width_um = columns * pixel_um
    length = bar_length(width_um)
    right, y = box.right - 1.2, box.bottom - 1.4
    left = right - length / width_um * (box.right - box.left)
    words = f"{length:g} µm"
    half = max(right - left, width_of(words, NOTED) if named else 0.0) / 2 + 0.6
    middle = (left + right) / 2
    under = Box(middle - half, y - (4.0 if named else 0.8), middle + half, y + 0.8)
    page.rectangle(under, fill=ground, zorder=5)
    page.line((left, right), (y, y), colour=colour, width=1.6, solid_capstyle="butt", zorder=6)
    if named:
        text = page.text(middle, y - 2.4, words, size=NOTED, colour=colour, align="center")
        if text is not None:
            text.set_zorder(6)
    return length


def points_a_pixel(box: Box, columns: int) -> float:
    """Width of one pixel in points, for lines that are as wide as something in the picture."""
    return (box.right - box.left) / columns / POINT


def footnotes(findings: Iterable[Finding]) -> tuple[str, ...]:
    """What limits a picture or its measurement, in words, once each: `blot.tif: pixels at the limit … (2 %)`."""
    told: dict[str, list[str]] = {}
    for finding in findings:
        seen = finding.found or ""
        new = seen.lower() not in finding.message.lower() and not seen.startswith(("shape", "uint"))
        found = f" ({seen})" if new else ""
        files = told.setdefault(f"{finding.message}{found}", [])
        name = clean(finding.where.file or "")
        if name and name not in files:
            files.append(name)
    return tuple(_said(text, files) for text, files in told.items())


def _said(text: str, files: Sequence[str]) -> str:
    few = ", ".join(files[:4]) + (f" and {len(files) - 4} more" if len(files) > 4 else "")
    return f"{few}: {text}." if few else text[:1].upper() + text[1:] + "."
