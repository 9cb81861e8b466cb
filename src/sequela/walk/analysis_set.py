"""The analysis set with labels: one row a patient, with cohort flags, groups, covariates, lines and endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.clinic.tables import anchor_column
from sequela.records.labelled import DTYPES, Labelled, Variable, coded, portable, text
from sequela.study.biomarker_names import levels_of
from sequela.study.model import Column
from sequela.walk.analyses import population
from sequela.walk.describe import order_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sequela.clinic.endpoints import Outcome
    from sequela.walk.path import Walk

YES_NO: Final = {0: "no", 1: "yes"}
OUTSIDE: Final = -1  # user-missing: a patient who belongs to no sequence group


@dataclass(frozen=True, slots=True, eq=False)
class AnalysisSet:
    """A labelled table, and the names in it.

    Attributes:
        table: one row a patient of the file.
        names: what a thing is called in the table: `sequence`, a covariate, `os.days`, `os.event`, `os.entry`
            (only where somebody enters later), `use.ANALYSIS`, `only.COVARIATE`.
    """

    table: Labelled
    names: Mapping[str, str]


class _Columns:
    """Columns as they are gathered: each gets a name that every program takes."""

    def __init__(self) -> None:
        self.series: list[pl.Series] = []
        self.variables: list[Variable] = []
        self.names: dict[str, str] = {}

    def add(self, key: str, wish: str, values: pl.Series, **told: Any) -> None:
        """A column; `told` is what `Variable` says of it."""
        name = portable(wish, self.names.values())
        self.names[key] = name
        variable = Variable(name, **told)
        kept = text(values) if variable.kind == "text" else values.cast(DTYPES[variable.kind])
        self.series.append(kept.alias(name))
        self.variables.append(variable)

    def words(self, key: str, wish: str, values: pl.Series, order: Iterable[str], **told: Any) -> None:
        """A column of words as codes."""
        column, words = coded(text(values), order)
        self.add(key, wish, column, kind="category", words=words, **told)

    def flag(self, key: str, wish: str, values: pl.Series, label: str, origin: str) -> None:
        """A column of yes and no."""
        self.add(key, wish, values.cast(pl.Int32), kind="state", label=label, words=YES_NO, origin=origin)


def analysis_set(walk: Walk) -> AnalysisSet:
    """The analysis set of a study.

    Dates are dates where the study counts in dates, and days from its origin where it counts in days. Times are days
    from the endpoint's own origin; where there is no time, the event carries a user-missing code with the reason.

    Raises:
        DataError: an analysis has no patients.
    """
    columns = _Columns()
    frame = walk.people.frame
    columns.add("patient", "patient", frame["patient"], label="Patient", origin="sources")
    if walk.study.study.simulated:
        invented = pl.Series([1] * frame.height, dtype=pl.Int32)
        columns.flag("simulated", "simulated", invented, "Simulated patient", "study.simulated")
    if frame["centre"].null_count() < frame.height:
        columns.words("centre", "centre", frame["centre"], (), label="Centre", origin="sources")
    _cohort(walk, columns)
    _covariates(walk, columns)
    _fields(walk, columns)
    _moments(walk, columns)
    for name, outcome in walk.outcomes.items():
        _endpoint(walk, columns, name, outcome)
    _uses(walk, columns)
    title = walk.study.study.title + (" [simulated patients]" if walk.study.study.simulated else "")
    return AnalysisSet(Labelled(pl.DataFrame(columns.series), tuple(columns.variables), title), columns.names)


def _cohort(walk: Walk, columns: _Columns) -> None:
    frame, study = walk.people.frame, walk.study
    inside = frame["patient"].is_in(walk.cohort.implode())
    columns.flag("in_cohort", "in_cohort", inside, "In the cohort", "cohort")
    left = pl.Series([None] * frame.height, dtype=pl.String)
    for step in reversed(walk.steps[1:]):
        left = left.set(~frame["patient"].is_in(step.patients.implode()), step.name)
    criteria = [step.name for step in walk.steps[1:]]
    if criteria:
        label = "Criterion at which the patient left"
        columns.words("left_at", "left_at", left, criteria, label=label, origin="cohort")
    groups = [group.name for group in study.sequences.groups]
    codes, words = coded(frame["sequence"], groups)
    outside = {OUTSIDE: "in no sequence group"} if codes.null_count() else {}
    columns.add(
        "sequence", "sequence", codes.fill_null(OUTSIDE), kind="category", label=study.sequences.label,
        words=words, missing=outside, origin="sequences",
    )  # fmt: skip


def _covariates(walk: Walk, columns: _Columns) -> None:
    frame = walk.people.frame
    for name, covariate in walk.study.covariates.items():
        label = covariate.label or name
        if frame[name].dtype.is_numeric():
            label += f", {covariate.unit}" if covariate.unit else ""
            columns.add(
                name, name, frame[name], kind="number", label=label, measure="scale", decimals=covariate.digits,
                origin=f"covariates.{name}",
            )  # fmt: skip
            continue
        values = frame[name].cast(pl.String)
        order = order_of(covariate, [values.drop_nulls()])
        measure = "ordinal" if len(order) > 2 and (covariate.order or covariate.levels) else "nominal"
        told = {"label": label, "measure": measure, "origin": f"covariates.{name}"}
        columns.words(name, name, values, order, **told)


def _fields(walk: Walk, columns: _Columns) -> None:
    """The other fields of the patients' source, in their own type; biomarkers that are no covariate."""
    frame = walk.people.frame
    (name, source) = next((n, s) for n, s in walk.study.sources.items() if s.role == "patients")
    for field, told in source.columns.items():
        if field in columns.names:
            continue
        column = Column.model_validate({}) if isinstance(told, str) else told
        label = (column.label or field.replace("_", " ")) + (f", {column.unit}" if column.unit else "")
        _field(columns, field, frame[field], column, {"label": label, "origin": f"sources.{name}.{field}"})
        if f"{field}_precision" in frame.columns:
            exact, order = frame[f"{field}_precision"], ("day", "month", "year")
            key = f"{field}_precision"
            columns.words(
                key, key, exact, order, label=f"{label}: known to the", origin=f"sources.{name}.{field}"
            )
    for field, biomarker in walk.study.biomarkers.items():
        if field not in columns.names:
            label = biomarker.label or field
            columns.words(
                field, field, frame[field], levels_of(biomarker), label=label, origin=f"biomarkers.{field}"
            )
        if biomarker.rule is not None:
            key, told = f"{field}_reason", f"{biomarker.label or field}: why"
            columns.add(key, key, frame[key], label=told, origin=f"biomarkers.{field}")


