"""From a `Walk` to the audit: the arrays of the main comparison and of those beside it, and every check on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from sequela.audit import calendar as on_calendar
from sequela.audit import centres, followup, missing, models, multiplicity, outliers, truncation
from sequela.audit.data import Agent, CalendarTime, Clock, Variable
from sequela.audit.design import audit_design, time_zero
from sequela.audit.multiplicity import Entry, Ledger
from sequela.audit.verdict import Audit, Verdict, design_verdicts
from sequela.clinic.endpoints import derive
from sequela.core.errors import StudyError
from sequela.core.finding import Finding, Where
from sequela.core.units import DAYS_PER_MONTH, DAYS_PER_YEAR
from sequela.estimates.cox import cox
from sequela.report.content import Adjusted, Described, MedianTable, Regression, Survival
from sequela.report.figures.lexis import Lives, lexis
from sequela.study import names
from sequela.study.expressions import Anchor, LineHas, LineOf, LineOfStart, atoms, parse, write
from sequela.study.model import Cox, Medians
from sequela.walk.analyses import analyse, population
from sequela.walk.corrections import corrections
from sequela.walk.settling import settled_day
from sequela.walk.variants import variants_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from sequela.audit.design import TimeZero
    from sequela.clinic.endpoints import Outcome
    from sequela.core.estimate import Estimate
    from sequela.report.content import Content, Correction, Variants
    from sequela.report.figures.figure import Figure
    from sequela.study.model import Study
    from sequela.walk.analyses import Population
    from sequela.walk.path import Walk


@dataclass(frozen=True, slots=True, eq=False)
class Audited:
    """The audit of a study with what its page shows beside the verdicts.

    `endpoint` is the audited one in words, `adjusted` the study's corrected analyses of the same comparison.
    """

    audit: Audit
    ledger: Ledger
    corrections: tuple[Correction, ...]
    variants: tuple[Variants, ...]
    lexis: Figure | None
    endpoint: str = ""
    adjusted: tuple[Adjusted, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """One endpoint of the comparison under audit: its clock, and who stands in which row."""

    found: TimeZero
    outcome: Outcome
    clock: Clock
    rows: pl.DataFrame


def audit(
    walk: Walk, *, banner: str | None = None, progress: Callable[[str], None] = lambda _: None
) -> Audited:
    """Every check on the study's main comparison.

    The main comparison is the first of two arms whose clock starts before patients or groups are settled; where there
    is none, the first comparison of two arms, else of more.

    Args:
        walk: the study as far as its endpoints.
        banner: a warning printed in the picture.
        progress: told each step.

    Raises:
        StudyError: the study compares no groups.
        DataError: an analysis has no patients or no events.
    """
    clocks = main_first(walk.study)
    analyses = {analysis.id: analysis for analysis in walk.study.analyses}
    people = population(walk, analyses[clocks[0].analysis])
    beside = [_compared(walk, clock, people) for clock in clocks]
    progress("counting the tests of the study")
    contents = [analyse(one, walk) for one in walk.study.analyses]
    ledger = Ledger.of([entry for content in contents for entry in _tests(content)])
    progress("checking the comparison")
    main = beside[0]
    calendar = _calendar(walk, main, people)
    verdicts = (*design_verdicts(audit_design(walk.study)), *_checks(walk, people, beside, calendar, ledger))
    closed = next(_closed(verdict) for verdict in verdicts if verdict.code == "A123")
    words = f"{main.clock.label}: {' against '.join(reversed(main.clock.arms))}"
    found = Audit(words, main.clock.arms, verdicts, closed)
    drawn = None if calendar is None else _lexis(walk, main, calendar, banner)
    mended = corrections(walk)
    adjusted = tuple(
        content
        for content in contents
        if isinstance(content, Adjusted)
        and (content.endpoint, content.groups) == (main.clock.label, main.clock.arms)
    )
    return Audited(found, ledger, mended, variants_of(walk), drawn, main.clock.label, adjusted)


def unanswerable(walk: Walk) -> str | None:
    """Why the study's main comparison cannot be made in these data (A123), or None."""
    if not any(len(clock.settled) > 1 for clock in time_zero(walk.study)):
        return None
    found = main_first(walk.study)[0]
    analyses = {analysis.id: analysis for analysis in walk.study.analyses}
    people = population(walk, analyses[found.analysis])
    main = _compared(walk, found, people)
    return _closed(on_calendar.common_period(main.clock, _calendar(walk, main, people)))


