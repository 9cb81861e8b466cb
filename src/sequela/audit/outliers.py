"""Centres that stand apart from the others: observed against expected events (A152)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import pdtr, pdtrc

from sequela.audit.data import by_arm
from sequela.audit.verdict import Verdict, not_applicable, numbers, p_values
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.multiplicity import adjust

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.audit.data import Clock


def expected_events(clock: Clock) -> NDArray[np.float64]:
    """Events expected of each patient: the cumulative hazard of the arm (Nelson-Aalen) from entry to exit."""
    found = np.zeros(len(clock))
    for place, arm in enumerate(by_arm(clock)):
        if not arm.event.any():
            continue
        curve = kaplan_meier(arm.times())
        hazard = np.concatenate([[0.0], curve.hazard])
        until, since = (np.searchsorted(curve.time, at, side="right") for at in (arm.exit, arm.start))
        found[clock.arm == place] = hazard[until] - hazard[since]
    return found


def apart(clock: Clock, centre: NDArray[np.str_]) -> Verdict:
    """A152: events of each centre against those expected of its patients, exact Poisson p, Holm over the centres.

    Args:
        clock: the comparison; a centre is measured against its patients' own arms.
        centre: n names; an empty text is unknown.
    """
    title = "Centres that stand apart"
    known = centre != ""
    names, place = np.unique(centre[known], return_inverse=True)
    if len(names) < 2 or not clock.event[known].any():
        return not_applicable(
            "A152", title, "the records name fewer than two centres, or nobody has the event"
        )
    part = clock.take(known)
    observed = np.bincount(place, part.event).astype(int)
    expected = np.maximum(np.bincount(place, expected_events(part)), 1e-9)
    p = np.minimum(
        1, 2 * np.minimum(pdtr(observed, expected), np.where(observed > 0, pdtrc(observed - 1, expected), 1))
    )
    held = adjust(p, "holm")
    far = np.flatnonzero(held < 0.05)
    words = "; ".join(f"{names[k]} ({observed[k]} events, {expected[k]:.0f} expected)" for k in far)
    worst = int(np.argmin(p))
    return Verdict(
        "A152",
        title,
        "warn" if len(far) else "pass",
        f"More or fewer events than their patients' arms explain: {words}."
        if len(far)
        else "No centre has more or fewer events than chance allows.",
        (
            numbers("Centres apart from the others", [len(far)], 0),
            numbers(f"Events observed and expected, {names[worst]}", [observed[worst], expected[worst]]),
            p_values("Smallest p over the centres, after Holm", [float(held.min())]),
        ),
        "Spiegelhalter, Stat Med 2005;24:1185 (funnel of centres)",
        "look at the records of that centre, and compare the arms with and without it",
    )
