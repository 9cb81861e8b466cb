"""The study file's vocabulary: one frozen model per part. `Study` is the whole; it holds no data."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from sequela.core.units import Unit  # noqa: TC001  (pydantic reads it)
from sequela.study.expressions import ExpressionError, parse


class Part(BaseModel):
    """A part of the study file: frozen, and no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


def _parse(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse(value)
    except ExpressionError as fault:
        raise ValueError(f"{fault.message}\n{fault.pointer()}") from None


Expression = Annotated[
    Any,
    BeforeValidator(_parse),
    WithJsonSchema({"type": "string", "description": "an expression over variables, anchors and lines"}),
]


def _tuple(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_tuple)]


class About(Part):
    """`[study]`: what is asked, on which clock."""

    title: str
    question: str
    time: Literal["dates", "days"] = Field("dates", description="calendar dates, or whole days from `origin`")
    origin: str | None = Field(None, description='the anchor that is day 0 when time = "days"')
    simulated: bool = Field(
        False, description="invented patients: said on every page, figure, table and file"
    )
    attribution: Words = ()
    data_cut: str | None = Field(None, description="last calendar day that a record may carry, YYYY-MM-DD")


class Column(Part):
    """One field of a source."""

    column: str | None = Field(None, description="the file's name of the column; by default the field's name")
    type: Literal["text", "integer", "number", "date", "day", "boolean", "category"] = "text"
    levels: dict[str, str] | Words = Field(
        default=(), description="allowed words, or {word in the file = level}"
    )
    missing: Words = ()
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    unit: str | None = None
    label: str = ""
    date_format: str | None = None
    imputation: Literal["first", "middle", "last"] = "middle"
    settled: str | None = Field(
        None, description="the anchor at which the value is known; by default the first"
    )


class SourceFile(Part):
    """`[sources.NAME]`: one file, or several of one layout."""

    role: Literal["patients", "treatments", "events", "follow_up"]
    file: Words
    format: Literal["csv", "tsv", "parquet", "sav"] | None = None
    delimiter: str | None = None
    encoding: str = "utf-8"
    header_rows: int = Field(1, ge=1, description="the first names the columns, the others are skipped")
    comment: str | None = None
    missing: Words = ()
    key: Words = ()
    latest: str | None = Field(
        None, description="of several rows a patient, the one with the largest value counts"
    )
    columns: dict[str, str | Column]


class Status(Part):
    """Fields that say whether an anchor happened, whatever its date."""

    fields: Words
    value: str


class AnchorRule(Part):
    """`[anchors.NAME]`: a clinical moment, and the records that date it."""

    label: str = ""
    day: int | None = Field(None, description='the fixed day of the origin when time = "days"')
    fields: Words = Field(default=(), description='date fields, as "source.field"')
    pick: Literal["earliest", "latest"] = "earliest"
    status: Status | None = None
    stage: Literal["baseline", "course", "end"] = "baseline"


class Charted(Part):
    """Line labels that somebody wrote by hand, to be compared with the derived lines."""

    field: str = Field(description='a field of the treatments, as "source.field"')
    first: Words = Field(description="labels that mean the first line")
    later: Words = Field(description="labels that mean a later line")


class LineRules(Part):
    """`[lines]`: which rule set makes lines of therapy, and from when treatments count."""

    rules: str = Field(description="a shipped rule set, or the path of a rule-set file")
    index: str = Field(description="the anchor from which treatments count")
    lookback_days: int = 14
    charted: Charted | None = None


class Biomarker(Part):
    """`[biomarkers.NAME]`: a laboratory value cut into two levels; a missing value stays missing."""

    variable: str
    cut: float
    side: Literal[">=", ">"] = ">="
    levels: tuple[str, str] = Field(("negative", "positive"), description="below the cut, and at or above it")
    label: str = ""
    source: str = ""


class Level(Part):
    """A named level and the expression that defines it."""

    name: str
    where: Expression


class Covariate(Part):
    """`[covariates.NAME]`: a variable as it is described and modelled."""

    label: str = ""
    variable: str | None = Field(
        None, description="the field or biomarker behind it; by default the same name"
    )
    value: Expression | None = Field(None, description="a number worked out from others")
    levels: tuple[Level, ...] = Field(
        default=(), description="levels by expression, exclusive, in this order"
    )
    order: Words = Field(default=(), description="order of the levels; the first is the reference")
    unit: str | None = None
    per: float = Field(1.0, description="the step of a numeric covariate in a model: age per 10 years")
    digits: int = 0
    summary: Literal["median_iqr", "median_range", "mean_sd"] = "median_iqr"
    settled: str | None = None
    only: Expression | None = Field(None, description="described among these patients only")
    note: str = ""


class Criterion(Part):
    """`[[cohort]]`: one step of the selection, in order."""

    name: str
    where: Expression