def _closed(period: Verdict) -> str | None:
    return period.sentence if period.verdict == "fail" else None


def main_first(study: Study) -> list[TimeZero]:
    """The clocks of the comparison to audit, the main one first: one for each endpoint of the same groups.

    Raises:
        StudyError: the study compares no groups.
    """
    clocks = [clock for clock in time_zero(study) if len(clock.settled) > 1]
    if not clocks:
        raise StudyError(
            Finding(
                "A100",
                "error",
                "the study compares no groups: there is nothing to audit",
                Where(study.path or None, field="analyses"),
                allowed="an analysis of kind curves, cox or medians by sequence",
                remedy='add one, for example kind = "curves" with an endpoint',
            )
        )

    def rank(clock: TimeZero) -> tuple[bool, bool, bool]:
        return len(clock.settled) != 2, study.endpoints[clock.endpoint].line is not None, not clock.selective

    main = min(clocks, key=rank)
    found = {main.endpoint: main}
    for clock in clocks:
        if tuple(clock.settled) == tuple(main.settled):
            found.setdefault(clock.endpoint, clock)
    return list(found.values())


def _compared(walk: Walk, found: TimeZero, people: Population) -> Compared:
    outcome = walk.outcomes[found.endpoint]
    settled = walk.people.frame.select("patient", settled_day(walk, found).alias("settled"))
    rows = (
        people.frame.filter(pl.col("sequence").is_in(people.groups))
        .join(outcome.table.filter(pl.col("unused").is_null()), on="patient", how="inner")
        .join(settled, on="patient", how="left")
        # who is in a group because something never happened can have the event at any time
        .with_columns(pl.col("settled").fill_null(pl.col("origin")))
    )
    start = (rows["entry"] - rows["origin"]).clip(lower_bound=0).to_numpy() / DAYS_PER_MONTH
    late = (rows["settled"] - rows["origin"]).clip(lower_bound=0).to_numpy() / DAYS_PER_MONTH
    moments = sorted({moment.words for group in found.settled.values() for moment in group})
    place = {group: k for k, group in enumerate(people.groups)}
    clock = Clock(
        outcome.label,
        people.groups,
        np.array([place[group] for group in rows["sequence"]], np.int64),
        rows["time"].to_numpy() / DAYS_PER_MONTH,
        rows["state"].to_numpy() > 0,
        np.maximum(late, start),
        " or ".join(moments) or found.entry.words,
        rows["end"].fill_null("").to_numpy().astype(str),
        start if walk.study.endpoints[found.endpoint].entry is not None else None,
    )
    return Compared(found, outcome, clock, rows)


