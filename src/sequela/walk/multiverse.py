"""Does the answer survive the rule set? The whole path under several rule sets, on records read once."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import polars as pl

from sequela.clinic.rivals import lines_under
from sequela.clinic.rules import read_rules
from sequela.core.errors import StudyError, UsageError
from sequela.core.finding import Finding, Where
from sequela.core.wording import interval, number, p_value
from sequela.report.content_tables import House
from sequela.report.figures import ForestRow, forest
from sequela.report.pages import Part
from sequela.report.tables import Cell, Column, Row, Table
from sequela.study.model import Curves
from sequela.study.named_endpoints import roles
from sequela.walk.analyses import compare, grouped, population
from sequela.walk.courses import courses
from sequela.walk.path import base_of, read_sources, walk_from

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import date

    from sequela.clinic.rules import RuleSet
    from sequela.core.estimate import Estimate
    from sequela.records.reading import Table as Records
    from sequela.report.figures import Figure
    from sequela.study.model import Study
    from sequela.walk.path import Walk

GAPS = (60, 90, 120, 180)
WINDOWS = (21, 28, 30, 42)


@dataclass(frozen=True, slots=True)
class Universe:
    """One rule set and what the headline estimate is under it.

    Attributes:
        changed: patients whose lines differ from the study's own rule set, in number, start or drugs.
        moved: patients of either cohort whose sequence group differs (none counts as a group).
        estimates: (analysis, hazard ratio or None, reason) of every contrast of two groups.
    """

    label: str
    rules: str
    patients: int
    changed: int
    moved: int
    sizes: tuple[int, ...]
    estimates: tuple[tuple[str, Estimate | None, str], ...]


def grid(
    base: RuleSet, gaps: Iterable[int] = GAPS, windows: Iterable[int] = WINDOWS
) -> list[tuple[str, RuleSet]]:
    """The study's own rules with every gap and window, the own pair first."""
    own = (base.gap.days, base.regimen.window_days)
    pairs = [own, *(pair for pair in product(gaps, windows) if pair != own)]
    return [(f"gap {gap}, window {window}", _with(base, gap, window)) for gap, window in pairs]


def choices(base: RuleSet, *, progressions: bool) -> list[tuple[str, RuleSet]]:
    """The study's own rules with each of the other choices: progression modes, additions, pauses, swaps, cycles.

    Args:
        base: the study's own rules.
        progressions: whether the records have any, which the modes need.
    """
    modes = ("drug", "and", "or", "pd") if progressions else ()
    asked: list[tuple[str, str, dict[str, Any]]] = [
        (f"progression mode {mode}", "progression", {"mode": mode})
        for mode in modes
        if mode != base.progression.mode
    ]
    other = "same line" if base.adding.policy == "new line" else "new line"
    if base.adding.classes:
        asked.append((f"additions: {other}", "adding", {"policy": other}))
    if base.gap.restart == "new line":
        asked.append(("the same regimen after a pause: same line", "gap", {"restart": "same line"}))
    if base.companion.classes and base.companion.alone == "no line":
        asked.append(("companions alone: a line of their own", "companion", {"alone": "own line"}))
    if not base.new_drug.after_toxicity_days:
        asked.append(
            ("swaps within 30 days of a toxicity: same line", "new_drug", {"after_toxicity_days": 30})
        )
    cycles = 2 if base.new_drug.confirm_cycles == 1 else 1
    asked.append(
        (f"new drugs for {cycles} cycle{'s' * (cycles > 1)}", "new_drug", {"confirm_cycles": cycles})
    )
    return [
        (label, base.model_copy(update={part: getattr(base, part).model_copy(update=keys)}))
        for label, part, keys in asked
    ]


def has_progressions(study: Study) -> bool:
    """Whether an anchor of the course gives progressions."""
    name = roles({key: anchor.means for key, anchor in study.anchors.items()}).get("progression")
    return name is not None and study.anchors[name].stage == "course"


def around(study: Study) -> list[tuple[str, RuleSet]]:
    """The study's own rule set first, then every gap and window around it, then its other choices."""
    base = read_rules(study.lines.rules, base_of(study))
    return [*grid(base), *choices(base, progressions=has_progressions(study))]


def _with(base: RuleSet, gap: int, window: int) -> RuleSet:
    changed_gap = base.gap.model_copy(update={"days": gap})
    return base.model_copy(
        update={"gap": changed_gap, "regimen": base.regimen.model_copy(update={"window_days": window})}
    )


