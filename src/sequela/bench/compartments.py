"""Membrane, cytoplasm and nucleus of a cell, as they would be without the blur of the microscope.

A ring along the outline measures little of a thin membrane: blur throws most of its light into and out of the
cell. So the picture of each cell is explained by three templates - a membrane line, the cytoplasm, the nucleus -
each blurred by the microscope's Gaussian, with amounts of zero or more (least squares; Lawson and Hanson 1974). The
outline is moved by a few pixels to where the residual is least. The blur is found once for a set of pictures:
the one with the least total residual. Amount = coefficient x area; fractions add up to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINE: Final = 1.0  # width of the membrane line, pixels
OFFSETS: Final = (-6.0, 6.0)  # outline moved outwards (negative) or inwards, pixels
BLURS: Final = (0.5, 4.5)
SUBSETS: Final = tuple(tuple(part for part in range(3) if bits >> part & 1) for bits in range(1, 8))


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One cell cut out: signal above ground, distance to its outline (positive inside), nucleus, pixels that count."""

    label: int
    signal: NDArray[np.float32]
    depth: NDArray[np.float32]
    nucleus: NDArray[np.float32]
    counts: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Unmixed:
    """Amounts of one cell (summed signal), the outline's shift, and the residual as a share of the signal."""

    label: int
    membrane: float
    cytoplasm: float
    nucleus: float
    offset: float
    residual: float
    reason: str | None = None

    @property
    def fractions(self) -> tuple[float, float, float]:
        """Shares of membrane, cytoplasm and nucleus; NaN for a cell without signal."""
        whole = self.membrane + self.cytoplasm + self.nucleus
        if not whole > 0:
            return float("nan"), float("nan"), float("nan")
        return self.membrane / whole, self.cytoplasm / whole, self.nucleus / whole


def crops(
    signal: NDArray[Any], cells: NDArray[Any], nuclei: NDArray[Any], ground: float, margin: int = 9
) -> list[Crop]:
    """Every cell cut out with a margin; pixels of other cells do not count. Cells at the edge are left out."""
    from scipy import ndimage

    found: list[Crop] = []
    for label, box in enumerate(ndimage.find_objects(cells), 1):
        if box is None or _at_edge(box, cells.shape):
            continue
        window = tuple(
            slice(max(0, part.start - margin), min(size, part.stop + margin))
            for part, size in zip(box, cells.shape, strict=True)
        )
        own, all_ = cells[window] == label, cells[window]
        inside: Any = ndimage.distance_transform_edt(own)
        outside: Any = ndimage.distance_transform_edt(~own)
        depth = np.where(own, inside - 0.5, 0.5 - outside)
        nucleus = (nuclei[window] == label).astype(np.float32)
        counts = ((all_ == 0) | own) & (depth > -margin + 1)
        above = signal[window].astype(np.float32) - np.float32(ground)
        found.append(Crop(label, above, depth.astype(np.float32), nucleus, counts))
    return found


def _at_edge(box: tuple[slice, ...], shape: tuple[int, ...]) -> bool:
    return any(part.start == 0 or part.stop == size for part, size in zip(box, shape, strict=True))


def estimate_blur(cut: list[Crop], most: int = 12) -> float:
    """The Gaussian's standard deviation (pixels) with the least total residual over up to `most` cells.

    Golden-section search between 0.5 and 4.5 pixels; cells are taken evenly from the list.
    """
    chosen = cut[:: max(1, len(cut) // most)][:most]
    if not chosen:
        return float("nan")
    ratio = (np.sqrt(5) - 1) / 2
    low, high = BLURS
    inner, outer = high - ratio * (high - low), low + ratio * (high - low)
    losses = {at: _loss(chosen, at) for at in (inner, outer)}
    while high - low > 0.06:
        if losses[inner] < losses[outer]:
            high, outer = outer, inner
            inner = high - ratio * (high - low)
            losses[inner] = _loss(chosen, inner)
        else:
            low, inner = inner, outer
            outer = low + ratio * (high - low)
            losses[outer] = _loss(chosen, outer)
    return float((low + high) / 2)


def _loss(cut: list[Crop], blur: float) -> float:
    """Sum over cells of the residual, each relative to the cell's own signal."""
    return float(sum(unmix(one, blur).residual for one in cut))


def unmix(cell: Crop, blur: float, start: float | None = None) -> Unmixed:
    """Amounts of the three compartments at the outline's best shift, coarsely first, then to 0.4 pixels.

    `start` is the usual shift of the picture's other cells: the search begins there instead of everywhere.
    """
    size = float((cell.signal[cell.counts].astype(float) ** 2).sum())
    if not (cell.signal[cell.counts].sum() > 0 and size > 0):
        return Unmixed(cell.label, np.nan, np.nan, np.nan, 0.0, np.nan, "no signal above the ground")
    tried: dict[float, tuple[float, NDArray[np.float64]]] = {}

    def at(offset: float) -> float:
        if offset not in tried:
            tried[offset] = _solved(cell, blur, offset)
        return tried[offset][0]

    wide = np.arange(OFFSETS[0], OFFSETS[1] + 0.1, 3.0).tolist()
    best = min(wide, key=at) if start is None else start
    for step in (1.5, 0.75, 0.375) if start is None else (0.75, 0.375):
        best = min((best - step, best, best + step), key=at)
    loss, amounts = tried[best]
    membrane, cytoplasm, nucleus = amounts.tolist()
    return Unmixed(cell.label, membrane, cytoplasm, nucleus, best, loss / size)


def _solved(cell: Crop, blur: float, offset: float) -> tuple[float, NDArray[np.float64]]:
    """Residual and amounts for the outline moved inwards by `offset`."""
    from scipy import ndimage

    depth = cell.depth - np.float32(offset)
    inner = np.clip(depth - LINE + 0.5, 0, 1)
    line = np.clip(depth + 0.5, 0, 1) - inner
    nucleus = cell.nucleus * inner
    parts: NDArray[Any] = np.stack([line, inner - nucleus, nucleus])
    areas = parts.sum(axis=(1, 2), dtype=float)
    kernel = _gaussian(blur)
    for axis in (1, 2):
        parts = ndimage.correlate1d(parts, kernel, axis=axis, mode="constant")
    wide = parts[:, cell.counts].astype(float)
    seen = cell.signal[cell.counts].astype(float)
    coefficients, loss = _non_negative(wide @ wide.T, wide @ seen, float(seen @ seen))
    return loss, coefficients * areas


def _gaussian(blur: float) -> NDArray[np.float64]:
    """Weights of a Gaussian out to three standard deviations, adding up to 1."""
    reach = max(1, int(3 * blur + 0.5))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / blur) ** 2)
    return weights / weights.sum()


def _non_negative(
    gram: NDArray[np.float64], right: NDArray[np.float64], size: float
) -> tuple[NDArray[np.float64], float]:
    """Least squares with three coefficients of zero or more: the best of the seven sets that may be positive."""
    best, found = size, np.zeros(3)
    for parts in SUBSETS:
        own = list(parts)
        block = gram[np.ix_(own, own)]
        if np.linalg.det(block) <= 1e-12 * np.prod(np.diag(block)):
            continue
        solved = np.linalg.solve(block, right[own])
        loss = size - float(solved @ right[own])
        if (solved >= 0).all() and loss < best:
            best, found = loss, np.zeros(3)
            found[own] = solved
    return found, best