class Group(Part):
    """`[[sequences.groups]]`: one sequence group."""

    name: str
    where: Expression
    short: str = ""


class Groups(Part):
    """`[sequences]`: named groups, exclusive, and exhaustive unless `exhaustive = false`."""

    label: str
    groups: tuple[Group, ...]
    exhaustive: bool = True


class Source(Part):
    """One event or censoring source of an endpoint."""

    at: Expression = Field(description="an anchor or a line moment: `death.date`, `line[2].start`")
    label: str = ""
    where: Expression | None = Field(None, description="counts only for these patients")


class Endpoint(Part):
    """`[endpoints.NAME]`: origin, events (first wins), censoring, and delayed entry."""

    label: str
    origin: Expression
    events: tuple[Source, ...]
    censor: tuple[Source, ...]
    until: Expression | None = Field(None, description="a course event counts only up to this moment")
    entry: Expression | None = Field(None, description="observation starts here: delayed entry")
    line: int | None = Field(None, ge=1, description="the line this endpoint belongs to")
    note: str = ""


class _Analysis(Part):
    """What all analyses share."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    title: str
    number: str | None = Field(None, description='as printed: "Table 3", "Figure 4a"')
    groups: Words = Field(default=(), description="sequence groups compared; all by default")
    population: str = Field(
        "cohort", description='"cohort", "all" patients, or the name of a cohort criterion'
    )
    where: Expression | None = Field(None, description="a subset of the population")


class Describe(_Analysis):
    """Characteristics, for all or by group, with a test per variable."""

    kind: Literal["describe"]
    variables: Words
    by: Literal["sequence", "none"] = "sequence"
    test: bool = True


class TreatmentsByLine(_Analysis):
    """Lines per patient, and what was given in each."""

    kind: Literal["lines"]
    up_to: int = Field(3, ge=1)
    classes: Words = Field(
        default=(), description="agents or classes to count; the commonest regimens by default"
    )


class Agreement(_Analysis):
    """Derived lines against charted labels: table, kappa, list of disagreements."""

    kind: Literal["agreement"]


class Curves(_Analysis):
    """Kaplan-Meier curves with medians, numbers at risk, log-rank and hazard ratio."""

    kind: Literal["curves"]
    endpoint: str
    by: Literal["sequence", "none"] = "sequence"
    landmarks: tuple[float, ...] = Field(default=(), description="times, in the report's unit")


class Medians(_Analysis):
    """Medians of several endpoints by sequence group, over all and within the levels of a covariate."""

    kind: Literal["medians"]
    endpoints: Words
    within: str | None = None


class Cox(_Analysis):
    """Univariate, then multivariable Cox models."""

    kind: Literal["cox"]
    endpoint: str
    variables: Words
    enter: Literal["p <= 0.05", "all"] = "all"
    ties: Literal["efron", "breslow", "exact"] = "efron"
    cluster: Literal["centre"] | None = None
    strata: Words = ()


class PrintedValue(Part):
    """A value that a paper prints, for the comparison beside ours."""

    endpoint: str
    group: str | None = None
    median: float | None = Field(None, description="in months; leave out for `not reached`")


class Printed(_Analysis):
    """Ours beside the printed medians."""

    kind: Literal["printed"]
    source: str
    values: tuple[PrintedValue, ...]


Analysis = Annotated[
    Describe | TreatmentsByLine | Agreement | Curves | Medians | Cox | Printed, Field(discriminator="kind")
]


class Report(Part):
    """`[report]`: house style and unit of time."""

    style: Literal["plain", "bmc", "lancet", "nejm", "jama", "jco"] = "plain"
    time_unit: Unit = "month"


class Study(Part):
    """A whole study file."""

    study: About
    sources: dict[str, SourceFile]
    anchors: dict[str, AnchorRule]
    lines: LineRules
    biomarkers: dict[str, Biomarker] = {}
    covariates: dict[str, Covariate] = {}
    cohort: tuple[Criterion, ...] = ()
    sequences: Groups
    endpoints: dict[str, Endpoint]
    analyses: tuple[Analysis, ...]
    report: Report = Report()

    path: Annotated[str, Field(exclude=True, json_schema_extra={"readOnly": True})] = ""
    sha256: Annotated[str, Field(exclude=True, json_schema_extra={"readOnly": True})] = ""

    def day(self, day: int) -> str:
        """A day of the study's clock in words: `2014-03-02`, or `day 61`."""
        if self.study.time == "days":
            return f"day {day}"
        return (date(1970, 1, 1) + timedelta(days=day)).isoformat()

    @classmethod
    def read(cls, path: Any) -> Study:
        """Read and check a study file: see `sequela.study.reading.read`."""
        from sequela.study.reading import read

        return read(path)
