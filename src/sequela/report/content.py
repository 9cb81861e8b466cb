"""What a report prints: one frozen noun per kind of analysis, filled by `sequela.walk`, laid out by `sections`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from sequela.core.estimate import Curve, Estimate, Test
    from sequela.estimates.balance import Balanced
    from sequela.estimates.nestedtrials import NestedTrials
    from sequela.estimates.sensitivity import EValue, Tipping
    from sequela.estimates.targettrial import TargetTrial


@dataclass(frozen=True, slots=True)
class Heading:
    """What every analysis carries: id, title, the number it is printed under, its population in words."""

    id: str
    title: str
    number: str
    population: str


@dataclass(frozen=True, slots=True)
class Selected:
    """One step of the attrition: name, patients before, kept, failed, undecided (a value is missing)."""

    name: str
    before: int
    kept: int
    failed: int
    undecided: int


@dataclass(frozen=True, slots=True)
class LevelCounts:
    """Counts of one level, by group."""

    label: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Numeric:
    """Summary of a numeric variable in one group: quartiles, range, mean and standard deviation."""

    n: int
    median: float
    quartiles: tuple[float, float]
    range: tuple[float, float]
    mean: float
    sd: float


@dataclass(frozen=True, slots=True)
class Variable:
    """One described variable: levels (categorical) or summaries (numeric), by group, with unknowns and a test."""

    label: str
    levels: tuple[LevelCounts, ...]
    numeric: tuple[Numeric, ...]
    unknown: tuple[int, ...]
    test: Test | None
    digits: int = 0
    summary: str = "median_iqr"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Described:
    """Characteristics by group."""

    heading: Heading
    groups: tuple[str, ...]
    sizes: tuple[int, ...]
    variables: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class LineSummary:
    """One line of therapy over all patients: how many had it, and what was given."""

    number: int
    patients: int
    treatments: tuple[tuple[str, int], ...]
    other: int


@dataclass(frozen=True, slots=True)
class LinesGiven:
    """Lines per patient, and treatments by line."""

    heading: Heading
    rules: str
    patients: int
    per_patient: tuple[tuple[int, int], ...]
    lines: tuple[LineSummary, ...]
    share: bool


@dataclass(frozen=True, slots=True)
class Agreed:
    """Derived against charted: a square of counts, kappa, and every disagreement (None where none may be listed)."""

    heading: Heading
    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    kappa: Estimate
    patients_kappa: Estimate
    left_out: tuple[tuple[str, int], ...]
    disagreements: tuple[tuple[str, ...], ...] | None
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GroupSurvival:
    """One group's curve with what is printed beside it; `entry` holds the entry times behind its numbers at risk."""

    label: str
    curve: Curve
    median: Estimate
    follow_up: Estimate
    landmarks: tuple[Estimate, ...]
    entry: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Survival:
    """Curves of one endpoint by group."""

    heading: Heading
    endpoint: str
    origin: str
    groups: tuple[GroupSurvival, ...]
    landmarks: tuple[float, ...]
    test: Test | None
    hazard_ratio: Estimate | None
    reference: str | None
    ends: tuple[tuple[str, str, int], ...]
    unused: tuple[tuple[str, int], ...]
    delayed: bool
    note: str


@dataclass(frozen=True, slots=True)
class Term:
    """One row of a Cox table: a level (or a numeric step), with its univariate and multivariable hazard ratio."""

    variable: str
    level: str
    n: int
    events: int
    reference: bool
    univariate: Estimate | None
    univariate_p: float | None
    multivariable: Estimate | None
    multivariable_p: float | None
    e_value: EValue | None = None


@dataclass(frozen=True, slots=True)
class Regression:
    """Univariate and multivariable Cox models of one endpoint."""

    heading: Heading
    endpoint: str
    terms: tuple[Term, ...]
    n: int
    events: int
    likelihood_ratio: Test | None
    ties: str
    entered: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MedianRow:
    """Medians of every endpoint for one group; `stratum` names the subset it lies in."""

    stratum: str
    label: str
    n: int
    medians: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True)
