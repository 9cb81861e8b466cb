"""Where a stained protein lies in cells: per cell, then per field, then per experiment.

Cells are repeats within a field, fields within an experiment: the median of a field's cells, then the median of
an experiment's fields, is one value. Nothing is tested below that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import polars as pl

from sequela.bench.cells import Cells, same_shape
from sequela.bench.compartments import BLURS, crops, estimate_blur, unmix
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.bench.pictures import Picture

RING: Final = (2.0, 5.0)  # pixels outside the nucleus
CLIPPED: Final = 0.001
MEASURES: Final = ("membrane", "cytoplasm", "nucleus", "integrated", "mean", "nuclear_ratio")

Modality = Literal["confocal", "widefield"]


@dataclass(frozen=True, slots=True, eq=False)
class Localised:
    """One field: a row a cell, the ground that was taken away, the blur, and what limits the measurement."""

    cells: pl.DataFrame
    ground: float
    blur: float
    findings: tuple[Finding, ...]


def cell_means(labels: NDArray[Any], *channels: NDArray[Any]) -> NDArray[np.float64]:
    """Mean of each channel over each label: cells (labels from 1) x channels; NaN for a label that is not there."""
    same_shape(labels=labels, **{f"channel {at + 1}": one for at, one in enumerate(channels)})
    flat = labels.ravel()
    counts = np.bincount(flat)[1:]
    sums = [np.bincount(flat, one.ravel().astype(float))[1:] for one in channels]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([total / counts for total in sums], axis=1)


def localise(
    target: Picture,
    found: Cells,
    *,
    blur: float | None = None,
    ground: float | None = None,
    modality: Modality = "widefield",
) -> Localised:
    """Every cell's membrane, cytoplasm and nucleus, amounts and ratios.

    Args:
        target: the stained protein, unmodified.
        found: cells and nuclei of the same field.
        blur: standard deviation of the microscope's Gaussian in pixels (of beads, or of `pooled_blur`); found from
            this field's cells by default.
        ground: signal without cells (of a secondary-only control); the median outside cells by default.
        modality: how the picture was taken.

    Returns:
        A row a cell: `cell`, `area`, `mean`, `integrated`, `membrane`, `cytoplasm`, `nucleus` (shares that add up to
        1), `nuclear_ratio` (mean in the nucleus / mean 2 to 5 pixels outside it), `saturated`, `offset` (pixels
        by which the outline was moved inwards to where the membrane lies), `unused`.

    Raises:
        DataError: I140, the target and the labels are not of one shape.
    """
    pixels = target.pixels.astype(float)
    same_shape(target=pixels, labels=found.cells)
    outside = pixels[found.cells == 0]
    findings = [*target.findings, *found.findings]
    if ground is None:
        if outside.size < 0.02 * pixels.size:
            findings.append(_crowded(outside.size / pixels.size))
        ground = float(np.median(outside)) if outside.size else float(pixels.min())
    cut = crops(pixels, found.cells, found.nuclei, ground)
    width = estimate_blur(cut) if blur is None else blur
    if blur is None and cut:
        findings += doubtful_blur(width)
    rows = _unmixed_rows(cut, width)
    frame = _measured(pixels, found, ground, target.clipped, rows)
    findings += _limits(frame, modality)
    return Localised(frame, ground, width, tuple(findings))


def pooled_blur(fields: list[tuple[Picture, Cells]], most: int = 16) -> float:
    """One blur for pictures of one microscope: the least residual over cells of all fields."""
    cut = [
        one
        for target, found in fields
        for one in crops(
            target.pixels, found.cells, found.nuclei, float(np.median(target.pixels[found.cells == 0]))
        )
    ]
    return estimate_blur(cut, most)


def _unmixed_rows(cut: list[Any], width: float) -> dict[int, Any]:
    """Each cell unmixed; the first ten find the outline's usual shift, where the others begin."""
    first = [unmix(one, width) for one in cut[:10]]
    known = [one.offset for one in first if one.reason is None]
    start = float(np.median(known)) if known else None
    return {one.label: one for one in (*first, *(unmix(one, width, start) for one in cut[10:]))}


