"""A choice by p-value is made again in bootstrap samples, and the report prints what comes of it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from sequela.core.outcome import Times
from sequela.estimates.cox import cox
from sequela.walk.analyses import analyse
from sequela.walk.regression import Block
from sequela.walk.selecting import selection_notes

TIMES = Times(np.arange(1, 41), np.tile([1, 1, 0, 1], 10))
ROWS = pl.DataFrame({"patient": np.arange(40)})
KNOWN = np.ones(40, bool)
BLOCKS = [
    Block("age", "Age", ("per year",), {"Age: per year": np.arange(40.0)}, KNOWN),
    Block("side", "Side", ("left", "right"), {"Side: right": np.tile([0.0, 1.0], 20)}, KNOWN),
]


class Asked:
    """Stands for a Cox analysis with its two keys."""

    def __init__(self, repeats: int, enter: str = "p <= 0.05") -> None:
        self.repeats, self.enter, self.seed = repeats, enter, 3


def test_shares_and_spreads_are_counted_over_the_samples() -> None:
    means: list[float] = []
    ratios: list[float] = []

    def choose(times: Times, rows: pl.DataFrame, drawn: list[Block]):
        """`side` enters when the drawn patients are old on the mean; the rows of all parts are the same patients."""
        who = rows["patient"].to_numpy()
        assert (drawn[0].columns["Age: per year"] == who).all() and (times.exit == who + 1).all()
        means.append(who.mean())
        model = cox(times, drawn[1].columns)
        if who.mean() > 19.5:
            ratios.append(float(np.exp(model.coef[0])))
            return [drawn[1]], model
        return [], None

    first, age, side = selection_notes(Asked(40), BLOCKS, TIMES, ROWS, choose)  # type: ignore[arg-type]
    share = np.mean(np.array(means) > 19.5)
    assert "In 40 bootstrap samples" in first and age == "Age: 0%."
    low, middle, high = np.quantile(ratios, [0.025, 0.5, 0.975])
    assert side == f"Side: {100 * share:.0f}%; right {middle:.2f} ({low:.2f} to {high:.2f})."


@pytest.mark.parametrize(("asked", "lines"), [(Asked(9, "all"), 0), (Asked(0), 1)])
def test_nothing_is_repeated_unless_asked(asked: Asked, lines: int) -> None:
    notes = selection_notes(asked, BLOCKS, TIMES, ROWS, lambda *_: pytest.fail("not asked for"))  # type: ignore[arg-type]
    assert len(notes) == lines and all("not measured" in note for note in notes)


def test_the_report_prints_it(sepher, sepher_study) -> None:
    (analysis,) = [one for one in sepher_study.analyses if one.id == "cox-os"]
    notes = analyse(analysis, sepher).notes
    assert any("In 50 bootstrap samples" in note for note in notes)
    assert any(note.startswith("Length of line 1: ") and "per 182.625 days" in note for note in notes)
    assert notes == analyse(analysis, sepher).notes  # seeded
