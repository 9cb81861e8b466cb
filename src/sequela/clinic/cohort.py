"""Who: expressions over one row a patient, the ordered selection with its attrition, and the sequence groups."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from sequela.clinic.biomarkers import with_biomarkers
from sequela.clinic.tables import anchor_column
from sequela.core.errors import DataError, StudyError
from sequela.core.finding import Finding, Where
from sequela.study.expressions import (
    Among,
    Anchor,
    And,
    Compare,
    LineCount,
    LineHas,
    LineMoment,
    LineOf,
    LineOfStart,
    LineStopped,
    Missing,
    Name,
    Node,
    Not,
    Number,
    Or,
    Sum,
    Text,
    atoms,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sequela.clinic.tables import Registry
    from sequela.core.sequence import Sequences
    from sequela.study.model import Covariate, Study


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step of the selection: how many came in, how many stay (and who), and why the others left."""

    name: str
    before: int
    kept: int
    failed: int
    undecided: int
    patients: pl.Series


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """One row a patient with everything an expression may ask: variables, anchors, lines.

    Attributes:
        frame: `patient`, `centre`, variables, biomarkers, covariates, `@anchor` days, `lines`, and for each line
            n: `start[n]`, `end[n]`, `agents[n]` (bit mask), `stopped[n]`.
        legend: the agents by bit.
        members: the agents of a class, and an agent itself.
        top: the largest line number of any patient.
    """

    frame: pl.DataFrame
    legend: tuple[str, ...]
    members: Mapping[str, frozenset[str]]
    top: int

    def mask(self, agent: str) -> int:
        """The bits of an agent, or of all agents of a class."""
        wanted = self.members.get(agent, frozenset({agent}))
        return sum(1 << bit for bit, name in enumerate(self.legend) if name in wanted)

    def select(self, node: Node) -> pl.Series:
        """True, false or null (unknown) for every patient."""
        # What no patient ever had becomes one value for all; beside the columns it is spread over them.
        return self.frame.with_columns(self.expression(node).alias("@is"))["@is"].alias("is")

    def expression(self, node: Node) -> pl.Expr:
        """The columnar meaning of `node`; agrees with `sequela.study.evaluation.evaluate`."""
        match node:
            case Number(value):
                return pl.lit(value)
            case Text(value):
                return pl.lit(value)
            case Sum(left, sign, right):
                return self.expression(left) + sign * self.expression(right)
            case Compare(left, op, right):
                return _COMPARE[op](self.expression(left), self.expression(right))
            case Among(left, values):
                return self.expression(left).is_in(list(values))
            case Missing(left):
                return self.expression(left).is_null()
            case Not(inner):
                return ~self.expression(inner)
            case And(parts):
                return reduce(lambda a, b: a & b, map(self.expression, parts))
            case Or(parts):
                return reduce(lambda a, b: a | b, map(self.expression, parts))
            case _:
                return self.atom(node)

    def atom(self, node: Node) -> pl.Expr:
        """The column behind an atom; a line that a patient never had has no agents and no dates."""
        match node:
            case Name(name):
                return pl.col(name)
            case Anchor(name):
                return pl.col(anchor_column(name))
            case LineCount():
                return pl.col("lines")
            case LineMoment(number, "duration"):
                return self._line("end", number) - self._line("start", number)
            case LineMoment(number, field):
                return self._line(field, number)
            case LineHas(None, agent):
                return self._first_with(agent).is_not_null()
            case LineHas(int() as number, agent):
                return self._has(number, agent)
            case LineStopped(number, reason):
                return (self._line("stopped", number) == reason).fill_null(value=False)
            case LineOf(agent):
                return self._first_with(agent)
            case LineOfStart(agent):
                return self._start_with(agent)
            case _:
                raise TypeError(node)

    def _line(self, what: str, number: int) -> pl.Expr:
        kind: Any = pl.String if what == "stopped" else pl.Int32
        return pl.col(f"{what}[{number}]") if number <= self.top else pl.lit(None, kind)

    def _has(self, number: int, agent: str) -> pl.Expr:
        if number > self.top:
            return pl.lit(value=False)
        return (pl.col(f"agents[{number}]").fill_null(0) & self.mask(agent)) != 0

    def _first_with(self, agent: str) -> pl.Expr:
        numbers = [pl.when(self._has(n, agent)).then(pl.lit(n, pl.Int32)) for n in range(1, self.top + 1)]
        return pl.coalesce([*numbers, pl.lit(None, pl.Int32)])

    def _start_with(self, agent: str) -> pl.Expr:
        days = [pl.when(self._has(n, agent)).then(pl.col(f"start[{n}]")) for n in range(1, self.top + 1)]
        return pl.coalesce([*days, pl.lit(None, pl.Int32)])


