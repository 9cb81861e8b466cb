"""Sequence: what a subject lived through, step by step (lines of therapy, selection or dosing phases)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import polars as pl

COLUMNS: Final = ("subject", "step", "start", "end", "agents", "start_reason", "end_reason", "rule")


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """Steps of all subjects, one row a step, ordered by subject and step.

    Attributes:
        table: columns `subject` (text), `step` (from 1), `start`, `end` (integer days; `end` null when it
            is not known), `agents` (bit mask, bit i is `legend[i]`), `start_reason`, `end_reason`, `rule`.
        legend: the agents, by bit.
        rules: name, version and hash of the rules that made the steps.
    """

    table: pl.DataFrame
    legend: tuple[str, ...]
    rules: str = ""

    def __post_init__(self) -> None:
        missing = [name for name in COLUMNS if name not in self.table.columns]
        if missing:
            raise ValueError(f"a sequence table needs the columns {', '.join(missing)}")
        if len(self.legend) > 63:
            raise ValueError(f"at most 63 agents fit into one mask, got {len(self.legend)}")

    def agents(self, mask: int) -> tuple[str, ...]:
        """The names behind a bit mask, in the order of the legend."""
        return tuple(name for bit, name in enumerate(self.legend) if mask >> bit & 1)

    def mask(self, names: frozenset[str] | set[str]) -> int:
        """The bit mask of those `names` that the legend knows."""
        return sum(1 << bit for bit, name in enumerate(self.legend) if name in names)
