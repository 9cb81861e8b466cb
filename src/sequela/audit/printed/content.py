"""What a document prints, ready to be checked: variables by group, ratios with intervals, medians, sizes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sequela.core.finding import Where

if TYPE_CHECKING:
    from sequela.audit.printed.numbers import Count, Printed, Span

_UNKNOWN = re.compile(
    r"^(unknown|missing|unk\.?|n/?a|not (known|available|recorded|reported|done|evaluable))\b", re.I
)
_SMALL = re.compile(r"\b(in|the|of|a|an|with|at|for)\b")
_TOTAL = re.compile(r"^(all|total|overall|whole|entire)\b", re.I)


@dataclass(frozen=True, slots=True)
class Group:
    """A column of patients: its label, and its size where that is printed or can be told."""

    label: str
    n: int | None

    @property
    def total(self) -> bool:
        """Whether the column is all patients together."""
        return bool(_TOTAL.match(self.label))


@dataclass(frozen=True, slots=True)
class Level:
    """One row of a variable: a count for every group (None where the cell holds none)."""

    label: str
    cells: tuple[Count | None, ...]
    line: int | None = None

    @property
    def unknown(self) -> bool:
        """Whether the row counts those without a value."""
        return bool(_UNKNOWN.match(self.label))


@dataclass(frozen=True, slots=True)
class Variable:
    """A characteristic, its levels, its p-value.

    `listed` is True when its rows stood under a heading of their own (else it is one row that stands alone).
    `notes` are the texts of its footnotes; `summary` says that its rows are no counts (medians, means).
    """

    label: str
    levels: tuple[Level, ...]
    p: Printed | None = None
    where: Where = field(default_factory=Where)
    notes: tuple[str, ...] = ()
    listed: bool = True
    summary: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of counts by group; `notes_known` is False where the format has no place for footnotes."""

    name: str
    groups: tuple[Group, ...]
    variables: tuple[Variable, ...]
    where: Where = field(default_factory=Where)
    notes_known: bool = True

    @property
    def arms(self) -> tuple[int, ...]:
        """The columns that are compared: all but the total."""
        return tuple(j for j, group in enumerate(self.groups) if not group.total or len(self.groups) == 1)

    @property
    def size(self) -> int | None:
        """All patients of the table."""
        sizes = [self.groups[j].n for j in self.arms]
        return sum(n for n in sizes if n) if sizes and all(sizes) else None


@dataclass(frozen=True, slots=True)
class Ratio:
    """A hazard, odds or risk ratio with its interval and p-value; `level` is the interval's, 0.95 as a rule."""

    label: str
    span: Span
    p: Printed | None
    where: Where
    level: float = 0.95


@dataclass(frozen=True, slots=True)
class Median:
    """A median time; `span` where an interval is printed with it; follow-up and its longest where they belong to it."""

    label: str
    value: Printed
    where: Where
    span: Span | None = None
    follow_up: Printed | None = None
    longest: Printed | None = None


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption: the table it announces, and the numbers of patients in it."""

    title: str
    sizes: tuple[int, ...]
    where: Where


@dataclass(frozen=True, slots=True)
class Document:
    """Everything that was read of a document; `grids` is how many tables it holds, checkable or not."""

    name: str
    tables: tuple[Table, ...] = ()
    ratios: tuple[Ratio, ...] = ()
    medians: tuple[Median, ...] = ()
    captions: tuple[Caption, ...] = ()
    patients: int | None = None
    grids: int = 0


def key(label: str) -> str:
    """A label for comparison: case, punctuation, small words and the spelling of oestrogen do not matter."""
    plain = label.lower().replace("oestrogen", "estrogen").replace("≥", ">=").replace("≤", "<=")
    plain = re.sub(r"[^a-z0-9<>=]+", " ", _SMALL.sub(" ", plain.replace("_", " ")))
    return re.sub(r"(?<=[<>=]) +", "", " ".join(plain.split()))