class MedianTable:
    """Medians by group, over all and within strata; one test per endpoint and stratum."""

    heading: Heading
    endpoints: tuple[str, ...]
    rows: tuple[MedianRow, ...]
    tests: Mapping[str, tuple[Test, ...]]


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """A printed median beside ours; `printed` None is not reached."""

    endpoint: str
    group: str
    printed: float | None
    ours: Estimate


@dataclass(frozen=True, slots=True)
class PrintedTable:
    """Ours beside a paper's."""

    heading: Heading
    source: str
    rows: tuple[PrintedRow, ...]


@dataclass(frozen=True, slots=True)
class Corrected:
    """One way to estimate a contrast: as asked, with delayed entry, with the clock restarted."""

    label: str
    n: int
    events: int
    medians: tuple[Estimate, ...]
    hazard_ratio: Estimate | None
    p: float | None
    reason: str | None = None
    e_value: EValue | None = None


@dataclass(frozen=True, slots=True)
class Correction:
    """A contrast whose clock starts too early: the naive estimate beside the corrected ones."""

    heading: Heading
    endpoint: str
    groups: tuple[str, ...]
    settled: str
    faults: tuple[str, ...]
    rows: tuple[Corrected, ...]
    naive: tuple[Curve, ...]
    delayed: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """One way to count what ends an endpoint: its hazard ratio and medians, or the reason why there are none."""

    code: str
    words: str
    n: int
    events: int
    medians: tuple[Estimate, ...]
    hazard_ratio: Estimate | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CauseRow:
    """Cumulative incidence of one kind of event in one group, at each landmark."""

    cause: str
    group: str
    events: int
    at: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True)
class Variants:
    """An endpoint of a line as asked and as V1 to V7: `rows`, the range of their ratios, and its events as competing.

    `visits` is the median interval between visits by group in days (empty where none are recorded), `waits` the median
    days from progression to the next line.
    """

    heading: Heading
    endpoint: str
    groups: tuple[str, ...]
    rows: tuple[Counted, ...]
    span: tuple[float, float] | None
    significant: tuple[int, int]
    causes: tuple[CauseRow, ...]
    landmarks: tuple[float, ...]
    visits: tuple[float, ...]
    waits: tuple[float, ...]
    late: bool


@dataclass(frozen=True, slots=True, eq=False)
class Emulated:
    """A target trial: strategies with their clones, contrasts with the first, and trials nested in the course."""

    heading: Heading
    endpoint: str
    origin: str
    trial: TargetTrial
    curves: tuple[Curve, ...]
    nested: NestedTrials | None
    unused: tuple[tuple[str, int], ...]
    covariates: tuple[str, ...]
    cluster: str | None


@dataclass(frozen=True, slots=True)
class Measure:
    """A labelled row of estimates; `kind` says how they are printed."""

    label: str
    kind: Literal["time", "percent", "ratio"]
    estimates: tuple[Estimate | None, ...]


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A corrected comparison.

    Attributes:
        endpoint, origin: in words.
        groups: as compared, the reference first.
        rows: the estimates, from the least to the most corrected; `corrects` those that a forest of corrections shows.
        measures: further estimates, one column for each of `columns`.
        balance: every column of the covariates before and after weighting.
        curves: of each group, weighted or by exposure; `entry` their entry times, where they come late.
        tipping: the conclusion against a growing departure.
    """

    heading: Heading
    endpoint: str
    origin: str
    groups: tuple[str, ...]
    rows: tuple[Corrected, ...]
    corrects: tuple[Corrected, ...] = ()
    columns: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    balance: tuple[Balanced, ...] = ()
    curves: tuple[Curve, ...] = ()
    entries: tuple[NDArray[Any], ...] = ()
    tipping: Tipping | None = None
    notes: tuple[str, ...] = ()


Content = (
    Described | LinesGiven | Agreed | Survival | Regression | MedianTable | PrintedTable | Emulated | Adjusted
)
