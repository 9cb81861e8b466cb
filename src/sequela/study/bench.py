"""The bench's vocabulary of the study file: agents, cultures with their histories, plates, assays, analyses."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sequela.study.bench_images import Blot, DoseUnit, Fluorescence, Slides
from sequela.study.parts import About, Part, Report, Words

Quantity = Literal["ic50", "ec50", "emax", "auc"]
Stars = Literal["usual", "sepher", "prism", "none"]
Response = Literal[
    "viability", "signal", "invasion", "band", "nuclear_share",
    "membrane", "cytoplasm", "nucleus", "mean", "integrated", "nuclear_ratio",
]  # fmt: skip
Trial = Literal["paired", "welch", "student", "mixed", "permutation"]
CurveModel = Literal[
    "ll2", "ll3", "ll4", "ll5", "l2", "l3", "l4", "l5", "w1.3", "w1.4", "w2.3", "w2.4", "bc5",
    "cedergreen.a", "cedergreen.b", "cedergreen.c",
]  # fmt: skip
CurveTest = Literal["mixed", "extra_sum_of_squares", "parallelism"]


class Agent(Part):
    """`[agents.NAME]`: something that cultures are exposed to."""

    label: str = Field("", description="as it is printed")
    molar_mass: float | None = Field(None, gt=0, description="g/mol: turns ug/ml into nM")
    target: str | None = Field(
        None, description="what it binds; agents with the same target compete for it in the medium"
    )


class Exposure(Part):
    """One step of a culture's history, or what an assay's medium holds."""

    agents: Words = Field(description="names from [agents]; none is drug-free medium")
    dose: float = Field(0.0, ge=0, description="of each agent, in `unit`")
    unit: DoseUnit = Field("", description="of the dose")
    days: float | None = Field(None, gt=0, description="how long; left out while it lasts")
    why: Literal["selection", "pre-exposure", "washout", "maintenance"] = Field(
        "selection", description="why the step was lived through"
    )


class Culture(Part):
    """`[cultures.NAME]`: cells with one history."""

    label: str = Field("", description="as it is printed")
    line: str = Field("", description="the cell line, such as BT474")
    derived_from: str | None = Field(None, description="the culture that it was grown from")
    history: tuple[Exposure, ...] = Field(default=(), description="what it lived through, in order")
    washout_hours: float | Literal["unknown"] | None = Field(
        None, description="hours in drug-free medium before the assay, for a culture with a history"
    )


class Plates(Part):
    """`[plates]`: the size of the plates and the limits that they are held to."""

    wells: Literal[96, 384] = Field(96, description="wells a plate")
    z_prime: float = Field(0.5, description="smallest Z' of controls against blanks or positive controls")
    control_cv: float = Field(
        0.15, gt=0, description="largest coefficient of variation of a plate's controls"
    )
    edge: float = Field(0.10, gt=0, description="largest difference of outer and inner controls")
    trend: float = Field(0.20, gt=0, description="largest trend over rows or columns, of the plate's range")


class Medium(Part):
    """What a culture carried into the assay's medium: the same step as a history's, with its culture."""

    culture: str = Field(description="the culture that carries it over")
    agents: Words = Field(description="what was left in the medium")
    dose: float = Field(ge=0, description="of each agent, in `unit`")
    unit: DoseUnit = Field(description="of the dose")


class Assay(Part):
    """`[assays.NAME]` of plates, counts and inserts: what was read, of which files, how they are laid out."""

    kind: Literal["viability", "growth", "invasion"] = Field(
        description="dose and signal, counts over time, or counts of fields on inserts"
    )
    label: str = Field("", description="as it is printed")
    method: str = Field(
        "", description="how it was read: MTT, crystal violet, counts; not mixed in one assay"
    )
    file: Words = Field(description="path beside the study file, or several; `*` is allowed")
    arrangement: Literal["long", "grid"] = Field(
        "long", description="one row a well, or the plate as the instrument writes it"
    )
    format: Literal["csv", "tsv", "parquet", "xlsx"] | None = Field(
        None, description="by the file's suffix unless said"
    )
    sheet: str | None = Field(
        None, description='of an Excel file; "*" is every sheet, each a plate of its own (grid)'
    )
    delimiter: str | None = Field(None, description="between the cells; by the format unless said")
    header_line: int | None = Field(
        None, gt=1, description="the line that names the columns, where others stand above it (long)"
    )
    decimal: Literal[".", ","] = Field(
        ".", description="decimal sign of numbers (long); of a grid both are understood"
    )
    read: str | None = Field(
        None,
        description="which grids of a file: those with this text left of the 1 or above it, such as 570 (grid)",
    )
    encoding: str = Field("utf-8", description="of a text file")
    columns: dict[str, str] = Field(
        {}, description="our field = the file's column, where the names differ (long)"
    )
    layout: str | None = Field(None, description="grid CSV or TOML that says what each well holds (grid)")
    experiments: dict[str, str] = Field(
        {},
        description="plate = experiment, where the rows do not say so (grid: the plate is the file's name)",
    )
    plate_hours: dict[str, float] = Field(
        {}, description="plate = hours of its read, where neither file nor layout says so (grid)"
    )
    culture: str | None = Field(
        None, description="of every row, where the file has one culture and no column"
    )
    agent: str | None = Field(None, description="what is dosed, where the rows do not say so")
    dose_unit: DoseUnit = Field("", description="of the doses")
    hours: float | None = Field(None, gt=0, description="of exposure, where the rows do not say so")
    unit: str = Field("", description="of the values")
    ceiling: float | None = Field(
        None, gt=0, description="of the reader: signals above it are saturated and not used"
    )
    medium: tuple[Medium, ...] = Field(default=(), description="what was carried over into the assay")
    simulated: bool = Field(False, description="invented measurements: said on every table and figure of it")


class _Asked(Part):
    """What all analyses of the bench share."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="name of its files")
    title: str = Field(description="heading of its table and figure")
    number: str | None = Field(None, description='as printed: "Table 3", "Figure 4a"')
    assay: str = Field(description="the assay that is analysed")
    cultures: Words = Field(default=(), description="in order, the first the reference; all by default")


