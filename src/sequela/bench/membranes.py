"""HER2 on membranes of a slide: how complete and how dark each cell's rim is, and the score that a table makes of it.

The outline of a cell is cut into sectors; in each the darkest DAB of a narrow band across the outline, above the
median of the cell's inside, is the membrane's. A sector is stained from the first cut on. A cell's completeness is the
share of its sectors that are stained, its intensity the median of those. Cuts belong to a batch with its controls.
For research: the measurement does not know which cells are invasive tumour; a patient's score is a pathologist's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where
from sequela.study.biomarkers import call

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.bench.cells import Cells

SECTORS: Final = 24
COMPLETE: Final = 0.8  # share of the sectors from which a rim counts as complete
ANY: Final = 0.1  # and under which a cell counts as unstained
FEW: Final = 100  # cells under which a percentage is coarse
CLASSES: Final = (
    "intense_complete",
    "moderate_complete",
    "moderate_incomplete",
    "faint_incomplete",
    "none",
)


@dataclass(frozen=True, slots=True, eq=False)
class Membranes:
    """A slide's membranes.

    Attributes:
        cells: a row a cell: `cell`, `completeness` (0 to 1), `intensity` (OD of stained sectors), `class`, `unused`.
        shares: per cent of the used cells in each of CLASSES.
        percent: per cent of the used cells with any membrane staining.
        score: 0, 1+, 2+ or 3+; None where the table does not place the pattern.
        reason: of the score, in the table's words.
        edition: of the table.
        findings: few cells, no cells.
    """

    cells: pl.DataFrame
    shares: dict[str, float]
    percent: float
    score: str | None
    reason: str
    edition: str
    findings: tuple[Finding, ...]


def membrane_score(
    dab: NDArray[Any],
    found: Cells,
    cuts: tuple[float, float, float],
    *,
    edition: str = "2018",
    reach: float = 3.0,
    complete: float = COMPLETE,
) -> Membranes:
    """Every cell's rim, the percentages of its classes, and the HER2 score by ASCO/CAP.

    Args:
        dab: optical density of DAB, rows x columns (`sequela.bench.stains.separate`).
        found: cells of the same picture; those cut by its edge are not used.
        cuts: OD above the cell's inside from which a sector is faint (or weak), moderate, intense.
        edition: 2013, 2018 or 2023.
        reach: how far across the outline the membrane is looked for, pixels.
        complete: share of the sectors from which a rim counts as complete.

    Raises:
        DataError: I140, shapes differ; I144, no cell can be used.
    """
    if dab.shape != found.cells.shape:
        raise DataError(
            Finding("I140", "error", "channels and labels are not of one shape",
                    found=f"{dab.shape}, {found.cells.shape}", allowed="one shape for all",
                    remedy="crop or export them from the same field and size")
        )  # fmt: skip
    rows = [_cell(label, rim, cuts, complete) for label, rim in _rims(dab, found.cells, reach)]
    kinds = {"cell": pl.Int64, "completeness": pl.Float64, "intensity": pl.Float64, "class": pl.String,
             "unused": pl.String}  # fmt: skip
    frame = pl.DataFrame(rows, schema=kinds, orient="row").with_columns(pl.col("intensity").fill_nan(None))
    used = frame.filter(pl.col("unused").is_null())
    if used.is_empty():
        raise DataError(
            Finding("I144", "error", "the mask is empty", Where(field="mask"), "no cell", "at least one cell",
                    "look at the segmentation before anything is measured in it")
        )  # fmt: skip
    shares = {name: 100.0 * used.filter(pl.col("class") == name).height / used.height for name in CLASSES}
    called = call(f"her2-ihc-{edition}", **{name: [shares[name]] for name in CLASSES[:-1]})
    score, reason = called.value[0], str(called.reason[0] or "")
    return Membranes(
        frame, shares, 100.0 - shares["none"], None if score is None else str(score), reason, edition,
        _few(used.height),
    )  # fmt: skip


def _few(cells: int) -> tuple[Finding, ...]:
    if cells >= FEW:
        return ()
    return (
        Finding("I173", "warning", "few cells: percentages are coarse", Where(field="mask"), f"{cells} cells",
                f"{FEW} or more", "measure more fields of the slide"),
    )  # fmt: skip


def _rims(
    dab: NDArray[Any], cells: NDArray[Any], reach: float
) -> list[tuple[int, NDArray[np.float64] | None]]:
    """Every cell with the membrane's OD in each sector, or None where the picture's edge cuts the cell."""
    from scipy import ndimage

    soft: NDArray[np.float64] = np.asarray(ndimage.gaussian_filter(np.asarray(dab, float), 0.7))
    margin = int(np.ceil(reach)) + 1
    found: list[tuple[int, NDArray[np.float64] | None]] = []
    for label, box in enumerate(ndimage.find_objects(cells), 1):
        if box is None:
            continue
        if any(part.start == 0 or part.stop == size for part, size in zip(box, cells.shape, strict=True)):
            found.append((label, None))
            continue
        window = tuple(
            slice(max(0, part.start - margin), min(size, part.stop + margin))
            for part, size in zip(box, cells.shape, strict=True)
        )
        found.append((label, _sectors(soft[window], cells[window] == label, reach)))
    return found


def _sectors(dab: NDArray[np.float64], own: NDArray[np.bool_], reach: float) -> NDArray[np.float64]:
    """Darkest DAB across the outline in each sector, above the median of the inside; NaN without an outline."""
    from scipy import ndimage

    inside: Any = ndimage.distance_transform_edt(own)
    outside: Any = ndimage.distance_transform_edt(~own)
    depth = np.where(own, inside - 0.5, 0.5 - outside)
    band = np.abs(depth) <= reach
    core = depth > reach + 1
    ground = float(np.median(dab[core])) if core.any() else 0.0
    y, x = np.nonzero(band)
    cy, cx = np.argwhere(own).mean(axis=0)
    sector = ((np.arctan2(y - cy, x - cx) / (2 * np.pi) + 0.5) * SECTORS).astype(int) % SECTORS
    darkest = np.full(SECTORS, -np.inf)
    np.maximum.at(darkest, sector, dab[y, x])
    return np.where(np.isfinite(darkest), darkest - ground, np.nan)


def _cell(
    label: int, rim: NDArray[np.float64] | None, cuts: tuple[float, float, float], complete: float
) -> tuple[int, float | None, float, str | None, str | None]:
    if rim is None:
        return label, None, np.nan, None, "cut by the picture's edge"
    seen = rim[~np.isnan(rim)]
    stained = seen[seen >= cuts[0]]
    share = len(stained) / len(seen) if len(seen) else 0.0
    if share < ANY:
        return label, share, np.nan, "none", None
    dark = float(np.median(stained))
    return label, share, dark, _class(share >= complete, dark, cuts), None


def _class(whole: bool, dark: float, cuts: tuple[float, float, float]) -> str:
    if whole:
        return "intense_complete" if dark >= cuts[2] else "moderate_complete"
    return "moderate_incomplete" if dark >= cuts[1] else "faint_incomplete"
