"""What a choice by p-value costs: the same choice made again in bootstrap samples of the patients.

A variable that enters in few samples, or whose hazard ratio spreads widely over those in which it does, was a chance
finding. Sources: Sauerbrei and Schumacher, Stat Med 1992; Heinze, Wallisch and Dunkler, Biometrical Journal 2018.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from sequela.core.wording import interval, number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from sequela.core.estimate import Model
    from sequela.core.outcome import Times
    from sequela.study.model import Cox
    from sequela.walk.regression import Block

    Procedure = Callable[[Times, pl.DataFrame, list[Block]], tuple[list[Block], Model | None]]


def selection_notes(
    analysis: Cox, blocks: list[Block], times: Times, rows: pl.DataFrame, choose: Procedure
) -> list[str]:
    """One sentence on the method and one per variable that ever entered; none where nothing is chosen by p.

    Args:
        analysis: its `repeats` and `seed`.
        blocks: the variables offered.
        times, rows: n patients.
        choose: the whole procedure, from patients to the variables that entered and their joint model.
    """
    if analysis.enter == "all":
        return []
    if not analysis.repeats:
        return ["Chosen by p-value; what that costs was not measured (`repeats` in the study file does)."]
    rng, n = np.random.default_rng(analysis.seed), len(times)
    entered = dict.fromkeys((block.name for block in blocks), 0)
    ratios: dict[str, list[float]] = {}
    for _ in range(analysis.repeats):
        drawn = rng.integers(0, n, n)
        again = [_drawn(block, drawn) for block in blocks]
        chosen, joint = choose(times.take(drawn), rows[drawn], again)
        for block in chosen:
            entered[block.name] += 1
        for name, b in zip(joint.names, joint.coef.tolist(), strict=True) if joint else ():
            if math.isfinite(b):
                ratios.setdefault(name, []).append(math.exp(b))
    start = (
        f"Chosen by p-value. In {analysis.repeats} bootstrap samples of the patients in which the choice was made "
        "again (share in which it entered; the middle 95% of its hazard ratio where it did):"
    )
    return [start, *(_sentence(block, entered[block.name] / analysis.repeats, ratios) for block in blocks)]


def _drawn(block: Block, rows: NDArray[np.intp]) -> Block:
    columns = {name: values[rows] for name, values in block.columns.items()}
    return replace(block, columns=columns, known=block.known[rows])


def _sentence(block: Block, share: float, ratios: dict[str, list[float]]) -> str:
    spreads = [_spread(name, ratios[name]) for name in block.columns if name in ratios]
    return f"{block.label}: {100 * share:.0f}%" + (f"; {'; '.join(spreads)}" if spreads else "") + "."


def _spread(name: str, values: Sequence[float]) -> str:
    low, middle, high = np.quantile(values, [0.025, 0.5, 0.975]).tolist()
    return f"{name.partition(': ')[2]} {number(middle)} ({interval(low, high)})"
