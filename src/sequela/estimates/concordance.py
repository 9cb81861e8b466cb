"""Concordance of a risk score with survival (Harrell's C), with its infinitesimal jackknife error.

A pair counts when one had the event while the other was known to be at risk and to last longer (a subject
censored at the same time lasts longer). Concordant: the higher score failed first; tied scores count half.
Sources: Harrell, Califf, Pryor, Lee and Rosati (JAMA 1982); Therneau and Watson (2015) for the error.
Pairs are counted level by level, halving the time axis as a merge sort does: O(n log n), no pair is formed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.estimate import Estimate, normal_quantile
from sequela.estimates.timeline import Labels, labels, timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.core.outcome import Times


@dataclass(frozen=True, eq=False)
class _Side:
    """Items of one side of the comparison: place in time, score (a rank), weight."""

    place: NDArray[Any]
    score: NDArray[Any]
    weight: NDArray[Any]


def _below(first: _Side, second: _Side) -> tuple[NDArray[Any], NDArray[Any]]:
    """For items of each side: summed weights of partners at a later place (of `second`), ties half.

    For an item of `first`: partners of `second` at a later place with a lower score; for an item of
    `second`: partners of `first` at an earlier place with a higher score.
    """
    n = len(first.place)
    place = np.concatenate([first.place, second.place])
    is_first = np.arange(len(place)) < n
    # equal places: second before first, so that position order is strictly later
    position = np.empty(len(place), np.intp)
    position[np.lexsort((is_first, place))] = np.arange(len(place))
    score = np.concatenate([first.score, second.score])
    weight = np.concatenate([first.weight, second.weight])
    found = np.zeros(len(place))
    order = np.argsort(score, kind="stable")
    for bit in range(max(1, int(len(place) - 1).bit_length()) - 1, -1, -1):
        block = position[order] >> (bit + 1)
        late = (position[order] >> bit) & 1 == 1
        _count(found, order, block, late, is_first[order], score[order], weight[order])
        order = order[np.lexsort((late, block))] if bit else order
    return found[:n], found[n:]


def _count(
    found: NDArray[Any],
    order: NDArray[Any],
    block: NDArray[Any],
    late: NDArray[Any],
    is_first: NDArray[Any],
    score: NDArray[Any],
    weight: NDArray[Any],
) -> None:
    """Add what the early half of each block finds in the late half, and the other way round."""
    seek, give = ~late & is_first, late & ~is_first
    new_block = np.concatenate([[True], np.diff(block) != 0])
    new_run = new_block | np.concatenate([[True], np.diff(score) != 0])
    run_start = np.maximum.accumulate(np.where(new_run, np.arange(len(order)), 0))
    run = np.cumsum(new_run) - 1
    run_end = np.append(np.flatnonzero(new_run)[1:], len(order))[run]
    block_start = np.maximum.accumulate(np.where(new_block, np.arange(len(order)), 0))
    block_end = np.append(np.flatnonzero(new_block)[1:], len(order))[np.cumsum(new_block) - 1]
    given = np.concatenate([[0.0], np.cumsum(np.where(give, weight, 0.0))])
    lower, tied = given[run_start] - given[block_start], given[run_end] - given[run_start]
    found[order[seek]] += (lower + tied / 2)[seek]
    sought = np.concatenate([[0.0], np.cumsum(np.where(seek, weight, 0.0))])
    higher, tied = sought[block_end] - sought[run_end], sought[run_end] - sought[run_start]
    found[order[give]] += (higher + tied / 2)[give]


def _pairs(times: Times, score: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Of each row: weighted concordant pairs (ties half) and weighted comparable pairs it takes part in."""
    line = timeline(times)
    event = np.flatnonzero(times.state > 0)
    w = np.asarray(times.weights, float)
    rank = np.unique(score, return_inverse=True)[1]
    exits = 2 * line.exit + (times.state == 0)
    concordant, comparable = np.zeros(len(times)), np.zeros(len(times))
    late = [(exits, np.arange(len(times)), 1.0)]
    if line.entry is not None:  # those not yet entered at the event were counted as lasting longer
        rows = np.flatnonzero(line.entry > 0)
        late.append((2 * (line.entry[rows] - 1) + 1, rows, -1.0))
    for place, rows, sign in late:
        for total, values in ((concordant, rank), (comparable, np.zeros(len(rank), int))):
            scale = 1.0 if total is concordant else 2.0
            one = _Side(2 * line.exit[event], values[event], w[event])
            a, b = _below(one, _Side(place, values[rows], w[rows]))
            total[event] += sign * scale * a
            total[rows] += sign * scale * b
    return concordant, comparable


def concordance(
    times: Times, score: Any, strata: Any = None, cluster: Any = None, level: float = 0.95
) -> Estimate:
    """Harrell's C of `score` (higher means earlier), comparing inside strata only.

    Args:
        times: n subjects, weights used.
        score: n numbers, for example a linear predictor.
        strata: n labels, or None.
        cluster: n labels; the error then allows for dependence inside clusters.
        level: of the interval, normal on the scale of C.
    """
    values = np.asarray(score, float)
    groups = (
        Labels(("",), np.zeros(len(times), np.intp))
        if strata is None
        else labels(strata, len(times), "strata")
    )
    concordant, comparable = np.zeros(len(times)), np.zeros(len(times))
    for g in range(len(groups.levels)):
        rows = np.flatnonzero(groups.codes == g)
        concordant[rows], comparable[rows] = _pairs(times.take(rows), values[rows])
    w = np.asarray(times.weights, float)
    total = float(w @ comparable) / 2
    events = float((times.state > 0).sum())
    if total <= 0:
        reason = "no pair can be compared"
        return Estimate("concordance", math.nan, level=level, n=len(times), events=events, reason=reason)
    c = float(w @ concordant) / 2 / total
    influence = (concordant - c * comparable) * w / total
    if cluster is not None:
        influence = np.bincount(labels(cluster, len(times), "cluster").codes, influence)
    se = float(np.sqrt((influence**2).sum()))
    half = normal_quantile(level) * se
    limits = max(0.0, c - half), min(1.0, c + half)
    return Estimate("concordance", c, se, *limits, level, len(times), events, method="Harrell")
