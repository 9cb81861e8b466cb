"""The study file's vocabulary: one frozen model per part. `Study` is the whole; it holds no data."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr

from sequela.study.adjusting import Imputed, Landmark, Standardised, TimeDependent, TippingPoint, Weighted
from sequela.study.bench import (
    Agent,
    Assay,
    BenchStudy,
    Contrast,
    Culture,
    DoseResponse,
    Exposure,
    Growth,
    Medium,
    Montage,
    Pairs,
    Plates,
    Quality,
    Strips,
)
from sequela.study.bench_images import Blot, Channels, Fluorescence, Slides
from sequela.study.parts import About, Expression, Part, Report, Words
from sequela.study.parts import AnalysisPart as _Analysis

__all__ = [
    "About",
    "Agent",
    "Assay",
    "BenchStudy",
    "Blot",
    "Channels",
    "Contrast",
    "Culture",
    "DoseResponse",
    "Exposure",
    "Fluorescence",
    "Growth",
    "Medium",
    "Montage",
    "Pairs",
    "Part",
    "Plates",
    "Quality",
    "Report",
    "Slides",
    "Strips",
    "Words",
]


class Column(Part):
    """One field of a source."""

    column: str | None = Field(None, description="the file's name of the column; by default the field's name")
    type: Literal["text", "integer", "number", "date", "day", "boolean", "category"] = Field(
        "text", description="what the cells hold; what does not fit is taken as missing and listed"
    )
    levels: dict[str, str] | Words = Field(
        default=(), description="allowed words, or {word in the file = level}"
    )
    missing: Words = Field(default=(), description="words that mean missing here, besides the source's own")
    required: bool = Field(False, description="a missing value is a finding")
    minimum: float | None = Field(None, description="smallest value allowed")
    maximum: float | None = Field(None, description="largest value allowed")
    unit: str | None = Field(None, description="as it is printed")
    label: str = Field("", description="as it is printed")
    date_format: str | None = Field(None, description="such as DD/MM/YYYY; YYYY-MM-DD by default")
    imputation: Literal["first", "middle", "last"] = Field(
        "middle", description="the day taken for a date known to the month or year only"
    )
    codes: bool = Field(
        False, description="of a labelled file (SPSS, Stata, SAS, REDCap) take the codes, not their labels"
    )
    scale: float = Field(
        1.0, gt=0, description="a number or day is multiplied by this: 30.4375 turns months into days"
    )
    settled: str | None = Field(
        None, description="the anchor at which the value is known; by default the first"
    )


class SourceFile(Part):
    """`[sources.NAME]`: one file, or several of one layout."""

    role: Literal["patients", "treatments", "events", "follow_up"] = Field(
        description="one row a patient, a drug given, an event, or a visit with vital status"
    )
    file: Words = Field(description="path beside the study file, or several; `*` is allowed")
    format: (
        Literal[
            "csv", "tsv", "parquet", "sav", "dta", "sas7bdat", "xpt", "xlsx", "duckdb",
            "redcap", "cbioportal", "omop",
        ]
        | None
    ) = Field(None, description="by the file's suffix unless said")  # fmt: skip
    sheet: str | None = Field(None, description="of a workbook; needed when it has several")
    form: Words = Field(
        default=(), description="REDCap's instrument; several are put side by side, one row a record"
    )
    table: str | None = Field(None, description="of a database or of OMOP; by the file's name unless said")
    dictionary: str | None = Field(
        None, description="REDCap's data dictionary, OMOP's concept table, or SAS's catalogue of formats"
    )
    delimiter: str | None = Field(None, description="between the cells; by the format unless said")
    encoding: str = Field("utf-8", description="of a text file")
    header_rows: int = Field(1, ge=1, description="the first names the columns, the others are skipped")
    comment: str | None = Field(None, description="rows that start with this are skipped")
    missing: Words = Field(default=(), description="words that mean missing in every column")
    key: Words = Field(default=(), description="fields that together may occur once only")
    latest: str | None = Field(
        None, description="of several rows a patient, the one with the largest value counts"
    )
    where: dict[str, Words] = Field({}, description="only rows whose field has one of these values count")
    repeats: tuple[dict[str, str], ...] = Field(
        default=(),
        description="several records a row: for each, our field = the file's column (drug1 and start1, drug2 …)",
    )
    columns: dict[str, str | Column] = Field(
        description="our field = the file's column, or a table with its type and limits"
    )


class Status(Part):
    """Fields that say whether an anchor happened, whatever its date."""

    fields: Words = Field(description='fields, as "source.field"; one that says so is enough')
    value: str = Field(description="the word that means that it happened")


Role = Literal["death", "last_contact", "progression", "assessment", "response", "surgery", "metastatic"]


class AnchorRule(Part):
    """`[anchors.NAME]`: a clinical moment, and the records that date it."""

    label: str = Field("", description="as it is printed")
    day: int | None = Field(None, description='the fixed day of the origin when time = "days"')
    fields: Words = Field(default=(), description='date fields, as "source.field"')
    pick: Literal["earliest", "latest"] = Field("earliest", description="which of several dates counts")
    status: Status | None = Field(None, description="says whether it happened, whatever its date")
    stage: Literal["baseline", "course", "end"] = Field(
        "baseline",
        description="before treatment, during it (may come several times), or the end of a life or its record",
    )
    means: Role | None = Field(
        None,
        description="what it is for the named endpoints; by default its own name where that is one of these",
    )
    only: dict[str, Words] = Field(
        {}, description='only rows with one of these words count: {"source.field" = ["CR", "PR"]}'
    )
    every_days: int | None = Field(
        None, ge=1, description="of visits: they are due every so many days; by default the median gap seen"
    )


class Charted(Part):
    """Line labels that somebody wrote by hand, to be compared with the derived lines."""

    field: str = Field(description='a field of the treatments, as "source.field"')
    first: Words = Field(description="labels that mean the first line")
    later: Words = Field(description="labels that mean a later line")


class LineRules(Part):
    """`[lines]`: which rule set makes lines of therapy, and from when treatments count."""

    rules: str = Field(description="a shipped rule set, or the path of a rule-set file")
    index: str = Field(description="the anchor from which treatments count")
    lookback_days: int = Field(14, description="treatments may start this many days before the index")
    overrides: str | None = Field(
        None, description="a CSV file of decisions by hand: patient, day, decision, user, date, reason"
    )
    charted: Charted | None = Field(None, description="labels to compare the derived lines with")
    engine: Literal["local", "spark"] = Field(
        "local", description="where lines are derived: in this process, or by the workers of Spark"
    )


class Biomarker(Part):
    """`[biomarkers.NAME]`: a laboratory value cut in two, or a published rule; what is missing stays missing."""

    variable: str | None = Field(None, description="the field that is cut, or the one input of the rule")
    cut: float | None = Field(None, description="the cut-off")
    side: Literal[">=", ">"] = Field(">=", description="what counts as the upper level")
    levels: tuple[str, str] = Field(("negative", "positive"), description="below the cut, and at or above it")
    rule: str | None = Field(
        None, description="a published rule instead of a cut: see the page on biomarkers"
    )
    inputs: dict[str, str] = Field({}, description="input of the rule = field of the patients, or biomarker")
    words: dict[str, str] = Field({}, description="result of the rule = as it is printed")
    label: str = Field("", description="as it is printed")
    source: str = Field("", description="where the cut-off comes from; the rule's own by default")

    @property
    def reads(self) -> dict[str, str]:
        """Input = field or biomarker; a variable alone is the input `percent`."""
        return self.inputs or ({"percent": self.variable} if self.variable else {})


class Level(Part):
    """A named level and the expression that defines it."""

    name: str = Field(description="as it is printed")
    where: Expression = Field(description="who belongs to it")


class Covariate(Part):
    """`[covariates.NAME]`: a variable as it is described and modelled."""

    label: str = Field("", description="as it is printed")
    variable: str | None = Field(
        None, description="the field or biomarker behind it; by default the same name"
    )
    value: Expression | None = Field(None, description="a number worked out from others")
    levels: tuple[Level, ...] = Field(
        default=(), description="levels by expression, exclusive, in this order"
    )
    order: Words = Field(default=(), description="order of the levels; the first is the reference")
    unit: str | None = Field(None, description="as it is printed")
    per: float = Field(1.0, description="the step of a numeric covariate in a model: age per 10 years")
    digits: int = Field(0, description="decimals of a numeric summary")
    summary: Literal["median_iqr", "median_range", "mean_sd"] = Field(
        "median_iqr", description="how a number is summarised"
    )
    settled: str | None = Field(
        None, description="the anchor at which the value is known, where that cannot be read from it"
    )
    only: Expression | None = Field(None, description="described among these patients only")
    note: str = Field("", description="a footnote")


class Criterion(Part):
    """`[[cohort]]`: one step of the selection, in order."""

    name: str = Field(description="as the selection prints it")
    where: Expression = Field(description="who stays")


class Group(Part):
    """`[[sequences.groups]]`: one sequence group."""

    name: str = Field(description="as it is printed")
    where: Expression = Field(description="who belongs to it")
    short: str = Field("", description="the name where there is little room")


class Groups(Part):
    """`[sequences]`: named groups, exclusive, and exhaustive unless `exhaustive = false`."""

    label: str = Field(description="of the comparison")
    groups: tuple[Group, ...] = Field(description="in order; the first is the reference")
    exhaustive: bool = Field(True, description="the groups must hold the whole cohort")


class EventRule(Part):
    """`[events.NAME]`: an event or censoring source, declared once; endpoints name it."""

    at: str = Field(
        description="a moment; `line[n]` and `line[n+1]` stand for the endpoint's line and the next one"
    )
    label: str = Field("", description="as the counts print it; by default its name")
    where: str | None = Field(None, description="counts only for these patients: an expression")
    after: str | None = Field(None, description="counts only after this moment")
    precedence: int | None = Field(
        None,
        description="of two on one day the smaller number counts; by default the place in the list, from 1",
    )


class Source(Part):
    """One event or censoring source of an endpoint."""

    at: Expression = Field(description="an anchor or a line moment: `death.date`, `line[2].start`")
    label: str = Field("", description="as the counts print it")
    where: Expression | None = Field(None, description="counts only for these patients")
    after: Expression | None = Field(None, description="counts only after this moment")
    precedence: int | None = Field(
        None,
        description="of two on one day the smaller number counts; by default the place in the list, from 1",
    )
    name: str = Field("", description="the declared or built-in source behind it; filled in by the reader")


class MissedVisits(Part):
    """An event found after visits were missed: the time is censored at the last visit before them."""

    number: int = Field(2, ge=1, description="so many missed in a row")
    visits: str = Field("assessment", description="the anchor of the course that dates the visits")
    every_days: int | None = Field(
        None, ge=1, description="visits are due every so many days; by default the median gap seen"
    )


class Intercurrent(Part):
    """An intercurrent event and how the endpoint treats it."""

    event: str = Field(description="in words, or the name of an event source of the endpoint")
    strategy: Literal[
        "treatment policy", "hypothetical", "composite", "while on treatment", "principal stratum"
    ] = Field(description="of ICH E9(R1)")


class Estimand(Part):
    """The attributes of ICH E9(R1) that an endpoint estimates."""

    population: str = Field(default="", description="who")
    treatment: str = Field(default="", description="what is compared with what")
    variable: str = Field(default="", description="what is measured in each patient")
    intercurrent: tuple[Intercurrent, ...] = Field(
        default=(), description="what else may happen, and how that is treated"
    )
    summary: str = Field(default="", description="the number that compares the groups")


EndpointKind = Literal["os", "pfs", "pfs_composite", "pfs2_ema", "ttf", "ttd", "ttnt", "dfi", "dor", "pps"]


class Endpoint(Part):
    """`[endpoints.NAME]`: origin, events (first wins), censoring, and delayed entry."""

    kind: EndpointKind | None = Field(
        None, description="a named endpoint: it fills in every key that is not given"
    )
    label: str = Field(description="as it is printed")
    origin: Expression = Field(description="where the clock starts")
    origin_after: Expression | None = Field(
        None, description="of an origin that may come several times, the first after this moment"
    )
    origin_until: Expression | None = Field(None, description="and not after this one")
    events: tuple[Source, ...] = Field(
        description="the earliest after the origin ends the time; of two on one day the first listed counts"
    )
    censor: tuple[Source, ...] = Field(
        description="without an event, observation ends at the latest of these"
    )
    until: Expression | None = Field(None, description="a course event counts only up to this moment")
    entry: Expression | None = Field(None, description="observation starts here: delayed entry")
    missed_visits: MissedVisits | None = Field(
        None, description="censor an event that was found after so many missed visits"
    )
    line: int | None = Field(None, ge=1, description="the line this endpoint belongs to")
    estimand: Estimand = Field(Estimand(), description="what it estimates, by ICH E9(R1)")
    paramcd: str | None = Field(
        None,
        pattern=r"^[A-Z][A-Z0-9]{0,7}$",
        description="PARAMCD of the ADTTE file; by default from its name",
    )
    note: str = Field("", description="a footnote")


class Describe(_Analysis):
    """Characteristics, for all or by group, with a test per variable."""

    kind: Literal["describe"] = Field(description="the kind of analysis")
    variables: Words = Field(description="covariates, in order")
    by: Literal["sequence", "none"] = Field("sequence", description="a column per sequence group, or none")
    test: bool = Field(True, description="print a p-value per variable")


class TreatmentsByLine(_Analysis):
    """Lines per patient, and what was given in each."""

    kind: Literal["lines"] = Field(description="the kind of analysis")
    up_to: int = Field(3, ge=1, description="the last line that is printed")
    classes: Words = Field(
        default=(), description="agents or classes to count; the commonest regimens by default"
    )


class Agreement(_Analysis):
    """Derived lines against charted labels: table, kappa, list of disagreements."""

    kind: Literal["agreement"] = Field(description="the kind of analysis")


class Curves(_Analysis):
    """Kaplan-Meier curves with medians, numbers at risk, log-rank and hazard ratio."""

    kind: Literal["curves"] = Field(description="the kind of analysis")
    endpoint: str = Field(description="the endpoint drawn")
    by: Literal["sequence", "none"] = Field("sequence", description="a curve per sequence group, or one")
    landmarks: tuple[float, ...] = Field(default=(), description="times, in the report's unit")


class Medians(_Analysis):
    """Medians of several endpoints by sequence group, over all and within the levels of a covariate."""

    kind: Literal["medians"] = Field(description="the kind of analysis")
    endpoints: Words = Field(description="a column each")
    within: str | None = Field(None, description="a covariate; a block of rows per level")


class Cox(_Analysis):
    """Univariate, then multivariable Cox models."""

    kind: Literal["cox"] = Field(description="the kind of analysis")
    endpoint: str = Field(description="the endpoint modelled")
    variables: Words = Field(description='covariates, and "sequence" for the groups')
    enter: Literal["p <= 0.05", "all"] = Field("all", description="which enter the multivariable model")
    repeats: int = Field(
        0,
        ge=0,
        description="bootstrap samples in which the choice by p-value is made again, to print what it costs",
    )
    seed: int = Field(1, ge=0, description="of the bootstrap")
    ties: Literal["efron", "breslow", "exact"] = Field("efron", description="rule for tied event times")
    cluster: Literal["centre"] | None = Field(None, description="robust errors by centre")
    strata: Words = Field(default=(), description="covariates with a baseline hazard per level")


class StrategyRule(Part):
    """A treatment strategy of a target trial: what it requires, by when, and what it forbids."""

    name: str = Field(description="as it is printed")
    where: Expression | None = Field(
        None, description="whose data at time zero are compatible with it; all when left out"
    )
    start: Source | None = Field(None, description="what must start: a moment, with a condition")
    after: Source | None = Field(
        None, description="from when the grace period counts; time zero when left out"
    )
    within_days: int | None = Field(None, ge=1, description="the grace period; `start` must come within it")
    never: tuple[Source, ...] = Field(default=(), description="what must not begin before `start`, or at all")


class TargetTrial(_Analysis):
    """Strategies compared as a trial from time zero would: clone, censor, weight."""

    kind: Literal["target_trial"] = Field(description="the kind of analysis")
    endpoint: str = Field(description="its origin is time zero")
    strategies: tuple[StrategyRule, ...] = Field(min_length=2, description="the first is the reference")
    variables: Words = Field(default=(), description="covariates known at time zero, for the weights")
    changes: tuple[Source, ...] = Field(
        default=(), description="moments after time zero that change who departs, such as a progression"
    )
    tau: float | None = Field(
        None, gt=0, description="horizon, in the report's unit; by default as far as a tenth is followed"
    )
    samples: int = Field(200, ge=0, description="bootstrap samples")
    seed: int = Field(1, description="of the bootstrap")
    truncation: float = Field(0.99, gt=0, le=1, description="weights above this quantile are cut")
    cluster: Literal["centre"] | None = Field(None, description="the bootstrap draws whole centres")
    nested: bool = Field(
        False, description="also trials nested in the course, one a month, of the last strategy's `start`"
    )


class PrintedValue(Part):
    """A value that a paper prints, for the comparison beside ours."""

    endpoint: str = Field(description="the endpoint")
    group: str | None = Field(None, description="the sequence group; all when left out")
    median: float | None = Field(None, description="in months; leave out for `not reached`")


class Printed(_Analysis):
    """Ours beside the printed medians."""

    kind: Literal["printed"] = Field(description="the kind of analysis")
    source: str = Field(description="where the values are printed")
    values: tuple[PrintedValue, ...] = Field(description="the printed values")


Analysis = Annotated[
    Describe
    | TreatmentsByLine
    | Agreement
    | Curves
    | Medians
    | Cox
    | TargetTrial
    | Printed
    | Weighted
    | Standardised
    | Landmark
    | TimeDependent
    | Imputed
    | TippingPoint,
    Field(discriminator="kind"),
]


class Study(Part):
    """A whole study file."""

    study: About = Field(description="what is asked")
    sources: dict[str, SourceFile] = Field(description="which files")
    anchors: dict[str, AnchorRule] = Field(description="clinical moments")
    lines: LineRules = Field(description="lines of therapy")
    biomarkers: dict[str, Biomarker] = Field(
        {}, description="laboratory values cut in two or called by a rule"
    )
    covariates: dict[str, Covariate] = Field({}, description="variables as described and modelled")
    cohort: tuple[Criterion, ...] = Field(default=(), description="who, in order")
    sequences: Groups = Field(description="the groups compared")
    events: dict[str, EventRule] = Field({}, description="event and censoring sources, by name")
    endpoints: dict[str, Endpoint] = Field(description="from when to what")
    analyses: tuple[Analysis, ...] = Field(description="what is printed")
    report: Report = Field(Report(), description="how it is printed")

    path: Annotated[str, Field(exclude=True, json_schema_extra={"readOnly": True})] = ""
    sha256: Annotated[str, Field(exclude=True, json_schema_extra={"readOnly": True})] = ""

    def day(self, day: int) -> str:
        """A day of the study's clock in words: `2014-03-02`, or `day 61`."""
        if self.study.time == "days":
            return f"day {day}"
        return (date(1970, 1, 1) + timedelta(days=day)).isoformat()

    _bench: BenchStudy | None = PrivateAttr(None)

    @property
    def bench(self) -> BenchStudy | None:
        """The parts of a study of cultures; None for one of patients."""
        return self._bench

    @classmethod
    def of_bench(cls, bench: BenchStudy, path: str, sha256: str) -> Study:
        """A study of cultures: its own parts in `bench`, the parts about patients empty."""
        empty = {"sources": {}, "anchors": {}, "endpoints": {}, "analyses": ()}
        parts = {"lines": {"rules": "", "index": ""}, "sequences": {"label": "", "groups": ()}}
        shared = {"study": bench.study, "report": bench.report, "path": path, "sha256": sha256}
        study = cls.model_validate({**empty, **parts, **shared})
        study._bench = bench
        return study

    @classmethod
    def read(cls, path: Any) -> Study:
        """Read and check a study file: see `sequela.study.reading.read`."""
        from sequela.study.reading import read

        return read(path)