_COMPARE: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def people(
    study: Study, registry: Registry, sequences: Sequences, members: Mapping[str, frozenset[str]]
) -> People:
    """One row a patient: the registry's variables and anchors, the lines, then biomarkers and covariates.

    Raises:
        StudyError: an expression names a drug or class that the dictionary does not know.
        DataError: two levels of a covariate hold for one patient.
    """
    _check_agents(study, members)
    lines = sequences.table
    top = int(lines["step"].max() or 0)  # pyright: ignore[reportArgumentType]
    frame = registry.patients.sort("patient")
    frame = with_biomarkers(frame.with_columns(_line_columns(frame["patient"], lines, top)), study.biomarkers)
    found = People(frame, sequences.legend, members, top)
    for name, covariate in study.covariates.items():
        found = People(_with_covariate(found, name, covariate), found.legend, members, top)
    return found


def _line_columns(patients: pl.Series, lines: pl.DataFrame, top: int) -> list[pl.Series]:
    """What the expressions ask of each patient's lines (which stand by patient and step), and how many there are."""
    first = (lines["step"] == 1).to_numpy()
    known = pl.DataFrame({"patient": patients}).with_row_index("at")
    heads = lines.filter(first).select(pl.col("subject").alias("patient"))
    at = heads.join(known, on="patient", how="left", maintain_order="left")["at"].to_numpy()
    at = at[np.cumsum(first) - 1]
    found: list[pl.Series] = []
    for number in range(1, top + 1):
        rows = np.flatnonzero(lines["step"].to_numpy() == number)
        place = np.full(len(patients), -1)
        place[at[rows]] = rows
        row = pl.Series(place).replace(-1, None)
        for column, name in (
            ("start", "start"),
            ("end", "end"),
            ("agents", "agents"),
            ("stop_reason", "stopped"),
        ):
            found.append(lines[column].gather(row).alias(f"{name}[{number}]"))
    counts = np.bincount(at, minlength=len(patients)).astype(np.int32)
    return [*found, pl.Series("lines", counts)]


def _with_covariate(people: People, name: str, covariate: Covariate) -> pl.DataFrame:
    if covariate.levels:
        return _with_levels(people, name, covariate)
    source = (
        people.expression(covariate.value)
        if covariate.value is not None
        else pl.col(covariate.variable or name)
    )
    return people.frame.with_columns(source.alias(name))


def _with_levels(people: People, name: str, covariate: Covariate) -> pl.DataFrame:
    inside = {level.name: people.select(level.where).fill_null(value=False) for level in covariate.levels}
    several = sum(series.cast(pl.Int32) for series in inside.values())
    if isinstance(several, pl.Series) and (several > 1).any():
        patient = people.frame["patient"].filter(several > 1)[0]
        names = [
            level
            for level, series in inside.items()
            if series[int((people.frame["patient"] == patient).arg_max() or 0)]
        ]
        raise DataError(
            Finding(
                "C402",
                "error",
                f"two levels of `{name}` hold at once: {' and '.join(names)}",
                Where(patient=patient, field=f"covariates.{name}"),
                allowed="every patient has one level at most",
                remedy="make the levels exclusive",
            )
        )
    level = pl.coalesce(
        [*(pl.when(series).then(pl.lit(key)) for key, series in inside.items()), pl.lit(None, pl.String)]
    )
    return people.frame.with_columns(level.alias(name))


