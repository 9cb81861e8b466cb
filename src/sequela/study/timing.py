"""When an expression is settled: the last moment of the patient's history that it needs to know.

A moment has a rank; ranks follow the order in which a patient lives through them:
baseline anchors (in the order of the study file) < line 1 start < line 1 end < line 2 start < … < the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sequela.study.expressions import (
    Among,
    Anchor,
    Compare,
    LineCount,
    LineHas,
    LineMoment,
    LineOf,
    LineOfStart,
    LineStopped,
    Name,
    Node,
    Number,
    children,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Rank = tuple[int, int]
END: Final[Rank] = (3, 0)


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """A point of the patient's history: its rank, and its name as written in the study file."""

    rank: Rank
    name: str

    @property
    def words(self) -> str:
        """The moment as a reader says it: `the start of line 2`."""
        if line := re.fullmatch(r"line\[(\d+)\]\.(start|end)", self.name):
            return f"the {line[2]} of line {line[1]}"
        if first := re.fullmatch(r"line_of\((\w+)\)\.start", self.name):
            return f"the start of {first[1].replace('_', ' ')}"
        return self.name.removesuffix(".date").replace("_", " ")


def line_start(number: int) -> Moment:
    """The start of a line of therapy."""
    return Moment((1, 2 * number), f"line[{number}].start")


def line_end(number: int) -> Moment:
    """The end of a line of therapy."""
    return Moment((1, 2 * number + 1), f"line[{number}].end")


def first_with(agent: str) -> Moment:
    """The start of the first line with an agent: it may come late, or never."""
    return Moment(END, f"line_of({agent}).start")


WHOLE_COURSE: Final = Moment(END, "the end of follow-up")


@dataclass(frozen=True, slots=True)
class Calendar:
    """The moments that a study knows: its anchors and, for each variable, when it is settled."""

    anchors: Mapping[str, Moment]
    variables: Mapping[str, Moment]

    def moment(self, node: Anchor | LineMoment | LineOfStart) -> Moment:
        """The moment that a time origin or an entry names."""
        if isinstance(node, Anchor):
            return self.anchors[node.name]
        if isinstance(node, LineOfStart):
            return first_with(node.agent)
        return line_start(node.number) if node.field == "start" else line_end(node.number)

    def settled(self, node: Node) -> Moment:
        """The last moment that must be known to decide `node`; numbers are settled before everything."""
        parts = [Moment((-1, 0), "the design")]
        match node:
            case Name(name):
                parts.append(self.variables[name])
            case Anchor() | LineMoment() | LineOfStart():
                parts.append(self.moment(node))
            case LineHas(number, agent):
                parts.append(line_start(number) if number else first_with(agent))
            case LineStopped(number, _):
                parts.append(line_end(number))
            case LineOf(agent):
                parts.append(first_with(agent))
            case LineCount():
                parts.append(WHOLE_COURSE)
            case Compare(LineOf() | LineCount() as quantity, op, Number(value)):
                parts.append(_counted(quantity, op, value))
            case Among(LineOf() as quantity, values):
                parts.extend(_counted(quantity, "==", value) for value in values if isinstance(value, float))
            case _:
                parts.extend(self.settled(part) for part in children(node))
        return max(parts)


def _counted(quantity: LineOf | LineCount, op: str, value: float) -> Moment:
    """When a count is known.

    `lines >= 2` and `line_of(x) == 2` when line 2 starts, `line_of(x) >= 3` when x starts, `lines == 2` at the end.
    """
    floor = max(int(value) + (op == ">") - (op == "<"), 1)
    if isinstance(quantity, LineCount):
        return line_start(floor) if op in (">=", ">") else WHOLE_COURSE
    return line_start(floor) if op in ("==", "<=", "<") else first_with(quantity.agent)
