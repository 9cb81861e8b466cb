"""What a report prints of pictures and biopsies: one frozen noun per kind of analysis, filled by `sequela.walk`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sequela.report.content import Heading
    from sequela.report.figures.blot_figure import Quantified
    from sequela.report.figures.blot_strips import BlotPicture


@dataclass(frozen=True, slots=True, eq=False)
class Blotted:
    """Blots as they were taken, and every target by culture and experiment.

    Attributes:
        reference: label of the culture that every value is relative to.
        blots: from `strips_of`, in the order of the study; empty where only a band table was given.
        quantities: one a target, cultures in the order of the analysis.
    """

    heading: Heading
    reference: str
    blots: tuple[BlotPicture, ...]
    quantities: tuple[Quantified, ...]
    simulated: bool
    notes: tuple[str, ...] = ()


ImageContent = Blotted
