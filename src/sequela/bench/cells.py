"""Nuclei and cells: thresholds, distance watershed, Voronoi cells, or any labels of your own.

One number names one cell and its nucleus: both label images share it, 0 is the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.bench.pictures import images_extra
from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from numpy.typing import NDArray

SOLID: Final = 0.80  # a nucleus fills this much of its convex hull
LOSS: Final = 0.5  # share of nuclei left out from which the segmentation is doubted


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Label images of nuclei and cells under one numbering, and how many candidates were left out, by reason."""

    nuclei: NDArray[np.int64]
    cells: NDArray[np.int64]
    left_out: tuple[tuple[str, int], ...]
    method: str
    findings: tuple[Finding, ...] = ()

    @property
    def count(self) -> int:
        """How many cells there are."""
        return len(np.unique(self.cells[self.cells > 0]))


def find_nuclei(
    stain: NDArray[Any],
    *,
    diameter: float,
    smooth: float = 2.0,
    local: bool = False,
    keep_edge: bool = True,
) -> tuple[NDArray[np.int64], tuple[tuple[str, int], ...]]:
    """Nuclei of a nuclear stain: smoothed, thresholded, split where they touch.

    Args:
        stain: rows x columns.
        diameter: of a usual nucleus in pixels; from a third to three times its area is kept.
        smooth: standard deviation of the smoothing.
        local: threshold against the surroundings (five diameters) instead of one threshold (Otsu 1979).
        keep_edge: keep nuclei that touch the picture's edge.

    Returns:
        Labels from 1, and how many objects were left out for which reason. Touching nuclei are split at the
        watershed of the distance to the ground, seeded at its peaks half a radius apart (Vincent and Soille 1991).
    """
    from scipy import ndimage

    filters, segmentation = images_extra("skimage.filters"), images_extra("skimage.segmentation")
    feature, measure = images_extra("skimage.feature"), images_extra("skimage.measure")
    soft = ndimage.gaussian_filter(stain.astype(float), smooth)
    if soft.max() <= soft.min():
        return np.zeros(stain.shape, np.int64), (("nothing but ground", 1),)
    level: Any = filters.threshold_otsu(soft)
    if local:
        block = int(5 * diameter) // 2 * 2 + 1
        level = np.maximum(filters.threshold_local(soft, block, offset=0), 0.5 * level)
    mask = ndimage.binary_fill_holes(soft > level)
    far = ndimage.gaussian_filter(np.asarray(ndimage.distance_transform_edt(mask)), 1.0)
    seeds = feature.peak_local_max(far, min_distance=max(1, round(diameter / 4)), labels=measure.label(mask))
    markers = np.zeros(stain.shape, np.int64)
    markers[tuple(seeds.T)] = np.arange(1, len(seeds) + 1)
    found = segmentation.watershed(-far, markers, mask=mask)
    return _kept(found, np.pi * diameter**2 / 4, keep_edge)


def _kept(
    labels: NDArray[Any], usual: float, keep_edge: bool
) -> tuple[NDArray[np.int64], tuple[tuple[str, int], ...]]:
    """Labels without what is too small, too large, too ragged or cut by the edge, numbered anew."""
    measure = images_extra("skimage.measure")
    reasons: dict[str, int] = {}
    new = np.zeros(int(labels.max()) + 1, np.int64)
    number = 0
    for one in measure.regionprops(labels):
        top, left, bottom, right = one.bbox
        edge = top == 0 or left == 0 or bottom == labels.shape[0] or right == labels.shape[1]
        if edge and not keep_edge:
            reason = "cut by the edge"
        elif one.area < usual / (8 if edge else 3):
            reason = "too small"
        elif one.area > 3 * usual:
            reason = "too large"
        elif one.solidity < SOLID and not edge:
            reason = "too ragged"
        else:
            number += 1
            new[one.label] = number
            continue
        reasons[reason] = reasons.get(reason, 0) + 1
    return new[labels], tuple(sorted(reasons.items()))


