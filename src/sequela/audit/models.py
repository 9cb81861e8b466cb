"""The regression models (A161 to A163), proportional hazards (A191) and small groups (A192)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sequela.audit.verdict import Figure, Verdict, not_applicable, numbers, p_values
from sequela.estimates.cox import cox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sequela.audit.data import Clock

FEW_EVENTS, FEW = 10, 20


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """One Cox analysis as offered: the complete cases.

    Attributes:
        name: id of the analysis.
        columns: name and n values of every coefficient.
        events: events among the complete cases.
        n: complete cases, of `asked` patients.
        chosen: whether variables enter by their univariate p.
    """

    name: str
    columns: tuple[tuple[str, NDArray[np.float64]], ...]
    events: int
    n: int
    asked: int
    chosen: bool


def aliased(design: Design) -> tuple[str, ...]:
    """Columns that those before them (and the constant) determine: each adds nothing to the rank of the design."""
    basis = np.ones((design.n, 1)) / math.sqrt(max(design.n, 1))
    found: list[str] = []
    for name, values in design.columns:
        length = float(np.linalg.norm(values))
        rest = values - basis @ (basis.T @ values)
        rest = rest - basis @ (basis.T @ rest)
        left = float(np.linalg.norm(rest))
        if left <= 1e-8 * max(length, 1e-300):
            found.append(name)
        else:
            basis = np.column_stack([basis, rest / left])
    return tuple(found)


def events_per_coefficient(designs: Sequence[Design]) -> Verdict:
    """A161: events among the complete cases for each coefficient offered."""
    title = "Events per coefficient"
    if not designs:
        return not_applicable("A161", title, "the study has no Cox analysis")
    found = [one.events / max(len(one.columns), 1) for one in designs]
    low = min(found)
    return Verdict(
        "A161",
        title,
        "fail" if low < 5 else "warn" if low < FEW_EVENTS else "pass",
        f"The leanest model has {low:.0f} events for each coefficient offered"
        + (f"; under {FEW_EVENTS}, estimates are unstable and too far from 1." if low < FEW_EVENTS else "."),
        tuple(
            numbers(f"{one.name}: {one.events} events, {len(one.columns)} coefficients", [ratio])
            for one, ratio in zip(designs, found, strict=True)
        ),
        "Peduzzi et al., J Clin Epidemiol 1995;48:1503",
        "offer fewer covariates, named in advance, or use a penalised model",
    )


def aliasing(designs: Sequence[Design]) -> Verdict:
    """A162: coefficients that the other columns of the same model determine."""
    title = "Aliased covariates"
    if not designs:
        return not_applicable("A162", title, "the study has no Cox analysis")
    found = {one.name: aliased(one) for one in designs}
    named = [f"{name}: {', '.join(columns)}" for name, columns in found.items() if columns]
    return Verdict(
        "A162",
        title,
        "fail" if named else "pass",
        f"Determined by the other columns, so that no data can tell them apart: {'; '.join(named)}."
        if named
        else "Every coefficient offered can be told apart from the others.",
        tuple(
            numbers(f"{name}: columns without information of their own", [len(c)], 0)
            for name, c in found.items()
        ),
        "rank of the design matrix",
        "take out one of the aliased covariates",
    )


def chosen_by_p(designs: Sequence[Design]) -> Verdict:
    """A163: covariates that enter a model because their univariate p is small."""
    title = "Covariates chosen by their p-value"
    if not designs:
        return not_applicable("A163", title, "the study has no Cox analysis")
    named = [one.name for one in designs if one.chosen]
    return Verdict(
        "A163",
        title,
        "warn" if named else "pass",
        f"In {', '.join(named)} a covariate enters when its univariate p is at most 0.05: confounders can be lost, "
        "and the intervals do not know of the choice; how often each would be chosen again stands under its table."
        if named
        else "The covariates of every model are named in advance.",
        (numbers("Models with covariates chosen by p", [len(named)], 0),),
        "Sun, Shook and Kay, J Clin Epidemiol 1996;49:907; Heinze, Wallisch and Dunkler, Biom J 2018;60:431",
        'say `enter = "all"` and name the covariates by their meaning',
    )


def proportionality(clocks: Sequence[Clock]) -> Verdict:
    """A191: the test of proportional hazards of the arms, endpoint by endpoint, on Kaplan-Meier time."""
    title = "Proportional hazards"
    found: list[tuple[str, float]] = []
    for clock in clocks:
        columns = {
            clock.arms[k]: (clock.arm == k).astype(float)
            for k in range(1, len(clock.arms))
            if (clock.arm == k).any()
        }
        if columns and len(np.unique(clock.arm[clock.event])) > 1:
            found.append((clock.label, cox(clock.times(), columns).check_proportionality().tests["GLOBAL"].p))
    if not found:
        return not_applicable("A191", title, "no comparison has events in two arms")
    bad = [label for label, p in found if p < 0.05]
    return Verdict(
        "A191",
        title,
        "warn" if bad else "pass",
        f"The ratio of hazards changes over time in {', '.join(bad)}: one hazard ratio does not describe it."
        if bad
        else "No change of the hazard ratio over time is seen.",
        tuple(p_values(f"{label}: p of proportional hazards", [p]) for label, p in found),
        "Grambsch and Therneau, Biometrika 1994;81:515",
        "read the difference of restricted means (A132), or survival at fixed times",
    )


def small_groups(names: Sequence[str], sizes: Sequence[int], events: Sequence[int]) -> Verdict:
    """A192: groups of the study with fewer than 20 patients or 10 events that are compared all the same.

    Args:
        names: of the groups; `sizes` and `events` (of the main endpoint) in the same order.
    """
    title = "Small groups"
    few = [
        f"{name} ({_size(n, d)})"
        for name, n, d in zip(names, sizes, events, strict=True)
        if n < FEW or d < FEW_EVENTS
    ]
    return Verdict(
        "A192",
        title,
        "warn" if few else "pass",
        f"Too small to be compared: {'; '.join(few)}. A test over all groups can hang on them."
        if few
        else "Every group has at least 20 patients and 10 events.",
        tuple(
            Figure(name, (float(n),), (_size(n, d),)) for name, n, d in zip(names, sizes, events, strict=True)
        ),
        "convention: 20 patients and 10 events",
        "describe these groups and leave them out of the tests",
    )


def _size(n: int, events: int) -> str:
    return f"{n} patient{'' if n == 1 else 's'}, {events} event{'' if events == 1 else 's'}"
