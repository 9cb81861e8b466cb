"""Invasion: cells a field, fields of an insert, inserts of an experiment; each level is averaged in its turn.

Fields of one insert and inserts of one experiment are no repeats. Where cells also multiply during the assay,
the count is divided by their growth over its hours, 2^(doublings a day x hours / 24).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Invaded:
    """One insert: the mean count of its fields, and that divided by growth where a rate is known."""

    culture: str
    experiment: str
    insert: str
    fields: int
    count: float
    adjusted: float | None


def inserts(
    frame: pl.DataFrame, growth: Mapping[tuple[str, str], float] | None = None, hours: float | None = None
) -> tuple[Invaded, ...]:
    """Every insert of an invasion assay.

    Args:
        frame: rows with `culture`, `experiment`, `insert`, `field` and `value` (cells).
        growth: doublings a day by culture and experiment; of another experiment under (culture, "").
        hours: of the assay; the rows' own hours where they have them.

    Returns:
        One an insert, `adjusted` None where no rate or no hours are known.
    """
    rows = frame.filter(pl.col("unused").is_null() & (pl.col("role") != "blank"))
    found: list[Invaded] = []
    keys = ["culture", "experiment", "insert"]
    for (culture, experiment, insert), part in rows.group_by(keys, maintain_order=True):
        count = float(part["value"].mean() or 0.0)  # pyright: ignore[reportArgumentType]
        who = (str(culture), str(experiment or ""))
        told = part["hours"].drop_nulls()
        lasted = float(told[0]) if len(told) else hours
        adjusted = None
        if growth is not None and lasted is not None:
            rate = growth.get(who, growth.get((who[0], "")))
            adjusted = None if rate is None else count / 2 ** (rate * lasted / 24)
        found.append(Invaded(*who, str(insert or ""), part.height, count, adjusted))
    return tuple(found)
