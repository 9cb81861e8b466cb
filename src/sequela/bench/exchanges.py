"""Two cultures exchanged on a plate: a layout of another day, or suspensions in each other's wells.

Nothing on the plate itself can tell, but the plates of the other days can: a plate is suspected where it differs
from them far more than they differ among themselves, and agrees with them once two cultures change places.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OTHERS: Final = 2  # plates to compare with
GROUPS: Final = 6  # of culture, agent and dose that the plates share
SCATTER: Final = 9.0  # squared distance from the others, over their own scatter: three standard deviations
LEFT: Final = 0.25  # of that distance, once two cultures are exchanged
TO_SD: Final = 1.4826  # median absolute deviation to standard deviation, of normal values

Group = tuple[Any, ...]


def medians(rows: pl.DataFrame) -> dict[Group, float]:
    """Median signal of every (culture, agent, dose) of a plate, over the median of its wells."""
    cells = rows.filter(pl.col("culture").is_not_null() & pl.col("role").is_in(["sample", "control"]))
    middle = cells["value"].median()
    if not isinstance(middle, float) or middle <= 0:
        return {}
    found = cells.group_by("culture", "agent", "dose", maintain_order=True).agg(
        pl.col("value").median() / middle
    )
    return {(culture, agent, dose): value for culture, agent, dose, value in found.iter_rows()}


def exchanged(
    own: Mapping[Group, float], others: Sequence[Mapping[Group, float]]
) -> tuple[str, str, float] | None:
    """The two cultures that seem exchanged, and what is left of the plate's distance if they are; else None."""
    shared = [group for group in own if sum(group in other for other in others) >= OTHERS]
    if len(shared) < GROUPS:
        return None
    seen = {group: np.array([other[group] for other in others if group in other]) for group in shared}
    usual = {group: float(np.median(values)) for group, values in seen.items()}
    scatter = sum(float(TO_SD * np.median(np.abs(seen[group] - usual[group]))) ** 2 for group in shared)
    lies = sum((own[group] - usual[group]) ** 2 for group in shared)
    if lies <= SCATTER * scatter or lies == 0:
        return None
    best: tuple[str, str, float] | None = None
    for one, two in combinations(dict.fromkeys(str(group[0]) for group in shared), 2):
        swap = {one: two, two: one}
        places = [(swap.get(group[0], group[0]), *group[1:]) for group in shared]
        if all(place in own for place in places):
            left = sum((own[place] - usual[group]) ** 2 for place, group in zip(places, shared, strict=True))
            if left / lies < (LEFT if best is None else best[2]):
                best = (one, two, left / lies)
    return best
