"""The path itself: records → study → cohort → lines → endpoints. What follows works on its `Walk`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from sequela.clinic.checks import Checked, Records, run_checks
from sequela.clinic.cohort import Step, assign_groups, people, select
from sequela.clinic.curative import with_curative
from sequela.clinic.drugs import read_dictionary
from sequela.clinic.endpoints import derive_all
from sequela.clinic.lines import lines_of_therapy
from sequela.clinic.rules import read_rules
from sequela.clinic.spark import lines_on_spark
from sequela.clinic.tables import registry
from sequela.core.errors import DataError, StudyError
from sequela.core.finding import Finding, Where
from sequela.records.reading import read
from sequela.records.source import Column, Source
from sequela.records.spark import require_spark
from sequela.study.expressions import LineHas, LineOf, LineOfStart, atoms
from sequela.study.model import TreatmentsByLine
from sequela.study.names import expressions
from sequela.study.positions import line_in
from sequela.walk.courses import courses, override_findings, overrides_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date

    from sequela.clinic.cohort import People
    from sequela.clinic.drugs import Dictionary
    from sequela.clinic.endpoints import Outcome
    from sequela.clinic.lines import Lines
    from sequela.clinic.overrides import Override
    from sequela.clinic.rules import RuleSet
    from sequela.clinic.tables import Registry
    from sequela.records.reading import Table
    from sequela.study import model
    from sequela.study.model import SourceFile, Study


AGENT_ATOMS = (LineHas, LineOf, LineOfStart)


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Everything known before the first estimate.

    Attributes:
        overrides: lines decided by hand.
        people: one row a patient, with `sequence` (the group; null outside the cohort).
        steps: the attrition; the last one's patients are the cohort.
        outcomes: every endpoint over all patients.
        findings: of reading, checking and grouping.
        checked: the rules of the catalogue: which were asked, which did not apply.
    """

    study: Study
    tables: Mapping[str, Table]
    dictionary: Dictionary
    rules: RuleSet
    registry: Registry
    lines: Lines
    overrides: tuple[Override, ...]
    people: People
    steps: tuple[Step, ...]
    outcomes: Mapping[str, Outcome]
    findings: tuple[Finding, ...]
    checked: Checked

    @property
    def cohort(self) -> pl.Series:
        """The patients who passed every criterion."""
        return self.steps[-1].patients


def base_of(study: Study) -> Path:
    """The directory that the study's paths start from."""
    return Path(study.path).parent if study.path else Path()


def read_sources(study: Study, progress: Callable[[str], None]) -> dict[str, Table]:
    """Every source of the study, typed, with findings.

    Raises:
        DataError: a file cannot be read at all, or a required source has no rows.
        StudyError: it is a study of cultures.
    """
    if study.bench is not None:
        remedy = "check, run and report take both; the others ask about patients"
        where = Where(study.path or None, line_in(study.path, ("study", "wing")), "study.wing")
        raise StudyError(
            Finding("S130", "error", "this is a study of cultures", where, "bench", "clinic", remedy)
        )
    tables: dict[str, Table] = {}
    for name, source in study.sources.items():
        progress(f"reading {name}")
        tables[name] = read(source_as_read(name, source), base_of(study))
    return tables


def source_as_read(name: str, source: SourceFile) -> Source:
    """A declared source in the words of the reader."""
    columns = tuple(
        Column(name=field, column=column) if isinstance(column, str) else Column(name=field, **_told(column))
        for field, column in source.columns.items()
    )
    told = source.model_dump(exclude={"role", "file", "columns"})
    return Source(name=name, files=source.file, columns=columns, **told)


def _told(column: model.Column) -> dict[str, Any]:
    return {**column.model_dump(exclude={"settled"}), "levels": column.levels}


def members_of(dictionary: Dictionary) -> dict[str, frozenset[str]]:
    """Every agent by its own name, and every class with its agents."""
    found: dict[str, set[str]] = {}
    for agent in dictionary.agents:
        for name in (agent, *dictionary.classes(agent)):
            found.setdefault(name, set()).add(agent)
    return {name: frozenset(agents) for name, agents in found.items()}


