"""Every biomarker of a study file must mean something: a field and a cut, or a published rule and its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sequela.core.finding import Finding
from sequela.study.biomarkers import Rule, biomarker_rule, rule_names
from sequela.study.nearest import unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sequela.study.biomarkers import Input
    from sequela.study.model import Biomarker, Column, Study
    from sequela.study.positions import Path

Fault = tuple["Path", Finding]


def biomarker_faults(study: Study) -> Iterator[Fault]:
    """All faults of the biomarkers, each with the path of its key."""
    fields: dict[str, str | Column] = {}
    for source in study.sources.values():
        if source.role == "patients":
            fields |= source.columns
    earlier: dict[str, tuple[str, ...]] = {}  # their levels: of a rule, in the rule's own words
    for name, biomarker in study.biomarkers.items():
        path = ("biomarkers", name)
        earlier[name] = biomarker.levels if biomarker.rule is None else ()
        if biomarker.rule is None:
            yield from _cut(path, biomarker, fields)
        elif biomarker.rule not in rule_names():
            yield (*path, "rule"), unknown("biomarker rule", biomarker.rule, rule_names())
        else:
            rule = biomarker_rule(biomarker.rule)
            yield from _rule(path, biomarker, rule, fields, {k: v for k, v in earlier.items() if k != name})
            earlier[name] = rule.results


def levels_of(biomarker: Biomarker) -> tuple[str, ...]:
    """The levels that a biomarker can have, as they are printed."""
    if biomarker.rule is None:
        return biomarker.levels
    results = biomarker_rule(biomarker.rule).results
    return tuple(biomarker.words.get(result, result) for result in results)


def _cut(path: Path, biomarker: Biomarker, fields: Iterable[str]) -> Iterator[Fault]:
    if biomarker.variable is None or biomarker.cut is None or biomarker.inputs or biomarker.words:
        yield path, _incomplete("neither a cut nor a rule is whole")
    elif biomarker.variable not in fields:
        yield (*path, "variable"), unknown("patient field", biomarker.variable, fields)


def _rule(
    path: Path,
    biomarker: Biomarker,
    rule: Rule,
    fields: Mapping[str, str | Column],
    earlier: Mapping[str, tuple[str, ...]],
) -> Iterator[Fault]:
    known = [one.name for one in rule.inputs]
    if biomarker.cut is not None or not biomarker.reads or (biomarker.inputs and biomarker.variable):
        yield path, _incomplete(f"the rule {rule.name} reads {', '.join(known)}")
        return
    for word in biomarker.words:
        if word not in rule.results:
            yield (*path, "words"), unknown("result", word, rule.results)
    for name, field in biomarker.reads.items():
        key = (*path, "inputs") if biomarker.inputs else (*path, "variable")
        if name not in known:
            yield key, unknown(f"input of {rule.name}", name, known)
        elif field in earlier:
            yield from _of_words(key, rule, rule.input(name), field, earlier[field])
        elif field in fields:
            yield from _of_field(key, rule, rule.input(name), field, fields[field])
        else:
            yield key, unknown("patient field or earlier biomarker", field, {*fields, *earlier})


def _of_field(key: Path, rule: Rule, one: Input, field: str, column: str | Column) -> Iterator[Fault]:
    """A field must hold what the input takes, and say so: then a cell that does not is listed where it stands."""
    if one.levels:
        levels = [] if isinstance(column, str) else list(column.levels)
        if not isinstance(column, str) and isinstance(column.levels, dict):
            levels = list(column.levels.values())
        if not levels:
            yield key, _unfit(rule, one, field, "no levels", 'type = "category" and its levels')
            return
        yield from _of_words(key, rule, one, field, levels)
        return
    number = not isinstance(column, str) and column.type in ("integer", "number")
    least = None if isinstance(column, str) else column.minimum
    most = None if isinstance(column, str) else column.maximum
    inside = least is not None and least >= one.least and (most is not None or one.most == float("inf"))
    if not number or not inside or (most is not None and most > one.most):
        limits = f"minimum = {one.least:g}" + (f", maximum = {one.most:g}" if one.most < float("inf") else "")
        yield key, _unfit(rule, one, field, "no number within limits", f'type = "number", {limits}')


def _of_words(key: Path, rule: Rule, one: Input, field: str, words: Iterable[str]) -> Iterator[Fault]:
    strange = [word for word in words if one.level(word) is None]
    if strange and one.levels:
        first = f'levels = {{ "{strange[0]}" = "{one.levels[0]}", ... }}'
        yield key, _unfit(rule, one, field, ", ".join(strange), f"say what they mean in the source: {first}")
    elif not one.levels:
        yield key, _unfit(rule, one, field, "words", "name a field that holds a number")


def _unfit(rule: Rule, one: Input, field: str, found: str, remedy: str) -> Finding:
    message = f"`{field}` does not hold what `{one.name}` of {rule.name} takes"
    return Finding("S128", "error", message, found=found, allowed=one.allowed, remedy=remedy)


def _incomplete(why: str) -> Finding:
    return Finding(
        "S129", "error", why,
        allowed="variable and cut; or rule, with inputs (or variable, for a rule of percent)",
        remedy='say `variable = "er_percent"` and `cut = 1`, or `rule = "er"` and `variable = "er_percent"`',
    )  # fmt: skip
