"""Fields of cells as they are printed: one grey scale for all, outlines, and the band where a membrane was found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from contourpy import contour_generator
from matplotlib.collections import LineCollection

from sequela.report.figures.rasters import (
    Limits,
    grey_levels,
    magenta_green,
    place,
    points_a_pixel,
    scale_bar,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from sequela.bench.cells import Cells
    from sequela.bench.localisation import Localised
    from sequela.bench.pictures import Picture
    from sequela.core.finding import Finding
    from sequela.report.figures.page import Box, Page

CELL: Final = "#FFB000"
NUCLEUS: Final = "#56B4E9"
ENDS: Final = (0.5, 99.8)  # per cent of the pixels of all fields below black, and below white


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field of cells.

    Attributes:
        condition, experiment, name: culture as printed, its experiment, the file.
        target, nuclear: rows x columns each; `nuclear` None where there is no such picture.
        cells, nuclei: label images of the same shape, 0 the ground.
        offsets: of every cell that was used: pixels by which its outline was moved inwards to the membrane.
        blur: of the microscope (standard deviation in pixels), NaN where it is not known.
        findings: what limits the measurement.
    """

    condition: str
    experiment: str
    name: str
    target: NDArray[Any]
    nuclear: NDArray[Any] | None
    cells: NDArray[Any]
    nuclei: NDArray[Any]
    offsets: Mapping[int, float]
    blur: float
    findings: tuple[Finding, ...] = ()


def field_of(
    target: Picture,
    found: Cells,
    measured: Localised,
    *,
    condition: str,
    experiment: str = "",
    nuclear: Picture | None = None,
) -> Field:
    """A field that `bench.localisation.localise` has measured."""
    rows = measured.cells.select("cell", "offset", "unused").iter_rows()
    offsets = {
        int(cell): float(offset) for cell, offset, unused in rows if unused is None and offset is not None
    }
    return Field(
        condition, experiment, target.name, target.pixels, nuclear.pixels if nuclear else None, found.cells,
        found.nuclei, offsets, measured.blur, measured.findings,
    )  # fmt: skip


def common_limits(pictures: Sequence[NDArray[Any]]) -> Limits:
    """One black and one white for all pictures: the 0.5th and the 99.8th percentile of all their pixels."""
    low, high = np.percentile(
        np.concatenate([one.ravel()[:: max(1, one.size // 10**6)] for one in pictures]), ENDS
    )
    return Limits(float(low), float(high))


def middle_square(shape: tuple[int, ...], side: int) -> tuple[slice, slice]:
    """The square of `side` pixels in the middle of a picture of `shape`."""
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    return slice(top, top + side), slice(left, left + side)


@dataclass(frozen=True, slots=True)
class Panel:
    """One row of a montage: its words, and what is drawn in it."""

    words: str
    kind: str


def panels_of(target: str, nuclear: str | None) -> tuple[Panel, ...]:
    """Target alone; target and nuclei; target with what was measured."""
    both = (Panel(f"{target} magenta, {nuclear} green", "both"),) if nuclear else ()
    return (Panel(target, "target"), *both, Panel(f"{target}, measured", "outlines"))


def draw_field(
    page: Page,
    box: Box,
    one: Field,
    kind: str,
    cut: tuple[slice, slice],
    limits: tuple[Limits, Limits | None],
) -> None:
    """One panel: the square `cut` of a field."""
    target = one.target[cut]
    if kind == "both" and one.nuclear is not None and limits[1] is not None:
        place(page, box, magenta_green(target, one.nuclear[cut], limits[0], limits[1]))
        return
    axes = place(page, box, grey_levels(target, limits[0]))
    if kind == "outlines":
        width = points_a_pixel(box, target.shape[1])
        _outlines(axes, one, cut, width)


def draw_scale(page: Page, box: Box, side: int, pixel_um: float | None, *, named: bool) -> float:
    """The scale bar of one panel; its length in micrometres, NaN where the size of a pixel is not known."""
    if pixel_um is None:
        return math.nan
    return scale_bar(page, box, side, pixel_um, colour="#FFFFFF", named=named, ground="#00000099")


def _outlines(axes: Axes, one: Field, cut: tuple[slice, slice], width: float) -> None:
    """Cells (dotted where they were not used), nuclei, and the membrane as wide as the blur makes it."""
    corner = np.array([cut[1].start, cut[0].start])
    cells, used = around(one.cells, cut), set(one.offsets)
    bands = [
        line - corner
        for label, (depth, at) in cells.items()
        if label in used
        for line in level_lines(depth, one.offsets[label], at)
    ]
    outlines = {label: level_lines(depth, 0.0, at) for label, (depth, at) in cells.items()}
    kept = [line - corner for label in outlines if label in used for line in outlines[label]]
    left = [line - corner for label in outlines if label not in used for line in outlines[label]]
    cores = [
        line - corner
        for depth, at in around(one.nuclei, cut).values()
        for line in level_lines(depth, 0.0, at)
    ]
    if not math.isnan(one.blur):
        wide = 2 * one.blur * width
        axes.add_collection(LineCollection(bands, colors=CELL, linewidths=wide, alpha=0.45, capstyle="butt"))
    axes.add_collection(LineCollection(kept, colors=CELL, linewidths=0.5))
    axes.add_collection(LineCollection(left, colors="#FFFFFF", linewidths=0.5, linestyles=(0, (1, 1.2))))
    axes.add_collection(LineCollection(cores, colors=NUCLEUS, linewidths=0.5, linestyles=(0, (3, 1))))


def around(
    labels: NDArray[Any], cut: tuple[slice, slice], margin: int = 8
) -> dict[int, tuple[NDArray[np.float64], tuple[int, int]]]:
    """Of every label that reaches into `cut`: distance to its outline (positive inside), and where that begins."""
    from scipy import ndimage

    found: dict[int, tuple[NDArray[np.float64], tuple[int, int]]] = {}
    boxes = ndimage.find_objects(labels)
    for label in np.unique(labels[cut][labels[cut] > 0]).tolist():
        rows, columns = boxes[label - 1]
        own = np.pad(labels[rows, columns] == label, margin)
        inside: Any = ndimage.distance_transform_edt(own)
        outside: Any = ndimage.distance_transform_edt(~own)
        depth = np.where(own, inside - 0.5, 0.5 - outside)
        found[label] = depth, (rows.start - margin, columns.start - margin)
    return found


def level_lines(depth: NDArray[np.float64], level: float, at: tuple[int, int]) -> list[NDArray[np.float64]]:
    """Closed lines of (x, y) where `depth` is `level`, in pixels from the picture's corner; every second point."""
    found: Any = contour_generator(z=depth).lines(level)
    corner = np.array([at[1] + 0.5, at[0] + 0.5])
    return [np.concatenate([line[::2], line[:1]]) + corner for line in map(np.asarray, found)]