def asked_agents(study: Study, members: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """The agents that the study file asks for, by name or by class."""
    named = {
        atom.agent for _, node in expressions(study) for atom in atoms(node) if isinstance(atom, AGENT_ATOMS)
    }
    for analysis in study.analyses:
        if isinstance(analysis, TreatmentsByLine):
            named |= set(analysis.classes)
    return frozenset(agent for name in named for agent in members.get(name, ()))


def walk(study: Study, *, today: date, progress: Callable[[str], None] = lambda _: None) -> Walk:
    """From the study's records to its endpoints.

    Args:
        study: the protocol.
        today: the clock, for dates in the future where the study has no data cut.
        progress: told each step in a few words.

    Raises:
        DataError: records cannot be used, a patient belongs to two groups, or nobody is left in the cohort.
        StudyError: the study names a rule set, drug or class that does not exist.
        UsageError: the study asks for Spark, and it cannot be started here.
    """
    derive = lines_of_therapy
    if study.lines.engine == "spark":
        require_spark()
        derive = lines_on_spark
    tables = read_sources(study, progress)
    return walk_from(study, tables, own_rules(study), today=today, derive=derive, progress=progress)


def own_rules(study: Study) -> RuleSet:
    """The rule set that the study names.

    Raises:
        StudyError: there is no such rule set, or it cannot be read.
    """
    where = Where(study.path or None, line_in(study.path, ("lines", "rules")), "lines.rules")
    return read_rules(study.lines.rules, base_of(study), where)


def walk_from(
    study: Study,
    tables: Mapping[str, Table],
    rules: RuleSet,
    *,
    today: date,
    check: bool = True,
    derive: Callable[..., Lines] = lines_of_therapy,
    progress: Callable[[str], None] = lambda _: None,
) -> Walk:
    """The same from tables already read, under any rule set, checked or not: for rule sets and invented worlds.

    Lines are derived by `derive`, in this process unless it says otherwise.
    """
    dictionary = read_dictionary()
    progress("joining patients, treatments and events")
    records = registry(study, tables, dictionary, rules)
    progress("deriving lines of therapy")
    members = members_of(dictionary)
    overrides = overrides_of(study, base_of(study))
    known = courses(study, records, rules, overrides)
    asked = asked_agents(study, members)
    lines = derive(records.used, rules, dictionary.classes, asked, known)
    records = with_curative(records, rules, dictionary.classes, study.lines.index)
    everyone = people(study, records, lines.sequences, members)
    progress("selecting the cohort")
    steps = select(study, everyone)
    groups, ungrouped = assign_groups(study, everyone, steps[-1].patients)
    with_groups = everyone.frame.join(groups, on="patient", how="left")
    everyone = type(everyone)(with_groups, everyone.legend, everyone.members, everyone.top)
    progress("deriving endpoints")
    outcomes = derive_all(study, everyone, records.moments)
    asked_of = Records(study, tables, records, lines.sequences, dictionary, today)
    checked = run_checks(asked_of) if check else Checked((), (), ())
    by_hand = tuple(override_findings(study, records, overrides))
    findings = (
        *_with_centres([f for table in tables.values() for f in table.findings], records),
        *checked.findings,
        *ungrouped,
        *_with_centres(by_hand, records),
    )
    return Walk(
        study,
        tables,
        dictionary,
        rules,
        records,
        lines,
        overrides,
        everyone,
        steps,
        outcomes,
        findings,
        checked,
    )


def _with_centres(findings: Sequence[Finding], records: Registry) -> Iterator[Finding]:
    """Findings of one patient's rows, under the patient's centre: files of treatments and visits do not name it."""
    centre_of = records.centres(one.where.patient for one in findings if one.where.patient)
    for one in findings:
        known = centre_of.get(one.where.patient or "") if one.where.centre is None else None
        yield replace(one, where=replace(one.where, centre=known)) if known is not None else one


def require_cohort(walk: Walk) -> None:
    """Refuse a cohort that leaves nothing to compare.

    Raises:
        DataError: nobody passes the criteria.
    """
    if len(walk.cohort):
        return
    empty = next(step for step in walk.steps if step.kept == 0)
    raise DataError(
        Finding(
            "C404",
            "error",
            "nobody is left in the cohort",
            Where(walk.study.path, field="cohort"),
            found=f"criterion “{empty.name}”: {empty.before} patients before it, none after "
            f"({empty.undecided} undecided for a missing value)",
            allowed="at least one patient",
            remedy="look at the criterion, and at the findings: sequela check",
        )
    )


def summary(walk: Walk) -> pl.DataFrame:
    """The analysis set: one row a patient of the file, with lines, group and every endpoint."""
    frame = walk.people.frame.with_columns(pl.col("patient").is_in(walk.cohort.implode()).alias("in_cohort"))
    for name, outcome in walk.outcomes.items():
        wanted = {
            "entry": f"{name}_entry",
            "time": f"{name}_days",
            "state": f"{name}_event",
            "end": f"{name}_end",
            "unused": f"{name}_unused",
        }
        used = outcome.table.select(
            "patient", (pl.col("entry") - pl.col("origin")).alias("entry"), "time", "state", "end", "unused"
        )
        frame = frame.join(used.rename(wanted), on="patient", how="left")
    masks = [column for column in frame.columns if column.startswith("agents[")]
    names = [
        pl.col(c)
        .map_elements(lambda mask: "+".join(walk.lines.sequences.agents(mask)), return_dtype=pl.String)
        .alias(c)
        for c in masks
    ]
    return frame.with_columns(names).drop("_file", "_line", strict=False)