def _field(columns: _Columns, field: str, values: pl.Series, column: Column, told: dict[str, Any]) -> None:
    match column.type:
        case "text":
            columns.add(field, field, values, **told)
        case "category":
            levels = column.levels.values() if isinstance(column.levels, dict) else column.levels
            columns.words(field, field, values, levels, **told)
        case "boolean":
            columns.add(field, field, values.cast(pl.Int32), kind="state", words=YES_NO, **told)
        case "date":
            columns.add(field, field, values.cast(pl.Date), kind="date", measure="scale", **told)
        case "integer" | "day" | "number":
            digits = 0 if column.type != "number" else 2
            columns.add(field, field, values, kind="number", measure="scale", decimals=digits, **told)


def _moments(walk: Walk, columns: _Columns) -> None:
    """Anchors, and the lines of therapy with what was given."""
    study, frame = walk.study, walk.people.frame
    for name, anchor in study.anchors.items():
        if anchor.day is None:
            _day(walk, columns, f"@{name}", f"{name}_date", anchor_column(name), anchor.label or name)
    columns.add(
        "lines", "lines", frame["lines"], kind="number", label="Lines of therapy", measure="scale",
        origin="lines",
    )  # fmt: skip
    for number in range(1, walk.people.top + 1):
        agents = frame[f"agents[{number}]"].map_elements(
            lambda mask: " + ".join(walk.lines.sequences.agents(mask)), return_dtype=pl.String
        )
        columns.words(
            f"agents[{number}]",
            f"line{number}_agents",
            agents,
            (),
            label=f"Line {number}: agents",
            origin="lines",
        )
        for edge in ("start", "end"):
            _day(
                walk,
                columns,
                f"{edge}[{number}]",
                f"line{number}_{edge}",
                f"{edge}[{number}]",
                f"Line {number}: {edge}",
            )
        stopped = frame[f"stopped[{number}]"]
        columns.words(
            f"stopped[{number}]",
            f"line{number}_stopped",
            stopped,
            (),
            label=f"Line {number}: stopped for",
            origin="lines",
        )


