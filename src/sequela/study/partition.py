"""Proof that sequence groups are exclusive and exhaustive, by enumerating what a patient can be.

Every quantity that the groups or the cohort ask about takes each of its distinguishable values: true and
false, every level, every number it is compared with and the gaps between. Contradictions (line 1 has a drug,
yet its first line is 3) are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise, product
from math import prod
from typing import TYPE_CHECKING, Any, Final

from sequela.study.evaluation import evaluate
from sequela.study.expressions import (
    Among,
    Compare,
    LineCount,
    LineHas,
    LineOf,
    LineStopped,
    Missing,
    Name,
    Node,
    Number,
    Text,
    children,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LIMIT: Final = 200_000
Values = dict[Node, Any]


@dataclass(frozen=True, slots=True)
class Proof:
    """What the enumeration found: a witness per overlap, a witness for the gap, or that it was too large."""

    overlaps: tuple[tuple[str, str, str], ...]
    gap: str | None
    cases: int
    complete: bool


def prove(groups: Mapping[str, Node], cohort: tuple[Node, ...] = ()) -> Proof:
    """Enumerate the patients that pass every `cohort` criterion and look at the `groups` of each.

    Unknown variables are not enumerated: a patient whose group cannot be decided is counted by the cohort.
    """
    domains = _domains((*groups.values(), *cohort))
    if prod(len(values) for values in domains.values()) > LIMIT:
        return Proof((), None, 0, complete=False)
    overlaps: dict[tuple[str, str], str] = {}
    gap, cases = None, 0
    for values in _patients(domains):
        if not all(evaluate(criterion, values) for criterion in cohort):
            continue
        cases += 1
        inside = [name for name, node in groups.items() if evaluate(node, values)]
        for pair in combinations(inside, 2):
            overlaps.setdefault(pair, _describe(values))
        if not inside and gap is None:
            gap = _describe(values)
    return Proof(tuple((a, b, text) for (a, b), text in overlaps.items()), gap, cases, complete=True)


def implies(group: Node, criterion: Node) -> bool:
    """Whether every patient of `group` passes `criterion`, whatever else holds."""
    domains = _domains((group, criterion))
    if prod(len(values) for values in domains.values()) > LIMIT:
        return False
    return all(evaluate(criterion, values) for values in _patients(domains) if evaluate(group, values))


def _domains(nodes: tuple[Node, ...]) -> dict[Node, list[Any]]:
    constants: dict[Node, set[Any]] = {}
    for node in nodes:
        _collect(node, constants)
    return {quantity: _candidates(quantity, found) for quantity, found in constants.items()}


def _collect(node: Node, into: dict[Node, set[Any]]) -> None:
    match node:
        case Compare(left, _, Number(value) | Text(value)) if not isinstance(left, (Number, Text)):
            into.setdefault(left, set()).add(value)
        case Compare():
            into.setdefault(node, set())
        case Among(left, values):
            into.setdefault(left, set()).update(values)
        case Missing(left):
            into.setdefault(left, set()).add(None)
        case LineHas() | LineStopped() | Name() | LineOf() | LineCount():
            into.setdefault(node, set())
        case _:
            for part in children(node):
                _collect(part, into)


def _candidates(quantity: Node, constants: set[Any]) -> list[Any]:
    absent: list[Any] = [None] if None in constants or isinstance(quantity, LineOf) else []
    texts = sorted(value for value in constants if isinstance(value, str))
    numbers = sorted(value for value in constants if isinstance(value, float))
    if texts:
        return [*texts, "another level", *absent]
    if isinstance(quantity, (LineOf, LineCount)):
        top = int(max(numbers, default=1)) + 1
        return [*map(float, range(isinstance(quantity, LineOf), top + 1)), *absent]
    if numbers:
        between = [(a + b) / 2 for a, b in pairwise(numbers)]
        return [numbers[0] - 1, *sorted(numbers + between), numbers[-1] + 1, *absent]
    return [True, False, *absent]


def _patients(domains: dict[Node, list[Any]]) -> Iterator[Values]:
    for combination in product(*domains.values()):
        values = dict(zip(domains, combination, strict=True))
        if _possible(values):
            yield values


def _possible(values: Values) -> bool:
    lines = values.get(LineCount())
    for node, value in values.items():
        first = values.get(LineOf(node.agent), 0.0) if isinstance(node, LineHas) else None
        match node, value:
            case LineOf(), float() if lines is not None and value > lines:
                return False
            case LineHas(None, _), bool() if LineOf(node.agent) in values and value is (first is None):
                return False
            case LineHas(int() as number, _), True if lines is not None and number > lines:
                return False
            case LineHas(int() as number, _), True if LineOf(node.agent) in values and (
                first is None or first > number
            ):
                return False
            case LineHas(int() as number, _), False if first == number:
                return False
            case _:
                pass
    return True


def _describe(values: Values) -> str:
    return ", ".join(f"{write(node)}: {_word(value)}" for node, value in values.items())


def _word(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value:g}" if isinstance(value, float) else {True: "yes", False: "no", None: "none"}[value]