def _checks(
    walk: Walk, people: Population, beside: list[Compared], calendar: CalendarTime | None, ledger: Ledger
) -> tuple[Verdict, ...]:
    main, clocks = beside[0].clock, [one.clock for one in beside]
    lines = sorted(
        (one for one in beside if walk.study.endpoints[one.found.endpoint].line is not None),
        key=lambda one: walk.study.endpoints[one.found.endpoint].line or 0,
    )
    early = [one.clock for one in lines if _ends_first(one.clock)]
    covariates = _covariates(walk, beside[0])
    designs = [_design(walk, analysis) for analysis in walk.study.analyses if isinstance(analysis, Cox)]
    centre = beside[0].rows["centre"].fill_null("").to_numpy().astype(str)
    return (
        truncation.immortal_time(main),
        truncation.missing_deaths(main),
        truncation.dependence(main),
        truncation.entry_windows(main, calendar),
        truncation.all_failed(early),
        on_calendar.availability(main, calendar),
        on_calendar.preference(main, calendar, covariates),
        on_calendar.common_period(main, calendar),
        followup.follow_up(main, calendar),
        followup.maturity(clocks),
        followup.ends([one.clock for one in lines], tuple(_variants(walk, people, lines))),
        _line_ends(walk, lines),
        centres.clustering(main, centre),
        outliers.apart(main, centre),
        models.events_per_coefficient(designs),
        models.aliasing(designs),
        models.chosen_by_p(designs),
        multiplicity.multiplicity(ledger),
        multiplicity.subgroups(list(_interactions(walk))),
        missing.missingness(main, covariates, centre, calendar),
        models.proportionality(clocks),
        _small_groups(walk, beside[0]),
    )


def _ends_first(clock: Clock) -> bool:
    """Whether the endpoint is over before the place in the comparison is settled, as the first line is."""
    return clock.late and bool((clock.exit <= clock.settled + 1e-9).mean() > 0.5)


# ---------------------------------------------------------------- the calendar


def _calendar(walk: Walk, main: Compared, people: Population) -> CalendarTime | None:
    if walk.study.study.time != "dates":
        return None
    cut = walk.study.study.data_cut
    last = main.rows["exit"].max()
    day = (date.fromisoformat(cut) - date(1970, 1, 1)).days if cut else float(str(last))
    entry, exposure = _agents(walk, people)
    return CalendarTime(_year(main.rows["origin"].to_numpy()), 1970 + day / DAYS_PER_YEAR, entry, exposure)


def _year(days: NDArray[np.int32]) -> NDArray[np.float64]:
    return 1970 + days / DAYS_PER_YEAR


def _agents(walk: Walk, people: Population) -> tuple[Agent | None, Agent | None]:
    """The agent that everyone in the comparison had, and the one that only one of two arms had where it is asked for.

    Of several, the one first given last: it opened the window.
    """
    parts = [people.frame.filter(pl.col("sequence") == group) for group in people.groups]
    asked = [
        atom
        for group in walk.study.sequences.groups
        if group.name in people.groups
        for atom in atoms(group.where)
        if isinstance(atom, (LineHas, LineOf, LineOfStart))
    ]
    had: list[Agent] = []
    apart: list[Agent] = []
    for atom in dict.fromkeys(asked):
        column = walk.people.expression(atom)
        held = column.fill_null(value=False) if isinstance(atom, LineHas) else column.is_not_null()
        shares = [float(part.select(held.cast(pl.Float64).mean()).item() or 0.0) for part in parts]
        first = _first_given(walk, atom.agent)
        if first is None:
            continue
        if min(shares) == 1:
            had.append(Agent(walk.dictionary.label(atom.agent), first))
        elif len(shares) == 2 and sorted(shares) == [0, 1]:
            apart.append(Agent(walk.dictionary.label(atom.agent), first))
    latest = (max(found, key=lambda agent: agent.first_given, default=None) for found in (had, apart))
    entry, exposure = latest
    return entry, exposure


def _first_given(walk: Walk, agent: str) -> float | None:
    """The calendar year in which anybody in the file was first given the agent, or one of its class."""
    members = list(walk.people.members.get(agent, frozenset({agent})))
    first = walk.registry.used.filter(pl.col("agent").is_in(members))["start"].min()
    return None if first is None else 1970 + float(str(first)) / DAYS_PER_YEAR