def _day(walk: Walk, columns: _Columns, key: str, wish: str, column: str, label: str) -> None:
    values = walk.people.frame[column]
    if walk.study.study.time == "dates":
        columns.add(key, wish, values.cast(pl.Date), kind="date", label=label, measure="scale", origin=key)
        return
    told = f"{label}, days from {walk.study.study.origin}"
    columns.add(
        key, wish.replace("_date", "_day"), values, kind="number", label=told, measure="scale", origin=key
    )


def _endpoint(walk: Walk, columns: _Columns, name: str, outcome: Outcome) -> None:
    """Entry, days and event of an endpoint; why a patient has none; what ended the time."""
    times, origin = outcome.times, f"endpoints.{name}"
    used = pl.DataFrame(
        {"patient": times.ids.astype(str), "entry": times.entry, "days": times.exit, "event": times.state},
        schema_overrides={"patient": pl.String},
    )
    told = outcome.table.select("patient", "unused", "end")
    frame = walk.people.frame.select("patient").join(used, on="patient", how="left", maintain_order="left")
    frame = frame.join(told, on="patient", how="left", maintain_order="left")
    reasons = sorted(frame["unused"].drop_nulls().unique().to_list())
    missing = {-code: reason for code, reason in enumerate(reasons, 1)}
    codes = {reason: code for code, reason in missing.items()}
    unused = frame["unused"].replace_strict(codes, default=None, return_dtype=pl.Int64) if codes else None
    event = frame["event"] if unused is None else frame["event"].fill_null(unused)
    states = {0: "censored", **dict.fromkeys(range(1, int(times.state.max(initial=1)) + 1), "event")}
    unit = {"kind": "number", "measure": "scale", "origin": origin}
    if times.delayed:
        columns.add(
            f"{name}.entry", f"{name}_entry", frame["entry"], label=f"{outcome.label}: entry, days", **unit
        )
    columns.add(f"{name}.days", f"{name}_days", frame["days"], label=f"{outcome.label}: days", **unit)
    columns.add(
        f"{name}.event", f"{name}_event", event, kind="state", label=f"{outcome.label}: event", words=states,
        missing=missing, origin=origin,
    )  # fmt: skip
    columns.words(
        f"{name}.end",
        f"{name}_end",
        frame["end"],
        (),
        label=f"{outcome.label}: what ended the time",
        origin=origin,
    )
    if reasons:
        label = f"{outcome.label}: why there is no time"
        columns.words(
            f"{name}.unused", f"{name}_unused", frame["unused"], reasons, label=label, origin=origin
        )


def _uses(walk: Walk, columns: _Columns) -> None:
    """Whom each analysis looks at, and among whom a covariate is described."""
    frame = walk.people.frame
    for analysis in walk.study.analyses:
        if analysis.kind in ("agreement",):
            continue
        chosen = frame["patient"].is_in(population(walk, analysis).frame["patient"].to_list())
        label = f"In the analysis “{analysis.title}”"
        columns.flag(f"use.{analysis.id}", f"use_{analysis.id}", chosen, label, f"analyses.{analysis.id}")
    for name, covariate in walk.study.covariates.items():
        if covariate.only is not None:
            chosen = walk.people.select(covariate.only).fill_null(value=False)
            label = f"“{covariate.label or name}” is described here"
            columns.flag(f"only.{name}", f"only_{name}", chosen, label, f"covariates.{name}")
