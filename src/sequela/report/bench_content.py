"""What a report of the bench prints: one frozen noun per kind of analysis, filled by `sequela.walk`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sequela.report.image_content import ImageContent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.bench.plates import Quality
    from sequela.core.estimate import Estimate, Test
    from sequela.estimates.experiments import Compared
    from sequela.report.content import Heading
    from sequela.report.figures.dose_curves import DoseCurve
    from sequela.report.figures.growth_curves import GrowthCurve
    from sequela.report.figures.plate import PlateMap
    from sequela.report.figures.superplot import Super


@dataclass(frozen=True, slots=True)
class Who:
    """A culture with what it lived through, and how often each assay read it: (assay, experiments, wells)."""

    label: str
    line: str
    history: str
    read: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Account:
    """What became of an assay's rows: read, used, and left out by reason."""

    assay: str
    read: int
    used: int
    left_out: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Comparisons:
    """One value an experiment compared: the recommended test, and the paper's beside it.

    Attributes:
        quantity: what is compared, in words.
        scheme: of the stars.
        recommended, paper: one a condition against the reference; `paper` is empty where none is asked for.
        labels: printed names of the conditions.
        overall: one test over all conditions, where there are three or more.
        adjustment: of the recommended p-values.
    """

    quantity: str
    scheme: str
    recommended: tuple[Compared, ...]
    paper: tuple[Compared, ...]
    labels: Mapping[str, str]
    overall: Test | None
    adjustment: str


@dataclass(frozen=True, slots=True)
class CurveRow:
    """One culture's curve: experiments, wells, and what is read off it."""

    label: str
    experiments: int
    wells: int
    numbers: tuple[tuple[str, Estimate], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FittedCurve:
    """One experiment's curve: its parameters, and how well it fits its wells."""

    label: str
    experiment: str
    wells: int
    parameters: tuple[tuple[str, Estimate], ...]
    r_squared: float
    residual_sd: float
    lack_of_fit: float
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CurveTested:
    """A test of whole curves: of one culture against the reference, with what it must be read with.

    `statistic` and `df` are in words; `adjusted` is NaN where the test is not one of experiments.
    """

    label: str
    test: str
    effect: Estimate | None
    statistic: str
    p: float
    adjusted: float
    n: str
    warning: str


@dataclass(frozen=True, slots=True, eq=False)
class Curved:
    """Dose-response curves by culture, and their comparison."""

    heading: Heading
    response: str
    dose_unit: str
    rows: tuple[CurveRow, ...]
    curves: tuple[DoseCurve, ...]
    comparisons: Comparisons
    simulated: bool
    notes: tuple[str, ...] = ()
    fitted: tuple[FittedCurve, ...] = ()
    tested: tuple[CurveTested, ...] = ()


@dataclass(frozen=True, slots=True)
class Level:
    """One culture's values: experiments, wells, mean and SD of experiments."""

    label: str
    experiments: int
    wells: int
    mean: float
    sd: float


@dataclass(frozen=True, slots=True, eq=False)
class Contrasted:
    """One value a culture and experiment, with its superplot; `small` are its small dots: wells, lanes, cells."""

    heading: Heading
    response: str
    unit: str
    levels: tuple[Level, ...]
    groups: tuple[Super, ...]
    comparisons: Comparisons
    simulated: bool
    notes: tuple[str, ...] = ()
    small: str = "wells"

    @property
    def rate_unit(self) -> str:
        """Unit of the levels."""
        return self.unit


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """Growth rates by culture, with counts over time."""

    heading: Heading
    unit: str
    levels: tuple[Level, ...]
    curves: tuple[GrowthCurve, ...]
    comparisons: Comparisons
    simulated: bool
    notes: tuple[str, ...] = ()
    rate_unit: str = "doublings a day"
    small: str = "wells"


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The plates of an assay."""

    heading: Heading
    unit: str
    plates: tuple[Quality, ...]
    maps: tuple[PlateMap, ...]
    simulated: bool


BenchContent = Curved | Contrasted | Grown | Judged | ImageContent