def _lexis(walk: Walk, main: Compared, calendar: CalendarTime, banner: str | None) -> Figure:
    clock = main.clock
    lives = [
        Lives(
            name,
            calendar.origin[clock.arm == k],
            clock.settled[clock.arm == k],
            clock.exit[clock.arm == k],
            clock.event[clock.arm == k],
        )
        for k, name in enumerate(clock.arms)
    ]
    agents = dict.fromkeys(agent for agent in (calendar.entry, calendar.exposure) if agent is not None)
    marks = [(f"{agent.name} first given in these data", agent.first_given) for agent in agents]
    endpoint = walk.study.endpoints[main.found.endpoint]
    event = " or ".join(source.label or write(source.at) for source in endpoint.events)
    origin = walk.study.anchors[endpoint.origin.name].label if isinstance(endpoint.origin, Anchor) else ""
    return lexis(
        lives,
        [*marks, ("data cut", calendar.cut)],
        origin=origin or main.found.origin.words,
        settled=clock.settled_at,
        event=event,
        banner=banner,
    )


# ---------------------------------------------------------------- covariates and models


def _covariates(walk: Walk, main: Compared) -> list[Variable]:
    """The covariates of the Cox models that are settled when the clock starts."""
    moments = names.calendar(walk.study)
    offered = [name for one in walk.study.analyses if isinstance(one, Cox) for name in one.variables]
    return [
        _variable(walk, name, main.rows)
        for name in dict.fromkeys(offered)
        if name != "sequence"
        and moments.variables[name].rank <= main.found.origin.rank
        and walk.study.covariates[name].only is None
    ]