class _Compared(_Asked):
    """What analyses share that compare cultures."""

    test: Trial = Field("paired", description="the recommended test, on one value an experiment")
    paper_test: Trial | None = Field(None, description="the test that a paper used, printed beside it")
    adjust: Literal["none", "bonferroni", "holm", "hochberg", "bh"] = Field(
        "holm", description="for the number of comparisons"
    )
    stars: Stars = Field("usual", description="star scheme; none are drawn where experiments are not named")


class DoseResponse(_Compared):
    """Curves by culture and experiment, doses read off them, and their ratios over experiments."""

    kind: Literal["dose_response"] = Field(description="the kind of analysis")
    agent: str | None = Field(None, description="which agent, where the assay has several")
    hours: float | None = Field(None, description="which time, where the assay has several")
    response: Literal["viability", "gr"] = Field(
        "viability",
        description="relative to the untreated, or growth-rate inhibition (needs wells of the start)",
    )
    model: CurveModel = Field("ll4", description="curve: see the page on dose-response")
    fixed: dict[str, float] = Field({}, description="parameters that are held, such as e0 = 1")
    bounds: dict[str, tuple[float, float]] = Field(
        {}, description="lowest and highest value of a parameter, such as einf = [0, 1.2]"
    )
    interval: Literal["profile", "delta", "bootstrap"] = Field(
        "profile", description="of each curve's parameters: profile likelihood, delta method, or bootstrap"
    )
    seed: int = Field(1, description="of the bootstrap")
    robust: bool = Field(False, description="wild wells lose their weight (Tukey's biweight)")
    quantity: Quantity = Field("ic50", description="what is compared between cultures")
    curve_tests: tuple[CurveTest, ...] = Field(
        (),
        description="besides the test of one value an experiment: a mixed model of all curves, or F tests of wells "
        "(shift, parallelism), which carry their warning and no stars",
    )


class Contrast(_Compared):
    """One value a culture and experiment, compared with the first culture: at a dose, at a time, over inserts."""

    kind: Literal["compare"] = Field(description="the kind of analysis")
    agent: str | None = Field(None, description="which agent, where the assay has several")
    dose: float | None = Field(None, ge=0, description="which dose; all wells by default")
    hours: float | None = Field(None, description="which time, where the assay has several")
    response: Response = Field("viability", description="what is compared: see the table of responses")
    target: str | None = Field(None, description="of a blot: which target; its ratio is `pHER2/HER2`")
    fraction: str | None = Field(None, description="of a blot: which fraction, where it has several")
    per_growth: str | None = Field(
        None, description="a growth assay: invasion is divided by growth over `hours`"
    )
    scale: Literal["log", "linear"] = Field("log", description="ratios, or differences")
    paper_scale: Literal["log", "linear"] | None = Field(
        None, description="of the paper's test, where it is another: mostly linear"
    )


class Growth(_Compared):
    """Growth rates and doubling times by culture and experiment, with their curves."""

    kind: Literal["growth"] = Field(description="the kind of analysis")
    from_hours: float = Field(0.0, ge=0, description="rates are fitted from this hour")
    to_hours: float | None = Field(None, description="and up to this one")


class _Shown(Part):
    """What analyses share that show an assay as it was read."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_-]*$", description="name of its files")
    title: str = Field(description="heading of its table and figures")
    number: str | None = Field(None, description='as printed: "Table 3", "Figure 4a"')
    assay: str = Field(description="the assay that is shown")


class Quality(_Shown):
    """Every plate: controls, Z', edges, trends, and a heat map of each."""

    kind: Literal["plates"] = Field(description="the kind of analysis")


class Strips(_Shown):
    """Every blot as it was taken, with every target relative to the first culture on the same blot."""

    kind: Literal["blots"] = Field(description="the kind of analysis")
    cultures: Words = Field(default=(), description="in order, the first the reference; all by default")
    targets: Words = Field(default=(), description="in order; all by default")


class Montage(_Shown):
    """Fields of cells with the outlines that were measured, and where the protein lies."""

    kind: Literal["fields"] = Field(description="the kind of analysis")
    cultures: Words = Field(default=(), description="in order; all by default")
    response: Literal["membrane", "cytoplasm", "nucleus", "mean", "integrated", "nuclear_ratio"] = Field(
        "membrane", description="what the plot beside the fields shows"
    )


class Pairs(_Shown):
    """Biopsies before and after: readings, statuses, what was converted, exact paired tests."""

    kind: Literal["biopsies"] = Field(description="the kind of analysis")


BenchAssay = Annotated[Assay | Blot | Fluorescence | Slides, Field(discriminator="kind")]
BenchAnalysis = Annotated[
    DoseResponse | Contrast | Growth | Quality | Strips | Montage | Pairs, Field(discriminator="kind")
]


class BenchStudy(Part):
    """A whole study file of the bench: `wing = "bench"` under `[study]`."""

    study: About = Field(description="what is asked")
    agents: dict[str, Agent] = Field({}, description="what cultures are exposed to")
    cultures: dict[str, Culture] = Field({}, description="who: cells, and what they lived through")
    plates: Plates = Field(Plates.model_validate({}), description="size and limits of the plates")
    assays: dict[str, BenchAssay] = Field(description="what was read")
    analyses: tuple[BenchAnalysis, ...] = Field(description="what is printed")
    report: Report = Field(Report.model_validate({}), description="how it is printed")
