"""Slides of biopsies as they are printed: the file's own colours, and beside them DAB with what counts as positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sequela.report.figures.fields import middle_square
from sequela.report.figures.page import Box, Page, clean, line_height
from sequela.report.figures.plot import SMALL
from sequela.report.figures.rasters import Limits, grey_levels, place, scale_bar
from sequela.report.palette import INK, MUTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sequela.bench.pictures import Picture
    from sequela.bench.stains import Stained
    from sequela.core.finding import Finding

POSITIVE: Final = np.array([0.75, 0.31, 0.0])  # of the palette's orange, red green and blue
GAP: Final = 1.2


@dataclass(frozen=True, slots=True, eq=False)
class Slide:
    """One slide.

    Attributes:
        patient, time, name: of the biopsy ("before", "after"), and the file.
        colours: rows x columns x 3 as stored, `ceiling` their largest value.
        dab: optical density of DAB; positive from `threshold` on.
        findings: what limits the measurement.
    """

    patient: str
    time: str
    name: str
    colours: NDArray[Any]
    ceiling: float
    dab: NDArray[Any]
    threshold: float
    findings: tuple[Finding, ...] = ()

    @property
    def positive(self) -> float:
        """Share of the picture's pixels from the threshold on."""
        return float((self.dab >= self.threshold).mean())


def slide_of(source: Picture, stained: Stained, *, patient: str, time: str, threshold: float) -> Slide:
    """A slide whose stains `bench.stains.separate` has parted; eight bits a colour are usual and not noted."""
    told = tuple(finding for finding in stained.findings if finding.code != "I103")
    return Slide(
        patient, time, source.name, source.pixels, source.ceiling, stained.dab, threshold, told
    )  # fmt: skip


def densities(slides: Sequence[Slide]) -> Limits:
    """One scale of DAB for all slides: white at none, black at the largest 99.8th percentile."""
    return Limits(0.0, max(float(np.percentile(one.dab, 99.8)) for one in slides))


def marked_dab(dab: NDArray[Any], threshold: float, limits: Limits) -> NDArray[np.uint8]:
    """DAB dark on white, orange from the threshold on; darker is always more."""
    grey = grey_levels(dab, limits, inverted=True)
    tone = (grey[..., :1] / 255 * 0.75 + 0.25) * 255
    orange = np.clip(tone * (POSITIVE + (1 - POSITIVE) * 0.25), 0, 255).astype(np.uint8)
    return np.where((dab >= threshold)[..., None], orange, grey)


def draw_slide(
    page: Page, one: Slide, at: tuple[float, float, float], side: int, limits: Limits, pixel_um: float | None
) -> None:
    """A slide at (left, top) with panels of a size in mm: its colours, then DAB."""
    left, top, size = at
    cut = middle_square(one.dab.shape, side)
    top += line_height(SMALL) + 0.6
    whole = one.ceiling if np.isfinite(one.ceiling) else float(one.colours.max())
    seen = np.clip(np.round(one.colours[cut] / whole * 255), 0, 255).astype(np.uint8)
    boxes = [Box(x, top, x + size, top + size) for x in (left, left + size + GAP)]
    place(page, boxes[0], seen)
    place(page, boxes[1], marked_dab(one.dab[cut], one.threshold, limits))
    for nth, box in enumerate(boxes):
        page.rectangle(box, edge=MUTED, width=0.3)
        if pixel_um is not None:
            scale_bar(page, box, side, pixel_um, colour=INK, named=nth == 0, ground="#FFFFFFCC")
    middle = top - line_height(SMALL) / 2 - 0.2
    page.text(left, middle, f"{clean(one.time).capitalize()}", size=SMALL, weight="bold")
    words = f"DAB {100 * one.positive:.0f}% of the area"
    page.text(boxes[1].left, middle, words, size=SMALL, colour=MUTED)


def slide_height(size: float) -> float:
    """Height in mm of one slide with its words."""
    return line_height(SMALL) + 0.6 + size + 2.0