def _variable(walk: Walk, name: str, frame: pl.DataFrame) -> Variable:
    column = frame[name]
    label = walk.study.covariates[name].label or name
    if column.dtype.is_numeric():
        return Variable(label, column.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    return Variable(label, column.cast(pl.String).fill_null("").to_numpy().astype(str))


def _design(walk: Walk, analysis: Cox) -> models.Design:
    """The complete cases of a Cox analysis with every variable it offers."""
    people = population(walk, analysis)
    times = walk.outcomes[analysis.endpoint].of(people.frame["patient"])
    rows = pl.DataFrame({"patient": times.ids}).join(
        people.frame, on="patient", how="left", maintain_order="left"
    )
    complete = rows.select(
        ~pl.any_horizontal(pl.col(name).is_null() for name in analysis.variables)
    ).to_series()
    kept = rows.filter(complete)
    columns: list[tuple[str, NDArray[np.float64]]] = []
    for name in analysis.variables:
        label = (
            walk.study.sequences.label if name == "sequence" else walk.study.covariates[name].label or name
        )
        if kept[name].dtype.is_numeric():
            columns.append((label, kept[name].cast(pl.Float64).to_numpy()))
        else:
            levels = sorted(kept[name].unique().to_list())
            columns += [(f"{label}: {v}", (kept[name] == v).cast(pl.Float64).to_numpy()) for v in levels[1:]]
    events = int((times.state[complete.to_numpy()] > 0).sum())
    return models.Design(
        analysis.id, tuple(columns), events, kept.height, len(times), analysis.enter != "all"
    )


# ---------------------------------------------------------------- ends of lines, tests, groups


def _variants(walk: Walk, people: Population, lines: list[Compared]) -> Iterator[tuple[str, Estimate]]:
    """Hazard ratios without each event that is no anchor (a stop for toxicity, the start of a next line)."""
    for one in lines:
        endpoint = walk.study.endpoints[one.found.endpoint]
        named = [source for source in endpoint.events if not isinstance(source.at, Anchor)]
        if not named or len(one.clock.arms) != 2:
            continue
        yield from _ratio(f"{one.clock.label}, as asked", one.clock)
        for source in named:
            rest = tuple(other for other in endpoint.events if other is not source)
            if rest:
                mended = derive(
                    one.found.endpoint,
                    endpoint.model_copy(update={"events": rest}),
                    walk.people,
                    walk.registry.moments,
                )
                clock = _compared(_with(walk, one.found.endpoint, mended), one.found, people).clock
                yield from _ratio(f"{one.clock.label}, without “{source.label or write(source.at)}”", clock)


def _with(walk: Walk, name: str, outcome: Outcome) -> Walk:
    return replace(walk, outcomes={**walk.outcomes, name: outcome})


def _ratio(label: str, clock: Clock) -> Iterator[tuple[str, Estimate]]:
    if len(np.unique(clock.arm[clock.event])) == 2:
        yield label, cox(clock.times(), {clock.arms[1]: (clock.arm == 1).astype(float)}).hazard_ratios()[0]


def _line_ends(walk: Walk, lines: list[Compared]) -> Verdict:
    """A142 on the first endpoint of a line that has a progression as an event."""
    for one in lines:
        endpoint = walk.study.endpoints[one.found.endpoint]
        labels = [
            source.label or write(source.at)
            for source in endpoint.events
            if isinstance(source.at, Anchor) and walk.study.anchors[source.at.name].stage == "course"
        ]
        ended = one.rows.join(
            walk.people.frame.select(
                "patient", walk.people.expression(parse(f"line[{endpoint.line}].end")).alias("_line_end")
            ),
            on="patient",
            how="left",
        )
        progressed = (ended["state"] > 0) & ended["end"].is_in(labels)
        same = (progressed & (ended["exit"] == ended["_line_end"]).fill_null(value=False)).to_numpy()
        arms = range(len(one.clock.arms))
        return followup.dated_at_line_end(
            one.clock.label,
            [int((same & (one.clock.arm == k)).sum()) for k in arms],
            [int((progressed.to_numpy() & (one.clock.arm == k)).sum()) for k in arms],
        )
    return followup.dated_at_line_end("", [], [])


def _tests(content: Content) -> Iterator[Entry]:
    """Every p-value that an analysis prints."""
    name = content.heading.id
    match content:
        case Described():
            yield from (Entry(name, v.label, v.test.p) for v in content.variables if v.test is not None)
        case Survival():
            if content.test is not None:
                yield Entry(name, f"log-rank, {content.endpoint}", content.test.p)
        case Regression():
            for term in content.terms:
                words = f"{term.variable}: {term.level}"
                if term.univariate_p is not None:
                    yield Entry(name, f"{words}, alone", term.univariate_p)
                if term.multivariable_p is not None:
                    yield Entry(name, f"{words}, adjusted", term.multivariable_p)
        case Adjusted():
            yield from (
                Entry(name, f"{row.label}, {content.endpoint}", row.p)
                for row in content.corrects
                if row.p is not None
            )
        case MedianTable():
            for stratum, tests in content.tests.items():
                for endpoint, test in zip(content.endpoints, tests, strict=True):
                    yield Entry(name, f"log-rank, {endpoint}, {stratum}", test.p)
        case _:
            return


def _interactions(walk: Walk) -> Iterator[tuple[str, float]]:
    """Arms by subgroup, for every table of medians within the levels of a covariate."""
    clocks = {(clock.analysis, clock.endpoint): clock for clock in time_zero(walk.study)}
    for analysis in walk.study.analyses:
        if not isinstance(analysis, Medians) or analysis.within is None:
            continue
        people = population(walk, analysis)
        label = walk.study.covariates[analysis.within].label or analysis.within
        for name in analysis.endpoints:
            one = _compared(walk, clocks[analysis.id, name], people)
            level = one.rows[analysis.within].cast(pl.String).fill_null("").to_numpy().astype(str)
            yield (
                f"{one.clock.label} by {label} ({analysis.id})",
                multiplicity.interaction_p(one.clock, level),
            )


def _small_groups(walk: Walk, main: Compared) -> Verdict:
    """A192 over every group that some analysis compares."""
    compared = dict.fromkeys(name for clock in time_zero(walk.study) for name in clock.settled)
    cohort = walk.people.frame.filter(pl.col("sequence").is_in(list(compared)))
    table = cohort.select("patient", "sequence").join(main.outcome.table, on="patient", how="left")
    sizes = [table.filter(pl.col("sequence") == name).height for name in compared]
    used = table.filter(pl.col("unused").is_null() & (pl.col("state") > 0))
    events = [used.filter(pl.col("sequence") == name).height for name in compared]
    return models.small_groups(list(compared), sizes, events)
