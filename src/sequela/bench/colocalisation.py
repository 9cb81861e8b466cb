"""Two stains in one place: Pearson's correlation, Manders' coefficients with their thresholds said, Costes' rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Colocalised:
    """Pearson's r, M1 (share of the first stain where the second is above its threshold), M2, and the thresholds."""

    pearson: float
    m1: float
    m2: float
    thresholds: tuple[float, float]
    how: str
    pixels: int
    reason: str | None = None


def colocalisation(
    first: NDArray[Any],
    second: NDArray[Any],
    mask: NDArray[np.bool_] | None = None,
    thresholds: tuple[float, float] | None = None,
) -> Colocalised:
    """Colocalisation of two stains within a mask.

    M1 = sum of the first stain over pixels with both stains above their thresholds / sum of the first over pixels
    above its own (Manders, Verbeek and Aten 1993, with thresholds); M2 likewise. r is over all pixels of the mask.
    Thresholds are given, or found by Costes' rule (Costes et al. 2004): going down the line of orthogonal
    regression until the pixels below both thresholds no longer correlate.

    Raises:
        DataError: I140 shapes differ; I144 the mask is empty.
    """
    if first.shape != second.shape or (mask is not None and mask.shape != first.shape):
        raise DataError(
            Finding("I140", "error", "channels and labels are not of one shape",
                    found=f"{first.shape}, {second.shape}", allowed="one shape for all",
                    remedy="crop or export them from the same field and size")
        )  # fmt: skip
    own = np.ones(first.shape, bool) if mask is None else mask
    if not own.any():
        raise DataError(
            Finding("I144", "error", "the mask is empty", Where(field="mask"), "no pixel", "at least one pixel",
                    "look at the segmentation before anything is measured in it")
        )  # fmt: skip
    a, b = first[own].astype(float), second[own].astype(float)
    if a.std() == 0 or b.std() == 0:
        return Colocalised(np.nan, np.nan, np.nan, (np.nan, np.nan), "none", len(a), "a stain does not vary")
    r = float(np.corrcoef(a, b)[0, 1])
    how = "given" if thresholds is not None else "Costes"
    limits = costes(a, b) if thresholds is None else thresholds
    above = (a > limits[0]) & (b > limits[1])
    sums = a[a > limits[0]].sum(), b[b > limits[1]].sum()
    if not (sums[0] > 0 and sums[1] > 0):
        return Colocalised(r, np.nan, np.nan, limits, how, len(a), "no pixel above a threshold")
    return Colocalised(
        r, float(a[above].sum() / sums[0]), float(b[above].sum() / sums[1]), limits, how, len(a)
    )


def costes(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """Thresholds below which the stains do not correlate, by bisection on the orthogonal regression line."""
    covariance = np.cov(a, b)
    gap = covariance[1, 1] - covariance[0, 0]
    slope = (gap + np.sqrt(gap**2 + 4 * covariance[0, 1] ** 2)) / (2 * covariance[0, 1] or np.inf)
    if not slope > 0:  # stains that exclude each other: no pair of thresholds on a falling line
        return float(a.max()), float(b.max())
    cut = b.mean() - slope * a.mean()
    low, high = float(a.min()), float(a.max())
    for _ in range(40):
        middle = (low + high) / 2
        under = (a < middle) | (b < slope * middle + cut)
        part = np.corrcoef(a[under], b[under])[0, 1] if under.sum() > 2 else np.nan
        if part > 0:
            high = middle
        else:
            low = middle
    return high, float(slope * high + cut)
