"""Centres: patients of one centre share habits, scanners and follow-up (A151)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sequela.audit.verdict import Verdict, estimates, not_applicable, numbers
from sequela.estimates.cox import cox

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sequela.audit.data import Clock
    from sequela.core.estimate import Estimate


def intraclass_correlation(exposure: NDArray[np.float64], centre: NDArray[np.str_]) -> float:
    """ICC of the exposure by one-way analysis of variance, not below 0.

    (MSB - MSW) / (MSB + (m0 - 1) MSW), m0 = (N - sum m^2 / N) / (K - 1). Donner, Int Stat Rev 1986;54:67.
    """
    names, place = np.unique(centre, return_inverse=True)
    size = np.bincount(place)
    n, k = len(exposure), len(names)
    if k < 2 or n <= k:
        return 0.0
    mean = np.bincount(place, exposure) / size
    between = float((size * (mean - exposure.mean()) ** 2).sum()) / (k - 1)
    within = float(((exposure - mean[place]) ** 2).sum()) / (n - k)
    m0 = (n - float((size**2).sum()) / n) / (k - 1)
    whole = between + (m0 - 1) * within
    return max(0.0, (between - within) / whole) if whole > 0 else 0.0


def clustering(clock: Clock, centre: NDArray[np.str_]) -> Verdict:
    """A151: sizes, centres with one arm only, ICC of exposure, design effect, and the robust standard error.

    Args:
        clock: the comparison.
        centre: n names; an empty text is unknown.
    """
    title = "Centres"
    known = centre != ""
    names, place = np.unique(centre[known], return_inverse=True)
    if len(names) < 2:
        return not_applicable("A151", title, "the records name fewer than two centres")
    arm = clock.arm[known]
    sizes = np.bincount(place)
    single = sum(len(np.unique(arm[place == k])) == 1 for k in range(len(names)))
    icc = max(intraclass_correlation((arm == k).astype(float), centre[known]) for k in range(len(clock.arms)))
    effect = 1 + (float(sizes.mean()) - 1) * icc
    figures = [
        numbers("Centres", [len(names)], 0),
        numbers("Patients a centre: median", [float(np.median(sizes))], 0),
        numbers("Patients in the largest centre", [float(sizes.max())], 0),
        numbers("Centres with one arm only", [single], 0),
        numbers("Intraclass correlation of the treatment", [icc], 2),
        numbers("Design effect, 1 + (mean size - 1) ICC", [effect], 2),
        *(estimates(label, [ratio], digits=2) for label, ratio in _both(clock.take(known), centre[known])),
    ]
    return Verdict(
        "A151",
        title,
        "warn" if icc > 0.1 or effect > 1.5 or single > len(names) / 2 else "pass",
        f"{single} of {len(names)} centres gave one arm only, and {icc:.0%} of the variation in treatment lies between "
        "centres; the interval that takes patients as independent stands beside the one by centre.",
        tuple(figures),
        "Lin and Wei, J Am Stat Assoc 1989;84:1074; Donner, Int Stat Rev 1986;54:67",
        'say `cluster = "centre"` in the Cox analyses, or stratify by centre',
    )


def _both(clock: Clock, centre: NDArray[np.str_]) -> list[tuple[str, Estimate]]:
    """The naive hazard ratio with the usual interval and with the one clustered by centre."""
    if len(clock.arms) != 2 or len(np.unique(clock.arm[clock.event])) < 2:
        return []
    column = {clock.arms[1]: (clock.arm == 1).astype(float)}
    return [
        ("Hazard ratio as asked, patients independent", cox(clock.times(), column).hazard_ratios()[0]),
        (
            "Hazard ratio as asked, robust by centre",
            cox(clock.times(), column, cluster=centre).hazard_ratios()[0],
        ),
    ]
