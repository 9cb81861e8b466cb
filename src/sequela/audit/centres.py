"""Centres: patients of one centre share habits, scanners and follow-up (A151)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import fdtrc

from sequela.audit.verdict import Figure, Verdict, estimates, not_applicable, numbers, p_values
from sequela.estimates.cox import cox
from sequela.estimates.frailty import frailty
from sequela.estimates.heterogeneity import heterogeneity
from sequela.estimates.multiplicity import adjust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sequela.audit.data import Clock
    from sequela.core.estimate import Estimate

LEVEL = 0.05  # of the three tests together, by Holm
EACH = 5  # events that each arm of a centre must have for a hazard ratio of its own


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


def exposure_p(exposure: NDArray[np.float64], centre: NDArray[np.str_]) -> float:
    """p of the same exposure in every centre: F test of the one-way analysis of variance; NaN where nothing varies."""
    _, place = np.unique(centre, return_inverse=True)
    size = np.bincount(place)
    n, k = len(exposure), len(size)
    mean = np.bincount(place, exposure) / size
    between = float(size @ (mean - exposure.mean()) ** 2)
    within = float(((exposure - mean[place]) ** 2).sum())
    if k < 2 or n <= k or not between:
        return math.nan
    return float(fdtrc(k - 1, n - k, between / (k - 1) / (within / (n - k)))) if within else 0.0


def clustering(clock: Clock, centre: NDArray[np.str_]) -> Verdict:
    """A151: sizes, single-arm centres, ICC of exposure, design effect; hazard ratio robust, stratified, with frailty.

    Where two centres or more have 5 events in both arms, also whether their hazard ratios differ. The tests (treatment,
    risk and hazard ratio by centre) are adjusted by Holm: with few patients a centre chance alone makes an intraclass
    correlation of a few hundredths.

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
    uneven = min(exposure_p((arm == k).astype(float), centre[known]) for k in range(len(clock.arms)))
    effect = 1 + (float(sizes.mean()) - 1) * icc
    figures = [
        numbers("Centres", [len(names)], 0),
        numbers("Patients a centre: median", [float(np.median(sizes))], 0),
        numbers("Patients in the largest centre", [float(sizes.max())], 0),
        numbers("Centres with one arm only", [single], 0),
        numbers("Intraclass correlation of the treatment", [icc], 2),
        p_values("Same treatment in every centre: p of F", [uneven]),
        numbers("Design effect, 1 + (mean size - 1) ICC", [effect], 2),
    ]
    ways, tests = _ways(clock.take(known), centre[known])
    figures += ways
    tests = {"The treatment differs between centres.": uneven, **tests}
    differ = [words for words, p in zip(tests, adjust(list(tests.values())), strict=True) if p < LEVEL]
    practice = "The treatment differs between centres." in differ and (icc > 0.1 or effect > 1.5)
    apart = " ".join(words for words in differ if practice or not words.startswith("The treatment"))
    return Verdict(
        "A151",
        title,
        "warn" if apart or single > len(names) / 2 else "pass",
        f"{single} of {len(names)} centres gave one arm only, and {icc:.0%} of the variation in treatment lies between "
        "centres; the interval that takes patients as independent stands beside those by centre."
        + (f" {apart}" if apart else ""),
        tuple(figures),
        "Lin and Wei, J Am Stat Assoc 1989;84:1074; Donner, Int Stat Rev 1986;54:67; "
        "Higgins and Thompson, Stat Med 2002;21:1539",
        'say `cluster = "centre"` in the Cox analyses, or stratify by centre',
    )


def _ways(clock: Clock, centre: NDArray[np.str_]) -> tuple[list[Figure], dict[str, float]]:
    """The naive hazard ratio under every way to treat centres, and the tests of how centres differ, in words."""
    if len(clock.arms) != 2 or len(np.unique(clock.arm[clock.event])) < 2:
        return [], {}
    times, column = clock.times(), {clock.arms[1]: (clock.arm == 1).astype(float)}
    shared = frailty(times, column, centre)
    found: list[tuple[str, Estimate]] = [
        ("patients independent", cox(times, column).hazard_ratios()[0]),
        ("robust by centre", cox(times, column, cluster=centre).hazard_ratios()[0]),
        ("stratified by centre", cox(times, column, strata=centre).hazard_ratios()[0]),
        ("shared gamma frailty of centres", shared.hazard_ratios()[0]),
    ]
    figures = [estimates(f"Hazard ratio as asked, {label}", [ratio], digits=2) for label, ratio in found]
    figures += [
        numbers("Variance of the frailty", [shared.theta], 3),
        p_values("No frailty: p", [shared.tests["frailty"].p]),
    ]
    effects = centre_effects(clock, centre)
    figures.append(numbers(f"Centres with {EACH} events or more in both arms", [len(effects)], 0))
    tests = {"Centres differ in their risk.": shared.tests["frailty"].p}
    if len(effects) > 1:
        apart = heterogeneity([b for b, _ in effects], [se for _, se in effects])
        figures += [
            p_values("Same hazard ratio in these centres: p of Cochran's Q", [apart.test.p]),
            numbers("I squared of their hazard ratios", [apart.share], 2),
        ]
        tests["The hazard ratio differs between centres."] = apart.test.p
    return figures, tests


def centre_effects(clock: Clock, centre: NDArray[np.str_]) -> Sequence[tuple[float, float]]:
    """Log hazard ratio and standard error of every centre with enough events in both arms."""
    found: list[tuple[float, float]] = []
    for name in np.unique(centre):
        own = clock.take(centre == name)
        if min(np.bincount(own.arm[own.event], minlength=2)[:2]) >= EACH:
            model = cox(own.times(), (own.arm == 1).astype(float))
            found.append((float(model.coef[0]), float(model.se[0])))
    return found
