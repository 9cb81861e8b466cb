"""What a report prints of pictures and biopsies: one frozen noun per kind of analysis, filled by `sequela.walk`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sequela.bench.biopsies import Biopsies
    from sequela.report.content import Heading
    from sequela.report.figures.biopsy_pairs import Slopes
    from sequela.report.figures.blot_figure import Quantified
    from sequela.report.figures.blot_strips import BlotPicture
    from sequela.report.figures.fields import Field
    from sequela.report.figures.slides import Slide
    from sequela.report.figures.superplot import Super


@dataclass(frozen=True, slots=True, eq=False)
class Blotted:
    """Blots as they were taken, and every target by culture and experiment.

    Attributes:
        scale: what the values are, as the axis says it: `Relative to CTR`.
        blots: from `strips_of`, in the order of the study; empty where only a band table was given.
        quantities: one a target, cultures in the order of the analysis.
    """

    heading: Heading
    scale: str
    blots: tuple[BlotPicture, ...]
    quantities: tuple[Quantified, ...]
    simulated: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Located:
    """One culture's cells: how many, those left out by reason, and (measure, mean, SD) of experiments."""

    label: str
    experiments: int
    fields: int
    cells: int
    left_out: tuple[tuple[str, int], ...]
    levels: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Pictured:
    """Where a protein lies in cells: a field of each culture, and one value an experiment.

    Attributes:
        target, nuclear: names of the stains.
        response: what the superplot shows, as its axis says it.
        pixel_um: size of a pixel in micrometres, where it is known.
        fields: one a culture, from `field_of`; empty where a table of cells was given.
        groups: cells as small dots, `large` the values of experiments.
        located: one a culture.
    """

    heading: Heading
    target: str
    nuclear: str
    response: str
    pixel_um: float | None
    fields: tuple[Field, ...]
    groups: tuple[Super, ...]
    located: tuple[Located, ...]
    simulated: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Biopsied:
    """Biopsies before and after: statuses, what was converted, and exact paired tests.

    Attributes:
        found: the table with its statuses and changes.
        slopes: one a measure, from `slopes_of`, each with its test.
        slides: pictures, from `slide_of`; usually none.
        pixel_um: size of a pixel of the slides in micrometres, where it is known.
    """

    heading: Heading
    found: Biopsies
    slopes: tuple[Slopes, ...]
    slides: tuple[Slide, ...]
    simulated: bool
    notes: tuple[str, ...] = ()
    pixel_um: float | None = None


ImageContent = Blotted | Pictured | Biopsied