def _measured(
    pixels: NDArray[np.float64],
    found: Cells,
    ground: float,
    clipped: NDArray[np.bool_],
    unmixed: dict[int, Any],
) -> pl.DataFrame:
    above = pixels - ground
    means = cell_means(found.cells, above, clipped.astype(float))
    areas = np.bincount(found.cells.ravel(), minlength=len(means) + 1)[1:]
    ratio = nuclear_ratio(above, found.nuclei)
    labels = np.flatnonzero(areas) + 1
    rows: list[tuple[Any, ...]] = []
    for label in labels.tolist():
        at = label - 1
        one = unmixed.get(label)
        shares = one.fractions if one else (np.nan,) * 3
        saturated = float(means[at, 1])
        unused = "cut by the picture's edge" if one is None else one.reason
        unused = "saturated" if saturated > CLIPPED else unused
        rows.append((label, int(areas[at]), means[at, 0], means[at, 0] * areas[at], *shares,
                     ratio.get(label, np.nan), saturated, one.offset if one else np.nan, unused))  # fmt: skip
    numbers = (
        "mean",
        "integrated",
        "membrane",
        "cytoplasm",
        "nucleus",
        "nuclear_ratio",
        "saturated",
        "offset",
    )
    kinds = {"cell": pl.Int64, "area": pl.Int64} | dict.fromkeys(numbers, pl.Float64) | {"unused": pl.String}
    return pl.DataFrame(rows, schema=kinds, orient="row").with_columns(pl.col(*numbers).fill_nan(None))


def nuclear_ratio(above: NDArray[np.float64], nuclei: NDArray[np.int64]) -> dict[int, float]:
    """Mean in each nucleus over the mean in the ring 2 to 5 pixels outside it; pixels go to the nearest nucleus."""
    from scipy import ndimage

    if not nuclei.any():
        return {}
    far, nearest = ndimage.distance_transform_edt(nuclei == 0, return_indices=True)  # type: ignore[misc]
    near = nuclei[tuple(nearest)]
    ring = np.where((far >= RING[0]) & (far <= RING[1]), near, 0)
    inside = cell_means(nuclei, above)[:, 0]
    around = np.full(len(inside), np.nan)
    seen = cell_means(ring, above)[:, 0]
    around[: len(seen)] = seen
    return {at + 1: float(inside[at] / around[at]) for at in range(len(inside)) if around[at] > 0}


def per_experiment(cells: pl.DataFrame, measure: str) -> pl.DataFrame:
    """One value a culture and experiment: the median over fields of the median over usable cells.

    `cells` are rows of `localise` with `culture`, `experiment` and `field` beside them. Returns `culture`,
    `experiment`, `value`, `fields`, `cells`.
    """
    used = cells.filter(pl.col("unused").is_null() & pl.col(measure).is_not_null())
    keys = ["culture", "experiment"]
    fields = used.group_by(*keys, "field", maintain_order=True).agg(
        pl.col(measure).median(), pl.len().alias("cells")
    )
    return fields.group_by(keys, maintain_order=True).agg(
        pl.col(measure).median().alias("value"), pl.len().alias("fields"), pl.col("cells").sum()
    )


def _crowded(share: float) -> Finding:
    message = "hardly any ground between the cells: the background is a guess"
    return Finding("I150", "warning", message, Where(field="target"), f"{100 * share:.1f} % of pixels",
                   "2 % or more", "give `ground` from a secondary-only control")  # fmt: skip


def doubtful_blur(width: float) -> list[Finding]:
    """I151 where the blur lies at the end of the range that is looked through: cells without edges, say."""
    if BLURS[0] + 0.1 < width < BLURS[1] - 0.1:
        return []
    message = "the blur of the microscope cannot be found from these cells"
    return [
        Finding("I151", "warning", message, Where(field="target"), f"{width:.1f} pixels",
                f"{BLURS[0]:g} to {BLURS[1]:g}", "give `blur` from beads; shares hang on it")
    ]  # fmt: skip


def _limits(frame: pl.DataFrame, modality: Modality) -> list[Finding]:
    found: list[Finding] = []
    saturated = frame.filter(pl.col("unused") == "saturated").height
    if saturated:
        found.append(
            Finding("I152", "warning", "cells with saturated pixels are not used", Where(field="target"),
                    f"{saturated} of {frame.height} cells", f"at most {100 * CLIPPED:g} % of a cell's pixels",
                    "expose for a shorter time")
        )  # fmt: skip
    if modality == "widefield":
        found.append(
            Finding("I153", "warning", "widefield: membrane above and below the nucleus is counted as nucleus",
                    Where(field="modality"), modality, "confocal", "show nuclear protein in fractions, or confocally")
        )  # fmt: skip
    return found
