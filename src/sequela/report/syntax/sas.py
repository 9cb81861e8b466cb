"""The tables as a SAS program: FREQ, MEANS, NPAR1WAY, LIFETEST, PHREG on the exported CSV file.

Medians are in days; quartiles follow SAS's definition 5. Delayed entry is known to PHREG, not to LIFETEST.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sequela.report.syntax.tasks import Counts, Cox, Left, Medians, Survival

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sequela.report.syntax.tasks import Clock, Factor, Plan, Task


def sas_program(plan: Plan) -> str:
    """The SAS program of a plan, for the file `STEM.csv`."""
    lines = [_comment(note) for note in plan.notes]
    lines += [_comment(f"Medians are in days: divide by {plan.days:g} for {plan.unit}s"), "", *_data(plan)]
    for task in plan.tasks:
        lines += ["", _comment(task.title), *_task(task)]
    return "\n".join(lines) + "\n"


def _data(plan: Plan) -> Iterable[str]:
    words = plan.table.words()
    yield "data analysis;"
    yield f"  infile {_text(f'{plan.stem}.csv')} dsd firstobs=2 truncover lrecl=32767 encoding='utf-8';"
    for variable in plan.table.variables:
        if variable.kind in ("text", "category"):
            longest = words[variable.name].str.len_bytes().max()
            yield f"  length {variable.name} $ {max(1, int(longest or 1))};"  # pyright: ignore[reportArgumentType]
        elif variable.kind == "date":
            yield f"  informat {variable.name} yymmdd10.;"
            yield f"  format {variable.name} yymmdd10.;"
    yield "  input"
    yield from (f"    {v.name}{' $' if v.kind in ('text', 'category') else ''}" for v in plan.table.variables)
    yield "  ;"
    for variable in plan.table.variables:
        if variable.label:
            yield f"  label {variable.name} = {_text(variable.label)};"
    yield "run;"


def _task(task: Task) -> list[str]:
    match task:
        case Left():
            return [_comment(f"Not repeated here: {task.why}")]
        case Counts():
            return [line for factor in task.variables for line in _described(task, factor)]
        case Survival():
            lines = _curves(_where(task.use), task.clock, task.by)
            if task.by and len(task.by.levels) == 2:
                lines += _regression(_where(task.use), task.clock, (task.by,), "efron", (), None)
            return lines
        case Medians():
            return [line for clock in task.clocks for line in _medians(task, clock)]
        case Cox():
            blocks = [(factor,) for factor in task.terms] + ([task.joint] if task.joint else [])
            return [
                line
                for block in blocks
                for line in _regression(
                    _where(task.use), task.clock, block, task.ties, task.strata, task.cluster
                )
            ]


def _where(*flags: str | None, more: str = "") -> str:
    parts = [f"{flag} = 1" for flag in flags if flag] + ([more] if more else [])
    return f"  where {' and '.join(parts)};"


def _described(task: Counts, factor: Factor) -> list[str]:
    where, by = _where(task.use, factor.only), task.by
    if factor.levels:
        tables = f"{factor.name} * {by.name} / norow nopercent" if by else factor.name
        fisher = ["  exact fisher;"] if by and task.test else []
        test = " chisq" if by and task.test else ""
        return ["proc freq data=analysis;", where, f"  tables {tables}{test};", *fisher, "run;"]
    group = [f"  class {by.name};"] if by else []
    lines = [
        "proc means data=analysis n nmiss q1 median q3 min max mean std;",
        where,
        *group,
        f"  var {factor.name};",
        "run;",
    ]
    if by and task.test:
        lines += ["proc npar1way data=analysis wilcoxon;", where, *group, f"  var {factor.name};", "run;"]
    return lines


def _curves(where: str, clock: Clock, by: Factor | None) -> list[str]:
    if clock.entry:
        note = _comment(f"{clock.label}: patients enter late, so the medians are read off the curve of PHREG")
        strata = [f"  strata {by.name};"] if by else []
        return [
            note, "proc phreg data=analysis plots(overlay)=survival;", where,
            f"  model ({clock.entry}, {clock.days}) * {clock.event}(0) = ;", *strata,
            "  baseline out=curve survival=survival / method=pl;", "run;",
        ]  # fmt: skip
    strata = [f"  strata {by.name} / test=logrank;"] if by else []
    return [
        "proc lifetest data=analysis conftype=log;",
        where,
        f"  time {clock.days} * {clock.event}(0);",
        *strata,
        "run;",
    ]


def _medians(task: Medians, clock: Clock) -> list[str]:
    lines = _curves(_where(task.use), clock, task.by)
    for level in task.within.levels if task.within else ():
        name = task.within.name if task.within else ""
        lines += _curves(_where(task.use, more=f"{name} = {_text(level)}"), clock, task.by)
    return lines


def _regression(
    where: str,
    clock: Clock,
    factors: tuple[Factor, ...],
    ties: str,
    strata: tuple[str, ...],
    cluster: str | None,
) -> list[str]:
    robust = " covs(aggregate)" if cluster else ""
    lines = [f"proc phreg data=analysis{robust};", where]
    classes = " ".join(f"{f.name}(ref={_text(f.levels[0])})" for f in factors if f.levels)
    lines += [f"  class {classes} / param=ref;"] if classes else []
    time = f"({clock.entry}, {clock.days})" if clock.entry else clock.days
    names = " ".join(factor.name for factor in factors)
    lines += [f"  model {time} * {clock.event}(0) = {names} / ties={ties} rl;"]
    lines += [f"  hazardratio {f.name} / units={f.per:g};" for f in factors if not f.levels and f.per != 1]
    lines += [f"  strata {' '.join(strata)};"] if strata else []
    lines += [f"  id {cluster};"] if cluster else []
    return [*lines, "run;"]


def _text(words: str) -> str:
    """In single quotation marks nothing is a macro."""
    doubled = words.replace("'", "''")
    return f"'{doubled}'"


def _comment(words: str) -> str:
    return f"/* {' '.join(words.split()).replace('*/', '* /')} */"
