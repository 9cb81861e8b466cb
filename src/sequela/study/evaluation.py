"""The meaning of an expression for one patient: three-valued, in plain Python.

This is the reference: the columnar evaluation of the clinic must agree with it, and the proof that
sequence groups are exclusive runs on it.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

from sequela.study.expressions import Among, And, Compare, Missing, Node, Not, Number, Or, Sum, Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def evaluate(node: Node, values: Mapping[Node, Any]) -> Any:
    """The value of `node` when atoms (or whole sub-expressions) have these `values`; None is unknown."""
    if node in values:
        return values[node]
    match node:
        case Number(value) | Text(value):
            return value
        case Sum(left, sign, right):
            a, b = evaluate(left, values), evaluate(right, values)
            return None if a is None or b is None else a + sign * b
        case Compare(left, op, right):
            a, b = evaluate(left, values), evaluate(right, values)
            return None if a is None or b is None else COMPARE[op](a, b)
        case Among(left, allowed):
            a = evaluate(left, values)
            return None if a is None else a in allowed
        case Missing(left):
            return evaluate(left, values) is None
        case Not(inner):
            a = evaluate(inner, values)
            return None if a is None else not a
        case And(parts):
            return _kleene([evaluate(part, values) for part in parts], decisive=False)
        case Or(parts):
            return _kleene([evaluate(part, values) for part in parts], decisive=True)
        case _:
            raise KeyError(node)


def _kleene(found: list[Any], *, decisive: bool) -> bool | None:
    if any(value is not None and bool(value) is decisive for value in found):
        return decisive
    return None if any(value is None for value in found) else not decisive