def _check_agents(study: Study, members: Mapping[str, frozenset[str]]) -> None:
    from difflib import get_close_matches

    from sequela.study.names import expressions
    from sequela.study.positions import line_in

    for path, node in expressions(study):
        for atom in atoms(node):
            agent = atom.agent if isinstance(atom, (LineHas, LineOf, LineOfStart)) else None
            if agent is not None and agent not in members:
                near = get_close_matches(agent, members, 3)
                raise StudyError(
                    Finding(
                        "S122",
                        "error",
                        f"there is no drug or class `{agent}`"
                        + (f": did you mean `{near[0]}`?" if near else ""),
                        Where(study.path, line_in(study.path, path), ".".join(map(str, path))),
                        found=agent,
                        allowed=", ".join(near) or "see the drug dictionary",
                        remedy="mend the name; the dictionary's names are in the docs, page Drugs",
                    )
                )


def select(study: Study, people: People) -> tuple[Step, ...]:
    """Apply the criteria in order. The first step is every patient in the file.

    A patient for whom a criterion is unknown (a value is missing) leaves too, and is counted apart.
    """
    names = people.frame["patient"]
    inside = pl.Series([True] * len(names), dtype=pl.Boolean)
    steps = [Step("Patients in the file", len(names), len(names), 0, 0, names)]
    for criterion in study.cohort:
        verdict = people.select(criterion.where)
        stay = inside & verdict.fill_null(value=False)
        undecided = int((inside & verdict.is_null()).sum())
        before, kept = int(inside.sum()), int(stay.sum())
        steps.append(
            Step(
                criterion.name,
                before,
                kept,
                before - kept - undecided,
                undecided,
                names.filter(stay),
            )
        )
        inside = stay
    return tuple(steps)


def assign_groups(
    study: Study, people: People, patients: pl.Series
) -> tuple[pl.DataFrame, tuple[Finding, ...]]:
    """The sequence group of each patient of the cohort: `patient`, `sequence` (null: in none).

    Raises:
        DataError: a patient belongs to two groups.
    """
    frame = people.frame
    groups = {
        group.name: people.select(group.where).fill_null(value=False) for group in study.sequences.groups
    }
    group = pl.coalesce(
        [*(pl.when(inside).then(pl.lit(name)) for name, inside in groups.items()), pl.lit(None, pl.String)]
    )
    count = sum(
        (inside.cast(pl.Int32) for inside in groups.values()),
        start=pl.Series([0] * frame.height, dtype=pl.Int32),
    )
    assigned = frame.select("patient", "centre", group.alias("sequence"), count.alias("groups")).filter(
        pl.col("patient").is_in(patients.implode())
    )
    twice = assigned.filter(pl.col("groups") > 1)
    if twice.height:
        patient = twice["patient"][0]
        names = [name for name, inside in groups.items() if inside.filter(frame["patient"] == patient)[0]]
        raise DataError(
            Finding(
                "C401",
                "error",
                f"{twice.height} patients belong to two sequence groups: {' and '.join(names)}",
                Where(study.path, patient=patient, field="sequences.groups"),
                allowed="one group at most",
                remedy="make the groups exclusive: add `and not (…)`",
            )
        )
    findings = [
        Finding(
            "C403",
            "warning",
            "the patient belongs to no sequence group",
            Where(patient=row["patient"], centre=row["centre"], field="sequences.groups"),
            remedy="look at the patient's lines; add a group, or say `exhaustive = false`",
        )
        for row in assigned.filter(pl.col("sequence").is_null()).iter_rows(named=True)
    ]
    return assigned.drop("groups", "centre"), tuple(findings)