def multiverse(
    study: Study,
    today: date,
    rules: Iterable[tuple[str, RuleSet]] | None = None,
    progress: Callable[[str], None] = lambda _: None,
    tables: Mapping[str, Records] | None = None,
) -> tuple[Universe, ...]:
    """The contrasts of the study under its own rule set and under others.

    Args:
        study: the protocol; every `curves` analysis of two groups is a contrast.
        today: the clock.
        rules: labels and rule sets, the reference first; by default the grid around the study's own.
        progress: told each rule set.
        tables: the sources, where they have been read already.

    Raises:
        StudyError: the study compares no two groups.
    """
    analyses = _contrasts(study)
    chosen = list(rules) if rules is not None else grid(read_rules(study.lines.rules, base_of(study)))
    tables = tables or read_sources(study, progress)
    base: Walk | None = None
    found: list[Universe] = []
    changed: list[int | None] = []
    for label, ruleset in chosen:
        progress(label)
        walked = walk_from(study, tables, ruleset, today=today)
        if base is None:
            base, changed = walked, _reclassified(walked, [rules for _, rules in chosen])
        found.append(_universe(label, walked, base, analyses, changed[len(found)]))
    return tuple(found)


def _reclassified(base: Walk, rules: list[RuleSet]) -> list[int | None]:
    """Patients whose lines change under each rule set; None where it reads the records otherwise, or looks back."""
    plain = not base.rules.looks_back
    alike = [plain and not one.looks_back and one.record == base.rules.record for one in rules]
    known = courses(base.study, base.registry, base.rules, base.overrides)
    chosen = [one for one, same in zip(rules, alike, strict=True) if same]
    if not chosen:
        return [None] * len(rules)
    counts = iter(lines_under(base.registry.used, chosen, base.dictionary.classes, known)["changed"])
    return [next(counts) if same else None for same in alike]


def _contrasts(study: Study) -> list[Curves]:
    found = [
        analysis
        for analysis in study.analyses
        if isinstance(analysis, Curves)
        and analysis.by == "sequence"
        and len(analysis.groups or study.sequences.groups) == 2
    ]
    if not found:
        raise StudyError(
            Finding(
                "S118",
                "error",
                "the study compares no two groups",
                Where(study.path, field="analyses"),
                allowed='an analysis of kind "curves" with two sequence groups',
                remedy="add one, or name two `groups` in one that is there",
            )
        )
    return found


def _universe(label: str, walked: Walk, base: Walk, analyses: list[Curves], changed: int | None) -> Universe:
    both = base.people.frame.select("patient", pl.col("sequence").alias("old")).join(
        walked.people.frame.select("patient", "sequence"), on="patient"
    )
    moved = both.filter(pl.col("old").fill_null("") != pl.col("sequence").fill_null("")).height
    sizes = dict(walked.people.frame["sequence"].drop_nulls().value_counts().iter_rows())
    return Universe(
        label,
        walked.rules.name,
        len(walked.cohort),
        _changed(walked, base) if changed is None else changed,
        moved,
        tuple(sizes.get(group.name, 0) for group in walked.study.sequences.groups),
        tuple((analysis.id, *_estimate(walked, analysis)) for analysis in analyses),
    )


def _changed(walked: Walk, base: Walk) -> int:
    def lines(walk: Walk) -> pl.DataFrame:
        names = pl.col("regimen").list.sort().list.join("+")
        each = pl.format("{}:{}:{}", "step", "start", names).alias("line")
        return (
            walk.lines.sequences.table.select("subject", each)
            .group_by("subject")
            .agg(pl.col("line").str.join(";"))
        )

    both = lines(base).join(lines(walked), on="subject", how="full", coalesce=True)
    return both.filter(pl.col("line").ne_missing(pl.col("line_right"))).height


def _estimate(walked: Walk, analysis: Curves) -> tuple[Estimate | None, str]:
    if not len(walked.cohort):
        return None, "nobody is left in the cohort"
    people = population(walked, analysis)
    groups = grouped(walked.outcomes[analysis.endpoint], people)
    if len(groups) < 2:
        return None, "one group only"
    ratio = compare(groups)[1]
    return ratio, ratio.reason or "" if ratio else "not estimated"


