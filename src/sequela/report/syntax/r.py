"""The tables as an R program (packages survival and stats): results in one data frame, written beside the data."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

from sequela.report.syntax.tasks import Counts, Cox, Left, Medians, Survival

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sequela.report.syntax.tasks import Clock, Factor, Plan, Task


def r_program(plan: Plan) -> str:
    """The R program of a plan. It writes its results to `STEM-R.csv`."""
    classes = ", ".join(
        f"{_name(v.name)} = {_text('character' if v.kind in ('text', 'category') else 'numeric')}"
        for v in plan.table.variables
        if v.kind != "date"
    )
    lines = [*(f"# {note}" for note in plan.notes), ""]
    functions = (files("sequela") / "report" / "templates" / "tables.R").read_text("utf-8")
    lines += [functions.replace("@FILE@", _text(f"{plan.stem}.csv")).replace("@CLASSES@", classes)]
    lines += [f"unit <- {plan.days!r}  # days in a {plan.unit}, in which medians are shown", ""]
    for task in plan.tasks:
        lines += [f"# {_line(task.title)}", *_task(task), ""]
    lines += [
        f'write.csv(results, {_text(f"{plan.stem}-R.csv")}, row.names = FALSE, fileEncoding = "UTF-8")',
        "print(results, digits = 4, row.names = FALSE)",
    ]
    return "\n".join(lines) + "\n"


def _task(task: Task) -> Iterable[str]:
    match task:
        case Left():
            return [f"# not repeated here: {task.why}"]
        case Counts():
            return [
                f"some <- d[d${task.use} == 1, ]",
                *(_described(task, variable) for variable in task.variables),
            ]
        case Survival():
            return _survival(task)
        case Medians():
            return _medians(task)
        case Cox():
            return _cox(task)


def _described(task: Counts, factor: Factor) -> str:
    frame = f"some[some${factor.only} == 1, ]" if factor.only else "some"
    levels = _vector(factor.levels) if factor.levels else "NULL"
    by = f"{_text(task.by.name)}, {_vector(task.by.levels)}" if task.by else "NULL, NULL"
    test = "TRUE" if task.test and task.by else "FALSE"
    return f"describe({_text(task.id)}, {frame}, {_text(factor.name)}, {levels}, {by}, {test})"


def _start(use: str, clock: Clock) -> list[str]:
    entry = _text(clock.entry) if clock.entry else "NULL"
    return [
        f"some <- d[d${use} == 1 & !is.na(d${clock.days}), ]",
        f"y <- clock(some, {_text(clock.days)}, {_text(clock.event)}, {entry})",
    ]


def _group(by: Factor | None) -> str:
    return _factor(by) if by else 'factor(rep("All patients", nrow(some)))'


def _factor(factor: Factor) -> str:
    return f"factor(some${factor.name}, levels = {_vector(factor.levels)})"


def _survival(task: Survival) -> list[str]:
    lines = [*_start(task.use, task.clock), f"g <- {_group(task.by)}"]
    item = _text(task.clock.days)
    lines += [f"medians({_text(task.id)}, {item}, y, g, unit)"]
    if task.by:
        lines += [f"log_rank({_text(task.id)}, {item}, y, g)"]
        if len(task.by.levels) == 2:
            lines += [f'ratios({_text(task.id)}, "group", y, list(sequence = g), "efron")']
    return lines


def _medians(task: Medians) -> list[str]:
    lines: list[str] = []
    for clock in task.clocks:
        lines += [*_start(task.use, clock), f"g <- {_group(task.by)}"]
        lines += [f"medians({_text(task.id)}, {_text(clock.days)}, y, g, unit)"]
        lines += [f"log_rank({_text(task.id)}, {_text(clock.days)}, y, g)"]
        if task.within:
            lines += [
                f"for (level in {_vector(task.within.levels)}) {{",
                f"  here <- !is.na(some${task.within.name}) & some${task.within.name} == level",
                "  if (!any(here)) next",
                f'  item <- paste({_text(clock.days)}, level, sep = ": ")',
                f"  medians({_text(task.id)}, item, y[here], g[here], unit)",
                f"  log_rank({_text(task.id)}, item, y[here], g[here])",
                "}",
            ]
    return lines


def _cox(task: Cox) -> list[str]:
    further = ""
    if task.strata:
        parts = ", ".join(f'ifelse(is.na(some${name}), "unknown", some${name})' for name in task.strata)
        further += f", strata = list({parts})"
    if task.cluster:
        further += f", cluster = some${task.cluster}"
    lines = _start(task.use, task.clock)
    for factor in task.terms:
        x = f"list({_name(factor.name)} = {_column(factor)})"
        lines += [f'ratios({_text(task.id)}, "univariate", y, {x}, {_text(task.ties)}{further})']
    if task.joint:
        x = ",\n  ".join(f"{_name(factor.name)} = {_column(factor)}" for factor in task.joint)
        lines += [f'ratios({_text(task.id)}, "multivariable", y, list(\n  {x}), {_text(task.ties)}{further})']
    return lines


def _column(factor: Factor) -> str:
    return _factor(factor) if factor.levels else f"some${factor.name} / {factor.per!r}"


def _name(name: str) -> str:
    return f"`{name}`"


def _text(words: str) -> str:
    return json.dumps(words, ensure_ascii=False)


def _vector(words: tuple[str, ...]) -> str:
    return f"c({', '.join(map(_text, words))})"


def _line(words: str) -> str:
    return " ".join(words.split())
