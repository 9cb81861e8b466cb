"""The time-zero check, on the study file alone: does a clock start before its patients are chosen?

Every criterion, group and covariate is settled at some moment of the patient's history; every endpoint starts its
clock at one. What is settled after the clock has started conditions on the future:

    GT001  a cohort criterion  (patients are chosen by what happens to them later)
    GT002  an exposure group   (patients cannot die before they earn their group: immortal time)
    GT003  a covariate         (a consequence is adjusted for as if it were a cause)

Delayed entry at the moment of settling removes the immortal time; it does not remove the dependence of survival on
the time of entry. Sources: Suissa, Am J Epidemiol 2008;167:492 (immortal time); Anderson, Cain and Gelber, J Clin
Oncol 1983;1:710 (guarantee time); Giobbie-Hurder, Gelber and Regan, J Clin Oncol 2013;31:2963.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sequela.core.finding import Finding, Where
from sequela.study.adjusting import Adjusting, Landmark, TimeDependent
from sequela.study.model import Cox, Curves, Medians, TargetTrial
from sequela.study.names import calendar
from sequela.study.partition import implies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sequela.study.model import Analysis, Criterion, Endpoint, Group, Study
    from sequela.study.timing import Calendar, Moment


@dataclass(frozen=True, slots=True)
class Fault:
    """Something settled after the clock of an endpoint has started."""

    code: str
    what: str
    settled: Moment


@dataclass(frozen=True, slots=True)
class TimeZero:
    """The clock of one comparison: an endpoint, the groups compared, the covariates adjusted for.

    Attributes:
        analysis: id of the analysis.
        endpoint: name of the endpoint.
        origin: when the clock starts; `entry`: when observation starts.
        faults: what is settled after `entry`.
        settled: for each group, the moments at which a patient's place in it is settled.
    """

    analysis: str
    endpoint: str
    origin: Moment
    entry: Moment
    faults: tuple[Fault, ...]
    settled: dict[str, tuple[Moment, ...]]

    @property
    def selective(self) -> bool:
        """Whether patients or groups (not only covariates) are settled too late: the estimate itself is at stake."""
        return any(fault.code in ("GT001", "GT002") for fault in self.faults)


def time_zero(study: Study) -> tuple[TimeZero, ...]:
    """The clock of every comparison in the study, in the order of its analyses."""
    return tuple(found for analysis in study.analyses for found in _clocks(study, calendar(study), analysis))


def _clocks(study: Study, moments: Calendar, analysis: Analysis) -> Iterator[TimeZero]:
    if isinstance(analysis, TargetTrial):
        yield _trial(study, moments, analysis)
        return
    if not isinstance(analysis, Curves | Cox | Medians | Adjusting):
        return
    names = analysis.endpoints if isinstance(analysis, Medians) else (analysis.endpoint,)
    compared = (
        analysis.by == "sequence" if isinstance(analysis, Curves) else not isinstance(analysis, TimeDependent)
    )
    groups = (
        [g for g in study.sequences.groups if not analysis.groups or g.name in analysis.groups]
        if compared
        else []
    )
    criteria = _criteria(study, analysis.population)
    for name in names:
        endpoint = study.endpoints[name]
        origin = moments.moment(endpoint.origin)
        entry = max(origin, moments.moment(endpoint.entry)) if endpoint.entry is not None else origin
        faults: list[Fault] = []
        if not isinstance(analysis, Landmark):  # who is not settled by the landmark is left out and counted
            faults += _criteria_faults(criteria, groups, moments, entry)
            faults += _group_faults(groups, moments, entry)
        faults += _covariate_faults(_adjusted_for(analysis), moments, entry)
        settled = {group.name: _settled(group, criteria, moments, entry) for group in groups}
        yield TimeZero(analysis.id, name, origin, entry, tuple(faults), settled)


def _trial(study: Study, moments: Calendar, trial: TargetTrial) -> TimeZero:
    """A target trial classifies nobody by the future; its criteria and covariates may still do so."""
    origin = moments.moment(study.endpoints[trial.endpoint].origin)
    faults = [
        *_criteria_faults(_criteria(study, trial.population), [], moments, origin),
        *_covariate_faults(trial.variables, moments, origin),
    ]
    for strategy in trial.strategies:
        settled = moments.settled(strategy.where) if strategy.where is not None else origin
        if settled.rank > origin.rank:
            faults.append(Fault("GT002", f"strategy “{strategy.name}”", settled))
    return TimeZero(trial.id, trial.endpoint, origin, origin, tuple(faults), {})


def _adjusted_for(analysis: Analysis) -> tuple[str, ...]:
    """The covariates of an analysis that compares groups."""
    if isinstance(analysis, Cox):
        return analysis.variables
    return analysis.covariates if isinstance(analysis, Adjusting) else ()


def _criteria(study: Study, population: str) -> tuple[Criterion, ...]:
    if population == "all":
        return ()
    names = [criterion.name for criterion in study.cohort]
    return study.cohort if population == "cohort" else study.cohort[: names.index(population) + 1]


def _criteria_faults(
    criteria: tuple[Criterion, ...], groups: list[Group], moments: Calendar, entry: Moment
) -> Iterator[Fault]:
    for criterion in criteria:
        settled = moments.settled(criterion.where)
        if settled.rank > entry.rank and not _covered(criterion, groups, moments, entry):
            yield Fault("GT001", f"criterion “{criterion.name}”", settled)


def _covered(criterion: Criterion, groups: list[Group], moments: Calendar, entry: Moment) -> bool:
    """A criterion that follows from every group is settled no later than the groups are."""
    return bool(groups) and all(
        implies(group.where, criterion.where) and moments.settled(group.where).rank <= entry.rank
        for group in groups
    )


def _group_faults(groups: list[Group], moments: Calendar, entry: Moment) -> Iterator[Fault]:
    for group in groups:
        settled = moments.settled(group.where)
        if settled.rank > entry.rank:
            yield Fault("GT002", f"group “{group.name}”", settled)


def _covariate_faults(variables: tuple[str, ...], moments: Calendar, entry: Moment) -> Iterator[Fault]:
    for name in variables:
        if name != "sequence" and moments.variables[name].rank > entry.rank:
            yield Fault("GT003", f"covariate `{name}`", moments.variables[name])


def _settled(
    group: Group, criteria: tuple[Criterion, ...], moments: Calendar, entry: Moment
) -> tuple[Moment, ...]:
    """The last moment after `entry` that puts a patient of this group into the analysis (several at the end)."""
    found = {moments.settled(group.where)}
    found |= {moments.settled(c.where) for c in criteria if not implies(group.where, c.where)}
    late = [moment for moment in found if moment.rank > entry.rank]
    return tuple(sorted(moment for moment in late if moment.rank == max(late).rank))


_WORDS = {
    "GT001": ("chooses patients by what happens after its clock starts", "conditions on the future"),
    "GT002": ("compares groups that are earned after its clock starts", "immortal time"),
    "GT003": ("adjusts for what is known only after its clock starts", "post-baseline covariate"),
}


def audit_design(study: Study) -> list[Finding]:
    """GT001 to GT003 over every endpoint of the study; needs no data.

    One finding per endpoint and code; `found` names each criterion, group or covariate and when it is settled.
    """
    merged: dict[tuple[str, str], dict[Fault, None]] = {}
    clocks: dict[str, TimeZero] = {}
    for clock in time_zero(study):
        clocks.setdefault(clock.endpoint, clock)
        for fault in clock.faults:
            merged.setdefault((clock.endpoint, fault.code), {})[fault] = None
    return [
        _finding(study, study.endpoints[name], name, code, clocks[name], tuple(faults))
        for (name, code), faults in merged.items()
    ]


def _finding(
    study: Study, endpoint: Endpoint, name: str, code: str, clock: TimeZero, faults: tuple[Fault, ...]
) -> Finding:
    does, kind = _WORDS[code]
    found = "; ".join(f"{fault.what} is settled at {fault.settled.name}" for fault in faults)
    latest = max(fault.settled for fault in faults).name
    remedy = (
        f"take the covariate out, or start the clock at {latest}"
        if code == "GT003"
        else f'start the clock at {latest}, or add `entry = "{latest}"` (delayed entry) to the endpoint'
    )
    return Finding(
        code,
        "error" if code != "GT003" else "warning",
        f"{endpoint.label} {does} ({kind})",
        Where(study.path or None, field=f"endpoints.{name}"),
        found=found,
        allowed=f"everything settled by {clock.entry.name}",
        remedy=remedy,
    )