def multiverse_table(study: Study, universes: tuple[Universe, ...], banner: str | None) -> Table:
    """One row a rule set: cohort, groups, patients re-classified, hazard ratios."""
    house = House.of(study.report.style, study.report.time_unit, banner)
    titles = {analysis.id: analysis.title for analysis in study.analyses}
    columns = [
        Column("Cohort"),
        *(Column(group.name) for group in study.sequences.groups),
        Column("Other lines"),
        Column("Other group"),
    ]
    columns += [Column("HR (95% CI)", titles[name]) for name, _, _ in universes[0].estimates]
    rows = [
        Row(
            universe.label,
            (
                *(
                    Cell(str(n), n)
                    for n in (universe.patients, *universe.sizes, universe.changed, universe.moved)
                ),
                *(house.ratio(ratio) if ratio else Cell(reason) for _, ratio, reason in universe.estimates),
            ),
        )
        for universe in universes
    ]
    notes = (
        "Other lines, other group: patients classified otherwise than in the first row.",
        *(
            _range(titles[name], [u.estimates[i][1] for u in universes])
            for i, (name, _, _) in enumerate(universes[0].estimates)
        ),
    )
    return Table(
        "multiverse",
        "",
        "The estimates under every rule set",
        tuple(columns),
        tuple(rows),
        notes,
        banner,
        "Rule set",
    )


def _range(title: str, ratios: list[Estimate | None]) -> str:
    known = [ratio for ratio in ratios if ratio is not None and not ratio.reason]
    if not known:
        return f"{title}: no estimate."
    values = sorted(ratio.value for ratio in known)
    low = sum(ratio.p <= 0.05 for ratio in known)
    span = f"hazard ratio from {number(values[0])} to {number(values[-1])}"
    return f"{title}: {span}; p ≤ 0.05 under {low} of {len(known)} rule sets."


def specification_curve(
    study: Study, universes: tuple[Universe, ...], analysis: str, banner: str | None
) -> Figure:
    """The hazard ratio of one analysis under every rule set, in order of its size; the study's own is drawn full.

    Raises:
        UsageError: the analysis is no contrast of two groups.
    """
    names = [name for name, _, _ in universes[0].estimates]
    if analysis not in names:
        raise UsageError(
            Finding(
                "X110",
                "error",
                f"`{analysis}` compares no two groups",
                allowed=", ".join(names),
                remedy="name one of these analyses",
            )
        )
    at = names.index(analysis)
    known = [(u, ratio) for u in universes if (ratio := u.estimates[at][1]) is not None and not ratio.reason]
    title = next(a.title for a in study.analyses if a.id == analysis)
    rows = [
        ForestRow(
            title,
            universe.label + (" (the study's own)" if universe is universes[0] else ""),
            ratio.n,
            round(ratio.events),
            ratio.value,
            ratio.lower,
            ratio.upper,
            ratio.p,
            tone="main" if universe is universes[0] else "plain",
        )
        for universe, ratio in sorted(known, key=lambda pair: pair[1].value)
    ]
    return forest(
        rows, id=f"multiverse-{analysis}", title=f"{title}: every rule set", heading="Rule set", banner=banner
    )


def multiverse_part(walk: Walk, today: date, progress: Callable[[str], None], banner: str | None) -> Part:
    """Table and specification curves for the report: the estimates under every rule set of `around`.

    Raises:
        StudyError: the study compares no two groups.
    """
    progress("estimating under other rules of lines")
    universes = multiverse(walk.study, today, around(walk.study), tables=walk.tables)
    table = multiverse_table(walk.study, universes, banner)
    names = [name for name, ratio, _ in universes[0].estimates if ratio is not None]
    figures = tuple(specification_curve(walk.study, universes, name, banner) for name in names)
    return Part("Does the answer survive the rules of lines?", "multiverse", "", (table,), figures)


def differences(walked: Walk, base: Walk) -> list[tuple[str, str, str]]:
    """Patients whose lines differ: patient, lines under the first rule set, lines under the second."""

    def words(walk: Walk) -> dict[str, str]:
        found: dict[str, list[str]] = {}
        for subject, start, regimen in walk.lines.sequences.table.select(
            "subject", "start", "regimen"
        ).iter_rows():
            found.setdefault(subject, []).append(f"{walk.study.day(start)} {'+'.join(sorted(regimen))}")
        return {subject: "; ".join(lines) for subject, lines in found.items()}

    old, new = words(base), words(walked)
    return [
        (who, old.get(who, "none"), new.get(who, "none"))
        for who in sorted(old | new)
        if old.get(who) != new.get(who)
    ]


def line_of(universe: Universe) -> str:
    """One universe as a line for the terminal."""
    ratios = [
        f"{name} HR {number(ratio.value)} ({interval(ratio.lower, ratio.upper)}), p {p_value(ratio.p)}"
        if ratio
        else f"{name} {reason}"
        for name, ratio, reason in universe.estimates
    ]
    return (
        f"{universe.label:<24} n {universe.patients}, other lines {universe.changed}, other group {universe.moved};  "
        + ";  ".join(ratios)
    )
