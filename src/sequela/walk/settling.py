"""The day on which a patient's place in a comparison is settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from sequela.study.expressions import parse
from sequela.study.timing import WHOLE_COURSE

if TYPE_CHECKING:
    from sequela.audit.design import TimeZero
    from sequela.study.timing import Moment
    from sequela.walk.path import Walk


def settled_day(walk: Walk, clock: TimeZero) -> pl.Expr:
    """The day on which a patient's place in the analysis is settled: by group, the last of its moments."""
    day = walk.people.expression(walk.study.endpoints[clock.endpoint].origin).cast(pl.Int32)
    for group, moments in clock.settled.items():
        if not moments:
            continue
        day = pl.when(pl.col("sequence") == group).then(_last(walk, moments)).otherwise(day)
    return day


def _last(walk: Walk, moments: tuple[Moment, ...]) -> pl.Expr:
    days = [
        walk.people.expression(parse(moment.name)).cast(pl.Int32)
        for moment in moments
        if moment != WHOLE_COURSE
    ]
    return pl.max_horizontal(days) if days else pl.lit(None, pl.Int32)
