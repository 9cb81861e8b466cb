"""Where words may stand beside curves: a search over places, refused where they would cover something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.report.figures.page import Box

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

STEP = 0.5  # mm
CLEAR = 1.1  # mm between a label and any curve


@dataclass(frozen=True, slots=True, eq=False)
class Ink:
    """A curve or a band as columns `STEP` wide: its upper and lower edge in mm, NaN where there is none."""

    left: float
    top: NDArray[Any]
    bottom: NDArray[Any]

    def between(self, box: Box) -> slice:
        """The columns that a box covers."""
        first = int((box.left - self.left) / STEP)
        return slice(max(first, 0), max(int((box.right - self.left) / STEP) + 1, 0))

    def gap(self, box: Box) -> float:
        """Distance in height from the box to the ink, 0 where they meet, infinite where there is none."""
        columns = self.between(box)
        apart = np.maximum(self.top[columns] - box.bottom, box.top - self.bottom[columns])
        apart = apart[~np.isnan(apart)]
        return float(np.maximum(apart, 0).min()) if len(apart) else np.inf


def ink(left: float, right: float, time: NDArray[Any], top: NDArray[Any], bottom: NDArray[Any]) -> Ink:
    """Ink of a falling step function.

    Args:
        left, right: of the drawing area in mm.
        time: where each step begins, in mm, rising.
        top, bottom: upper and lower edge from that step on, in mm (equal for a line).
    """
    edges = np.arange(left, right + STEP, STEP)
    start = np.searchsorted(time, edges[:-1], side="right") - 1
    end = np.searchsorted(time, edges[1:], side="right") - 1
    absent = (start < 0) | (edges[:-1] > time[-1])
    upper = np.where(absent, np.nan, top[np.maximum(start, 0)])
    lower = np.where(absent, np.nan, bottom[np.maximum(end, 0)])
    return Ink(left, upper, lower)


def label_place(
    size: tuple[float, float],
    own: int,
    curves: Sequence[Ink],
    bands: Sequence[Ink],
    taken: Sequence[Box],
    area: Box,
) -> Box | None:
    """The best free place for the label of curve `own`, or None.

    Hard: inside `area`, off every curve and every box in `taken`, nearer to its own curve than to another.
    Soft: near its curve, off the bands, away from the crowded beginning.
    """
    best, lowest = None, np.inf
    for box in _candidates(size, curves[own], bands[own], area):
        gaps = [curve.gap(box) for curve in curves]
        if min(gaps) < CLEAR or any(box.meets(other, 0.8) for other in taken):
            continue
        if min((gap for place, gap in enumerate(gaps) if place != own), default=np.inf) < 1.6 * gaps[own]:
            continue
        covered = sum(band.gap(box) == 0 for band in bands)
        rest = (area.right - box.right) / (area.right - area.left)
        cost = gaps[own] + 4 * covered + 3 * abs(rest - 0.12)
        if cost < lowest:
            best, lowest = box, cost
    return best


def _candidates(size: tuple[float, float], curve: Ink, band: Ink, area: Box) -> Iterator[Box]:
    width, height = size
    for left in np.arange(area.left + 1, area.right - width, 1.5):
        columns = curve.between(Box(left, 0, left + width, 0))
        known = ~np.isnan(curve.top[columns])
        if known.mean() < 0.5:
            continue
        for lane in (curve, band):
            top, bottom = lane.top[columns], lane.bottom[columns]
            if np.isnan(top).all():
                continue
            over, under = np.nanmin(top) - CLEAR - 0.2, np.nanmax(bottom) + CLEAR + 0.2
            for box in (
                Box(left, over - height, left + width, over),
                Box(left, under, left + width, under + height),
            ):
                if box.top >= area.top and box.bottom <= area.bottom:
                    yield box
