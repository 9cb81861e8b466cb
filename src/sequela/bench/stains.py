"""Brown and blue: DAB and haematoxylin separated by optical density, percent positive and H-score.

OD = -log10((I + 1) / (I0 + 1)) = amounts x stain vectors (Beer-Lambert; Ruifrok and Johnston 2001), for two stains by
least squares without clipping; what two stains cannot explain is the residual. Densities depend on stainer,
thickness and scanner: thresholds belong to a batch with its own controls.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from sequela.bench.pictures import measurable
from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from sequela.bench.pictures import Picture

H_DAB: Final = ((0.650, 0.704, 0.286), (0.268, 0.570, 0.776))
UNEXPLAINED: Final = 0.10


@dataclass(frozen=True, slots=True, eq=False)
class Stained:
    """Amounts of haematoxylin and DAB (rows x columns each), the unexplained OD (root mean square), and findings."""

    haematoxylin: NDArray[np.float64]
    dab: NDArray[np.float64]
    residual: float
    white: tuple[float, float, float]
    findings: tuple[Finding, ...]


def separate(
    source: Picture, vectors: ArrayLike = H_DAB, white: tuple[float, float, float] | None = None
) -> Stained:
    """The two stains of a colour picture.

    Args:
        source: rows x columns x 3, unmodified.
        vectors: OD of haematoxylin and of DAB in red, green and blue, any length; see `stain_vectors`.
        white: light without tissue; the 99.5th percentile of each colour by default.

    Raises:
        DataError: I170, no colour picture; I102, lossy compression; I107, a few colours.
    """
    measurable(source)
    if source.pixels.ndim != 3 or source.pixels.shape[-1] != 3:
        raise DataError(
            Finding("I170", "error", "stains are separated in a colour picture", Where(source.name or None),
                    f"shape {source.pixels.shape}", "rows x columns x 3", "give the scanner's colours")
        )  # fmt: skip
    density, light = _density(source, white)
    unit = np.asarray(vectors, float)
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    amounts = density @ np.linalg.pinv(unit)
    left = float(np.sqrt(np.mean((density - amounts @ unit) ** 2)))
    findings = list(source.findings)
    if left > UNEXPLAINED:
        findings.append(
            Finding("I171", "warning", "two stains do not explain the colours", Where(source.name or None),
                    f"residual OD {left:.2f}", f"at most {UNEXPLAINED:g}",
                    "estimate the stain vectors of this batch, or leave out pigment and folds")
        )  # fmt: skip
    return Stained(amounts[..., 0], amounts[..., 1], left, light, tuple(findings))


def _density(
    source: Picture, white: tuple[float, float, float] | None
) -> tuple[NDArray[np.float64], tuple[float, float, float]]:
    values = source.pixels.astype(float)
    light = np.percentile(values, 99.5, axis=(0, 1)) if white is None else np.asarray(white, float)
    r, g, b = light.tolist()
    return -np.log10((values + 1) / (light + 1)), (r, g, b)


def stain_vectors(source: Picture, least: float = 0.15) -> NDArray[np.float64]:
    """Stain vectors of a picture itself: haematoxylin, then DAB, each of length 1 (Macenko et al. 2009).

    Pixels of an OD above `least` lie near a plane; the extreme directions in it (1st and 99th percentile of the
    angle) are the stains. The one with more blue absorption (a browner stain) is DAB.
    """
    density = _density(source, None)[0].reshape(-1, 3)
    dark = density[(density > least).any(axis=1)]
    if len(dark) < 100:
        raise DataError(
            Finding("I172", "error", "too little stain to find its colours", Where(source.name or None),
                    f"{len(dark)} pixels", "100 or more", "take a picture with both stains, or published vectors")
        )  # fmt: skip
    plane = np.linalg.eigh(np.cov(dark.T))[1][:, :0:-1]
    plane = plane * np.where(plane.sum(axis=0) < 0, -1, 1)
    flat = dark @ plane
    angle = np.arctan2(flat[:, 1], flat[:, 0])
    ends = [plane @ np.array([np.cos(at), np.sin(at)]) for at in np.percentile(angle, [1, 99])]
    ends.sort(key=lambda vector: vector[2] / np.abs(vector).sum())
    return np.array([vector / np.linalg.norm(vector) for vector in ends])


def h_score(intensity: ArrayLike, cuts: tuple[float, float, float]) -> tuple[float, float, dict[str, float]]:
    """H-score (0 to 300), percent positive, and the percentages 0, 1+, 2+, 3+, of one value a cell.

    H = % weak + 2 x % moderate + 3 x % strong (McCarty et al. 1985), at three cuts of the batch: a cell on a cut
    counts upwards. Raises DataError: I144, no cell.
    """
    values = np.asarray(intensity, float)
    values = values[~np.isnan(values)]
    if not len(values):
        raise DataError(
            Finding("I144", "error", "the mask is empty", Where(field="mask"), "no cell", "at least one cell",
                    "look at the segmentation before anything is measured in it")
        )  # fmt: skip
    level = np.searchsorted(np.asarray(cuts, float), values, side="right")
    shares = 100 * np.bincount(level, minlength=4) / len(values)
    score = float(shares @ np.arange(4))
    return score, float(shares[1:].sum()), dict(zip(("0", "1+", "2+", "3+"), shares.tolist(), strict=True))