def find_cells(
    nuclear: NDArray[Any],
    *,
    diameter: float,
    marker: NDArray[Any] | None = None,
    reach: float | None = None,
    local: bool = False,
) -> Cells:
    """Nuclei, and the cell around each.

    Args:
        nuclear: the nuclear stain.
        diameter: of a usual nucleus, in pixels.
        marker: a stain that fills cells; cells are its foreground (triangle threshold, Zack 1977), split by
            watershed from the nuclei. Without it a cell is what lies nearest to its nucleus (Voronoi).
        reach: how far a cell goes beyond its nucleus, in pixels; two thirds of a diameter without a marker,
            twice the diameter with one.
        local: see `find_nuclei`.

    Raises:
        DataError: I140, pictures of different shapes; I141, no nucleus was found.
    """
    from scipy import ndimage

    if marker is not None:
        same_shape(nuclear=nuclear, marker=marker)
    nuclei, left = find_nuclei(nuclear, diameter=diameter, local=local)
    if not nuclei.any():
        raise DataError(_none_found(diameter, left))
    segmentation = images_extra("skimage.segmentation")
    if marker is None:
        cells = segmentation.expand_labels(nuclei, reach or 2 * diameter / 3)
        method = "Voronoi cells around nuclei"
    else:
        soft = ndimage.gaussian_filter(marker.astype(float), 2.0)
        ground = soft > images_extra("skimage.filters").threshold_triangle(soft)
        far = np.asarray(ndimage.distance_transform_edt(nuclei == 0))
        filled: Any = ndimage.binary_fill_holes(ground & (far <= (reach or 2 * diameter)))
        cells = segmentation.watershed(far, nuclei, mask=filled | (nuclei > 0))
        method = "marker's foreground, watershed from nuclei"
    count, out = int(nuclei.max()), sum(n for _, n in left)
    findings = (_doubt(count, out, left),) if out > LOSS * (count + out) else ()
    return Cells(nuclei, cells.astype(np.int64), left, method, findings)


def from_labels(cells: NDArray[Any], nuclei: NDArray[Any] | None = None) -> Cells:
    """Cells of your own label images; a nucleus belongs to the cell that holds most of it.

    Nuclei without a cell, and parts of a nucleus outside its cell, are left out; a cell may have several nuclei
    (they become one label). Raises DataError: I140, shapes differ; I142, an empty or negative label image.
    """
    whole = np.asarray(cells)
    if (
        whole.ndim != 2
        or not (whole > 0).any()
        or (whole < 0).any()
        or not np.array_equal(whole, np.floor(whole))
    ):
        raise DataError(
            Finding("I142", "error", "the label image names no cells", found=f"shape {whole.shape}",
                    allowed="whole numbers, 0 the ground, rows x columns", remedy="export labels, not outlines")
        )  # fmt: skip
    whole = whole.astype(np.int64)
    if nuclei is None:
        return Cells(np.zeros_like(whole), whole, (), "labels given")
    same_shape(cells=whole, nuclei=np.asarray(nuclei))
    raw = np.asarray(nuclei).astype(np.int64)
    if not (raw > 0).any():
        raise DataError(
            Finding("I142", "error", "the label image names no nuclei", found=f"shape {raw.shape}",
                    allowed="whole numbers, 0 the ground, rows x columns",
                    remedy="export their labels, or leave `nuclei` out: the nucleus is then not measured")
        )  # fmt: skip
    owner = np.zeros(int(raw.max()) + 1, np.int64)
    pairs, counts = np.unique(np.stack([raw[raw > 0], whole[raw > 0]]), axis=1, return_counts=True)
    order = np.argsort(counts, kind="stable")  # the largest share is written last
    owner[pairs[0, order]] = pairs[1, order]
    lost = int((owner[np.unique(raw[raw > 0])] == 0).sum())
    matched = np.where(owner[raw] == whole, owner[raw], 0)
    left = (("nucleus without a cell", lost),) if lost else ()
    return Cells(matched, whole, left, "labels given")


def same_shape(**pictures: NDArray[Any]) -> None:
    """Refuse pictures of different shapes (I140)."""
    shapes = {name: one.shape for name, one in pictures.items()}
    if len(set(shapes.values())) > 1:
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise DataError(
            Finding("I140", "error", "channels and labels are not of one shape", found=found,
                    allowed="one shape for all", remedy="crop or export them from the same field and size")
        )  # fmt: skip


def _none_found(diameter: float, left: tuple[tuple[str, int], ...]) -> Finding:
    found = ", ".join(f"{n} {reason}" for reason, n in left) or "no object"
    return Finding("I141", "error", "no nucleus was found", Where(field="nuclear"), found,
                   f"nuclei of about {diameter:g} pixels", "check the channel and the diameter in pixels")  # fmt: skip


def _doubt(count: int, out: int, left: tuple[tuple[str, int], ...]) -> Finding:
    shown = ", ".join(f"{n} {reason}" for reason, n in left)
    return Finding("I143", "warning", "more objects were left out than kept as nuclei", Where(field="nuclear"),
                   f"{count} kept; {shown}", None, "look at the outlines; correct the diameter")  # fmt: skip
