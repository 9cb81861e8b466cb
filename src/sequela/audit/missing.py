"""Missing covariates by arm, centre, calendar and outcome (A181)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc

from sequela.audit.verdict import Figure, Verdict, not_applicable, numbers, p_values, shares
from sequela.estimates.comparisons import chi_square, fisher
from sequela.estimates.curves import nelson_aalen
from sequela.estimates.logistic import logistic
from sequela.estimates.multiplicity import adjust

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from sequela.audit.data import CalendarTime, Clock, Flags, Variable

SEED = 1  # of the permutations over centres
LEVEL = 0.05  # of all tests of the check together, by Holm
FEWEST = 5  # unknown values below which nothing is said of what they go with


def missing_p(counts: Sequence[tuple[int, int]]) -> float:
    """p of equal missingness over the arms: Fisher's test where an expected count is under 5, else chi-square.

    Args:
        counts: by arm, missing and known.
    """
    table = np.array(counts, float)
    if not table[:, 0].any() or not table[:, 1].any() or (table.sum(axis=1) == 0).any():
        return math.nan
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return fisher(table).p if expected.min() < 5 else chi_square(table).p


def centre_p(missing: Flags, centre: NDArray[np.str_], rng: np.random.Generator, draws: int = 999) -> float:
    """p of equal missingness over centres: chi-square, its distribution by random permutation of the patients."""
    _, place = np.unique(centre, return_inverse=True)
    size = np.bincount(place)
    if len(size) < 2 or not missing.any() or missing.all():
        return math.nan
    share = missing.mean()

    def statistic(flags: Flags) -> float:
        return float(((np.bincount(place[flags], minlength=len(size)) - size * share) ** 2 / size).sum())

    observed = statistic(missing)
    hits = sum(statistic(rng.permutation(missing)) >= observed * (1 - 1e-12) for _ in range(draws))
    return (1 + hits) / (1 + draws)


def related_p(missing: Flags, columns: NDArray[np.float64]) -> float:
    """p that missingness does not depend on `columns` (n x c): likelihood ratio of logistic regressions."""
    if not missing.any() or missing.all():
        return math.nan
    spread = columns.std(axis=0)
    used = (columns[:, spread > 0] - columns[:, spread > 0].mean(axis=0)) / spread[spread > 0]
    if not used.shape[1]:
        return math.nan
    ones = np.ones((len(missing), 1))
    codes = missing.astype(np.intp)
    fuller, plain = (logistic(Z, codes, 2) for Z in (np.column_stack([ones, used]), ones))
    ratio = max(0.0, 2 * (fuller.log_likelihood - plain.log_likelihood))
    return float(chdtrc(used.shape[1], ratio))


def _outcome(clock: Clock) -> NDArray[np.float64]:
    """The event indicator and the cumulative hazard lived through (n x 2): what an imputation model must hold."""
    curve = nelson_aalen(clock.times())
    assert not isinstance(curve, dict)
    padded = np.concatenate([[0.0], curve.hazard])
    lived = padded[np.searchsorted(curve.time, clock.exit, side="right")]
    early = np.where(clock.start > 0, padded[np.searchsorted(curve.time, clock.start, side="right")], 0.0)
    return np.column_stack([clock.event.astype(float), lived - early])


def _related(
    clock: Clock, missing: Flags, centre: NDArray[np.str_] | None, calendar: CalendarTime | None
) -> Iterator[tuple[str, float]]:
    """What else the unknown values of one covariate go with, each with its p."""
    known = None if centre is None else centre != ""
    if centre is not None and known is not None and known.any():
        rng = np.random.default_rng(SEED)
        yield "centres", centre_p(missing[known], centre[known], rng)
    if calendar is not None:
        yield "dates of origin", related_p(missing, calendar.origin[:, None])
    yield "outcome", related_p(missing, _outcome(clock))


def missingness(
    clock: Clock,
    covariates: Sequence[Variable],
    centre: NDArray[np.str_] | None = None,
    calendar: CalendarTime | None = None,
) -> Verdict:
    """A181: the share of unknown values by arm and covariate, what they go with, and the complete cases.

    Args:
        clock: the comparison.
        covariates: those of its models.
        centre: n names, an empty text is unknown.
        calendar: the same patients on the calendar.
    """
    title = "Missing covariates"
    if not covariates:
        return not_applicable("A181", title, "the study declares no baseline covariate")
    figures: list[Figure] = []
    tests: dict[str, float] = {}
    worst = 0.0
    whole = np.ones(len(clock), bool)
    sizes = np.bincount(clock.arm, minlength=len(clock.arms))
    for one in covariates:
        unknown = one.missing
        whole &= ~unknown
        if not unknown.any():
            continue
        gone = np.bincount(clock.arm[unknown], minlength=len(clock.arms))
        share = [float(a / b) if b else math.nan for a, b in zip(gone, sizes, strict=True)]
        p = missing_p([(int(a), int(b - a)) for a, b in zip(gone, sizes, strict=True)])
        figures += [
            shares(f"{one.name}: unknown", share),
            p_values(f"{one.name}: same share in the arms, p", [p]),
        ]
        worst = max(worst, float(unknown.mean()))
        tests[f"{one.name} by arm"] = p
        for what, other in _related(clock, unknown, centre, calendar) if int(unknown.sum()) >= FEWEST else ():
            figures.append(p_values(f"{one.name}: unknown regardless of {what}, p", [other]))
            tests[f"{one.name} by {what}"] = other
    apart = [what for what, p in zip(tests, adjust(list(tests.values())), strict=True) if p < LEVEL]
    complete = np.bincount(clock.arm[whole], minlength=len(clock.arms))
    figures.append(numbers("Patients with every covariate known", list(complete), 0))
    kept = float(whole.mean()) if len(whole) else 1.0
    lost = f"{1 - kept:.0%} of patients lack at least one covariate and leave a complete-case model without a word"
    words = lost if kept < 1 else "Every covariate of every patient is known"
    return Verdict(
        "A181",
        title,
        "warn" if apart or worst > 0.1 or kept < 0.8 else "pass",
        words + (f"; not missing evenly: {', '.join(apart)}." if apart else "."),
        tuple(figures),
        "White and Royston, Stat Med 2009;28:1982",
        'add an analysis of kind "imputed": it imputes with the outcome and stands beside the complete cases',
    )
