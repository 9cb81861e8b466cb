"""The tables as SPSS syntax. SPSS follows conventions of its own where its commands offer no other.

Medians are in days with plain intervals; ties in Cox models are Breslow's; percentiles are weighted averages; there is
no delayed entry in KM and none in COXREG, no robust error, and one variable of strata: what that leaves out is said in
the program itself. PSPP runs everything but KM and COXREG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sequela.report.syntax.tasks import Counts, Cox, Left, Medians, Survival

if TYPE_CHECKING:
    from sequela.records.labelled import Variable
    from sequela.report.syntax.tasks import Clock, Factor, Plan, Task

CHOSEN = "chosen_here"
LATE = "SPSS knows no delayed entry; the R and SAS programs do"


def spss_program(plan: Plan) -> str:
    """The SPSS syntax of a plan, for the file `STEM.sav`."""
    variables = {variable.name: variable for variable in plan.table.variables}
    lines = [_comment(note) for note in plan.notes]
    lines += [
        _comment(f"Medians are in days: divide by {plan.days:g} for {plan.unit}s"),
        "",
        f"GET FILE='{plan.stem}.sav'.",
    ]
    scaled = {
        factor.name: factor.per
        for task in plan.tasks
        if isinstance(task, Cox)
        for factor in task.terms
        if factor.per != 1
    }
    lines += [f"COMPUTE {_scaled(name)} = {name} / {per:g}." for name, per in scaled.items()]
    lines += ["EXECUTE."] if scaled else []
    for task in plan.tasks:
        lines += ["", _comment(task.title), *_task(task, variables), "FILTER OFF."]
    return "\n".join(lines) + "\n"


def _task(task: Task, variables: dict[str, Variable]) -> list[str]:
    match task:
        case Left():
            return [_comment(f"Not repeated here: {task.why}")]
        case Counts():
            return [line for factor in task.variables for line in _described(task, factor, variables)]
        case Survival():
            return _curves(task.use, task.clock, task.by, None, variables)
        case Medians():
            return [
                line
                for clock in task.clocks
                for line in _curves(task.use, clock, task.by, task.within, variables)
            ]
        case Cox():
            return _cox(task, variables)


def _among(*flags: str | None, more: str = "") -> list[str]:
    """The patients that what follows looks at."""
    named = [flag for flag in flags if flag]
    if len(named) == 1 and not more:
        return [f"FILTER BY {named[0]}."]
    where = " AND ".join([*(f"{flag} = 1" for flag in named), *([more] if more else [])])
    return [f"COMPUTE {CHOSEN} = ({where}).", f"FILTER BY {CHOSEN}."]


def _described(task: Counts, factor: Factor, variables: dict[str, Variable]) -> list[str]:
    chosen, by = _among(task.use, factor.only), task.by
    if factor.levels:
        if by is None:
            return [*chosen, f"FREQUENCIES /VARIABLES={factor.name}."]
        test = " /STATISTICS=CHISQ" if task.test else ""
        return [*chosen, f"CROSSTABS /TABLES={factor.name} BY {by.name} /CELLS=COUNT COLUMN{test}."]
    if by is None:
        return [*chosen, f"FREQUENCIES /VARIABLES={factor.name} /FORMAT=NOTABLE /NTILES=4 /STATISTICS=ALL."]
    lines = [
        *chosen,
        f"EXAMINE VARIABLES={factor.name} BY {by.name} /STATISTICS=DESCRIPTIVES /PERCENTILES(25,50,75) /NOTOTAL.",
    ]
    if task.test:
        codes = [code for code, word in variables[by.name].words.items() if word in by.levels]
        name = "MANN-WHITNEY" if len(codes) == 2 else "KRUSKAL-WALLIS"
        lines += [f"NPAR TESTS /{name}={factor.name} BY {by.name}({min(codes)} {max(codes)})."]
    return lines


def _status(clock: Clock, variables: dict[str, Variable]) -> str:
    last = max(variables[clock.event].words)
    return f"{clock.event}({'1' if last == 1 else f'1 THRU {last}'})"


def _curves(
    use: str, clock: Clock, by: Factor | None, within: Factor | None, variables: dict[str, Variable]
) -> list[str]:
    if clock.entry:
        return [_comment(f"Not repeated here: {clock.label}. {LATE}")]
    group = f" BY {by.name}" if by else ""
    test = " /TEST=LOGRANK /COMPARE=OVERALL POOLED" if by else ""
    command = f"KM {clock.days}{group} /STATUS={_status(clock, variables)} /PRINT=MEAN /PERCENTILES{test}."
    lines = [*_among(use), command]
    if by and len(by.levels) == 2 and within is None:
        lines += _regression(use, clock, (by,), (), variables)
    if within:
        for code, word in sorted(variables[within.name].words.items()):
            chosen = _among(use, more=f"{within.name} = {code}")
            lines += [_comment(f"{within.label}: {word}"), *chosen, command]
    return lines


def _cox(task: Cox, variables: dict[str, Variable]) -> list[str]:
    if task.clock.entry:
        return [_comment(f"Not repeated here: {LATE}")]
    notes: list[str] = []
    if task.ties != "breslow":
        notes.append(_comment(f"SPSS breaks ties as Breslow; the report as {task.ties.capitalize()}"))
    if task.cluster:
        notes.append(_comment("SPSS has no robust errors; the R and SAS programs do"))
    if len(task.strata) > 1:
        notes.append(_comment("SPSS takes one variable of strata; the R and SAS programs take all"))
    blocks = [(factor,) for factor in task.terms] + ([task.joint] if task.joint else [])
    return [
        *notes,
        *(
            line
            for block in blocks
            for line in _regression(task.use, task.clock, block, task.strata, variables)
        ),
    ]


def _regression(
    use: str,
    clock: Clock,
    factors: tuple[Factor, ...],
    strata: tuple[str, ...],
    variables: dict[str, Variable],
) -> list[str]:
    contrasts = "".join(f" /CONTRAST({factor.name})=INDICATOR(1)" for factor in factors if factor.levels)
    names = " ".join(_scaled(factor.name) if factor.per != 1 else factor.name for factor in factors)
    layers = f" /STRATA={strata[0]}" if strata else ""
    status = _status(clock, variables)
    return [
        *_among(use),
        f"COXREG {clock.days} /STATUS={status}{layers}{contrasts} /METHOD=ENTER {names} /PRINT=CI(95).",
    ]


def _scaled(name: str) -> str:
    return f"{name[:28]}_per"


def _comment(words: str) -> str:
    """A comment on one line; its own full stop ends it."""
    plain = " ".join(words.split()).replace("'", "’").rstrip(".")
    return f"* {plain}."
