"""Landmark analysis, and treatment as it changes over time: two ways around immortal time.

Landmark: the clock restarts at a fixed time L; groups are what they were at L; who had the event, was lost, had not
entered or had no group yet at L is left out and counted (Anderson, Cain and Gelber, J Clin Oncol 1983; van Houwelingen,
Scand J Stat 2007, for several landmarks). Time-dependent: a patient is unexposed until the day of exposure and exposed
after it (Mantel and Byar, JASA 1974); the curves by exposure are those of Simon and Makuch (Stat Med 1984).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.outcome import Times
from sequela.estimates.bands import landmark as from_landmark
from sequela.estimates.cox import CoxModel, cox
from sequela.estimates.timeline import labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Landmark:
    """One landmark.

    Attributes:
        at: the time L; `times` the outcome from there; `rows` positions of those who are in it.
        codes: their groups, positions in `levels`.
        over: left out because they had the event or were lost by L; `unentered` not yet under observation at L;
            `unsettled` without a group by L.
        model: Cox model of the groups against the first, with covariates where given.
    """

    at: float
    times: Times
    rows: NDArray[np.intp]
    codes: NDArray[np.intp]
    levels: tuple[str, ...]
    over: int
    unentered: int
    unsettled: int
    model: CoxModel


def landmarks(
    times: Times, group: Any, settled: Any, at: Sequence[float], levels: Any = None, X: Any = None,
    names: Any = None, cluster: Any = None, level: float = 0.95,
) -> tuple[Landmark, ...]:  # fmt: skip
    """Compare groups from several landmarks on.

    Args:
        times: n subjects.
        group: n labels.
        settled: n times at which the group is known.
        at: the landmarks.
        levels: the groups in order, the reference first.
        X, names: covariates (n x p) that enter beside the groups.
        cluster: n labels; errors by cluster.
        level: of the intervals.
    """
    found = labels(group, len(times), "group")
    ordered = tuple(found.levels if levels is None else levels)
    codes = np.array([ordered.index(name) for name in found.levels])[found.codes]
    known = np.asarray(settled, float)
    extra = None if X is None else np.asarray(X, float).reshape(len(times), -1)
    titles = tuple(map(str, names)) if names is not None else tuple(
        f"x{i + 1}" for i in range(0 if extra is None else extra.shape[1])
    )  # fmt: skip
    group_names = tuple(map(str, ordered))
    result: list[Landmark] = []
    for mark in at:
        alive = times.exit > mark
        here = alive & (times.entry <= mark)
        rows = np.flatnonzero(here & (known <= mark))
        part = from_landmark(times.take(rows), mark)
        columns = (codes[rows][:, None] == np.arange(1, len(ordered))).astype(float)
        matrix = columns if extra is None else np.column_stack([columns, extra[rows]])
        clusters = None if cluster is None else np.asarray(cluster)[rows]
        model = cox(part, matrix, names=(*group_names[1:], *titles), cluster=clusters, level=level)
        result.append(
            Landmark(
                float(mark),
                part,
                rows,
                codes[rows],
                group_names,
                int((~alive).sum()),
                int((alive & ~here).sum()),
                int((here & (known > mark)).sum()),
                model,
            )
        )
    return tuple(result)


@dataclass(frozen=True, eq=False)
class Split:
    """Start-stop rows of a treatment that starts during follow-up.

    Attributes:
        times: one or two rows a subject; `rows` the subject of each; `exposed` whether it is exposed there.
        switched: subjects who become exposed under observation; `before` exposed from the start.
    """

    times: Times
    rows: NDArray[np.intp]
    exposed: NDArray[np.bool_]
    switched: int
    before: int


def split_at(times: Times, exposure: Any) -> Split:
    """Cut each subject's time at the start of exposure.

    Args:
        times: n subjects.
        exposure: n times at which exposure starts; NaN or infinite where it never does. Exposure at the exit or
            later was not lived through; at or before the entry (or the origin) it holds from the start.
    """
    start = np.where(np.isnan(np.asarray(exposure, float)), np.inf, np.asarray(exposure, float))
    before = start <= times.entry
    cut = (start > times.entry) & (start < times.exit)
    first, second = np.flatnonzero(~cut), np.flatnonzero(cut)
    rows = np.concatenate([first, second, second])
    exits = np.concatenate([times.exit[first], start[second], times.exit[second]])
    state = np.concatenate([times.state[first], np.zeros(len(second), int), times.state[second]])
    entry = np.concatenate([times.entry[first], times.entry[second], start[second]])
    exposed = np.concatenate([before[first], np.zeros(len(second), bool), np.ones(len(second), bool)])
    weights = times.weights[rows] if times.weighted else None
    made = Times(exits, state, entry, weights, times.ids[rows], times.unit, times.origin)
    return Split(made, rows, exposed, len(second), int(before.sum()))


def time_dependent(
    times: Times, exposure: Any, X: Any = None, names: Any = None, name: str = "exposed", cluster: Any = None,
    level: float = 0.95,
) -> tuple[Split, CoxModel]:  # fmt: skip
    """A Cox model of a treatment that starts during follow-up (Mantel and Byar).

    Args:
        times, exposure: as for `split_at`.
        X, names: n x p covariates that do not change.
        name: of the exposure.
        cluster: n labels; errors by cluster.
        level: of the intervals.
    """
    split = split_at(times, exposure)
    column = split.exposed.astype(float)[:, None]
    titles: tuple[str, ...] = (name,)
    if X is not None:
        extra = np.asarray(X, float).reshape(len(times), -1)
        column = np.column_stack([column, extra[split.rows]])
        titles += tuple(names) if names is not None else tuple(f"x{i + 1}" for i in range(extra.shape[1]))
    clusters = None if cluster is None else np.asarray(cluster)[split.rows]
    return split, cox(split.times, column, names=titles, cluster=clusters, level=level)
