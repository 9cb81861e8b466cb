"""The log-rank family with case weights or clusters: the score with its robust variance.

With weights w the score of group g is the sum over event times of W(t) (d_g - d Y_g/Y), all counts weighted.
Row i adds to it w_i times the integral of W(t) (g_i - Y_g/Y) against its own martingale; the variance is the
sum over rows, or over clusters, of the squared parts. Without weights over time it is the robust score test
of a Cox model with Breslow ties (Lin and Wei 1989; R: `summary(coxph(...))$robscore`), which R's `survdiff`
does not offer. Sources: Lin and Wei (JASA 1989); Xie and Liu (Stat Med 2005) for inverse probability weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.estimates.residuals import grouped
from sequela.estimates.risk import across
from sequela.estimates.risksets import cox_risk_sets
from sequela.estimates.tests import RiskSets, Score

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.core.outcome import Times
    from sequela.estimates.risksets import RiskSets as Places
    from sequela.estimates.tests import Weight
    from sequela.estimates.timeline import Labels


def robust_score(
    times: Times, group: Labels, strata: Labels | None, weight: Weight, cluster: Labels | None
) -> Score:
    """Weighted observed and expected events of k groups, and the robust covariance of their difference."""
    k, w = len(group.levels), np.asarray(times.weights, float)
    own = w[:, None] * np.eye(k)[group.codes]
    places = cox_risk_sets(times, strata)
    at_risk = np.column_stack([places.total(column) for column in own.T])
    events = np.column_stack([places.tied_sum(column[places.event]) for column in own.T])
    over = _weights(places, events, at_risk, weight)
    n, d = across(at_risk), across(events)
    share = np.divide(at_risk, n[:, None], out=np.zeros_like(at_risk), where=n[:, None] > 0)
    step = over * np.divide(d, n, out=np.zeros(len(d)), where=n > 0)
    lived = places.over(np.cumsum(step))
    influence = places.over(np.cumsum(step[:, None] * share, axis=0))
    influence[np.arange(len(times)), group.codes] -= lived
    jump = -share[places.tied] * over[places.tied, None]
    jump[np.arange(len(jump)), group.codes[places.event]] += over[places.tied]
    influence[places.event] += jump
    parts = grouped(influence * w[:, None], cluster)
    return Score(over @ events, (over * d) @ share, parts.T @ parts)


def _weights(places: Places, events: NDArray[Any], at_risk: NDArray[Any], weight: Weight) -> NDArray[Any]:
    """W at every event time, formed inside strata."""
    found = np.zeros(len(places.time))
    for low, high in zip(places.edges[:-1], places.edges[1:], strict=True):
        rows = np.flatnonzero((at_risk[low:high] > 0).any(axis=1)) + low
        found[rows] = weight(RiskSets(places.time[rows], events[rows], at_risk[rows]))
    return found
