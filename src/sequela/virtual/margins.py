"""Counts of Tables 2 and 3 of the SePHER paper, and their assignment to invented patients.

Source: Bon et al., J Exp Clin Cancer Res 2020;39:279. Columns are strata of patients: trastuzumab then
T-DM1 in line 2 (n = 194), pertuzumab then T-DM1 in line 2 (177), T-DM1 in line 3 or later (159), T-DM1 in
line 1 (25). The first two columns are Table 3, and all four add up to Table 2; how the last two share their
sum is not printed and was chosen.

Where the paper contradicts itself:

- Hormone receptors. ER 353 positive, PgR 258 positive and 244 positive for both leave 14 tumours that are
  PgR positive and ER negative, so that 123 are positive for exactly one and 188 for none; printed are 109
  and 202, which are the ER positive, PgR negative and all ER negative. The same holds in Table 3 (4
  patients in each arm), where the printed p = 0.57 belongs to 87/49/58 against 81/37/59 and not to the
  printed rows (p = 0.52). ER, PgR and both-positive counts are kept as printed.
- Neo-/adjuvant trastuzumab, pertuzumab arm, "No 76": 114, which completes the column and gives the printed
  p.
- Visceral metastases, trastuzumab arm: 133 + 60 = 193 of 194; one patient is unknown.
- Neo-/adjuvant treatment: Table 2 counts the 398 with early disease, Table 3 all 194 and 177. Both hold
  when patients metastatic at diagnosis are recorded as "no".
- Disease-free interval: 141 and 114 intervals for 147 and 117 patients with early disease; 6 and 3 have no
  surgery date.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]
    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

Counts = tuple[int, int, int, int]

HORMONE: Final[dict[str, Counts]] = {
    "both": (87, 81, 66, 10), "er": (45, 33, 27, 4), "pgr": (4, 4, 5, 1), "neither": (58, 59, 61, 10),
}  # fmt: skip
KI67: Final[dict[str, Counts]] = {
    "low": (45, 26, 28, 4),
    "high": (131, 131, 109, 18),
    "unknown": (18, 20, 22, 3),
}
GRADE: Final[dict[str, Counts]] = {
    "G1": (2, 2, 2, 0),
    "G2": (52, 47, 42, 7),
    "G3": (118, 108, 98, 15),
    "unknown": (22, 20, 17, 3),
}
DE_NOVO: Final[Counts] = (47, 60, 50, 0)
TREATED_EARLY: Final[Counts] = (128, 109, 101, 25)
TRASTUZUMAB_EARLY: Final[Counts] = (76, 63, 48, 25)
NO_SURGERY: Final[Counts] = (6, 3, 0, 0)
VISCERAL: Final[dict[str, Counts]] = {
    "yes": (133, 135, 111, 18),
    "no": (60, 42, 48, 7),
    "unknown": (1, 0, 0, 0),
}
SITES: Final[dict[str, Counts]] = {"1": (142, 117, 120, 18), "2": (28, 32, 22, 3), ">2": (24, 28, 17, 4)}
BONE_ONLY: Final[Counts] = (9, 6, 9, 1)
BRAIN: Final[Counts] = (51, 58, 39, 7)
DFI_UNDER_3_YEARS: Final = {1: 66, 3: 47}
DFI_MEDIAN: Final = {1: 40.0, 2: 53.0, 3: 47.0, 4: 28.0, 5: 17.0}
AGE: Final = {"median": 54, "youngest": 26, "oldest": 87}


def spread(
    rng: np.random.Generator, stratum: Integers, counts: Mapping[str, Counts], lean: Floats | None = None
) -> NDArray[np.str_]:
    """Levels with exact counts in every stratum, at random; a larger `lean` makes later levels likelier.

    Args:
        rng: random generator.
        stratum: column of each patient, shape (n,).
        counts: level → how many in each stratum; they fill it.
        lean: shape (n,), standard deviation about 1; the ranks of `lean` plus equal noise decide.
    """
    levels = np.empty(stratum.size, dtype="<U8")
    score = rng.normal(size=stratum.size) + (0.0 if lean is None else lean)
    for column in range(4):
        rows = np.flatnonzero(stratum == column)
        ordered = np.repeat(list(counts), [count[column] for count in counts.values()])
        levels[rows[np.argsort(score[rows])]] = ordered
    return levels


def choose(
    rng: np.random.Generator, stratum: Integers, counts: Counts, among: Booleans, lean: Floats | None = None
) -> Booleans:
    """Exactly `counts` patients in every stratum, out of those `among`; a larger `lean` is chosen first.

    Raises:
        ValueError: a stratum has fewer eligible patients than it needs.
    """
    chosen = np.zeros(stratum.size, dtype=bool)
    score = rng.normal(size=stratum.size) + (0.0 if lean is None else lean)
    for column, count in enumerate(counts):
        rows = np.flatnonzero((stratum == column) & among)
        if rows.size < count:
            raise ValueError(f"stratum {column} has {rows.size} eligible patients, needs {count}")
        chosen[rows[np.argsort(-score[rows])[:count]]] = True
    return chosen


def _without(counts: Mapping[str, Counts], level: str, taken: Counts) -> dict[str, Counts]:
    """The counts that remain when `taken` patients already have `level`."""
    left = {
        name: tuple(np.subtract(count, taken) if name == level else count) for name, count in counts.items()
    }
    return {name: (int(a), int(b), int(c), int(d)) for name, (a, b, c, d) in left.items()}


def metastases(
    rng: np.random.Generator, stratum: Integers, lean: Floats
) -> tuple[NDArray[np.str_], NDArray[np.str_], Booleans, Booleans]:
    """Visceral, number of sites, bone only and brain, consistent in each patient.

    Bone only means one site, neither visceral nor brain; brain as the only site means not visceral.
    """
    anyone = np.ones(stratum.size, dtype=bool)
    bone_only = choose(rng, stratum, BONE_ONLY, anyone, -lean)
    visceral, sites = np.full(stratum.size, "no", dtype="<U8"), np.full(stratum.size, "1", dtype="<U8")
    others = ~bone_only
    visceral[others] = spread(rng, stratum[others], _without(VISCERAL, "no", BONE_ONLY))
    sites[others] = spread(rng, stratum[others], _without(SITES, "1", BONE_ONLY), lean[others])
    room = others & ((sites != "1") | (visceral == "no"))
    return visceral, sites, bone_only, choose(rng, stratum, BRAIN, room, lean)


def early_disease(
    rng: np.random.Generator, stratum: Integers
) -> tuple[Booleans, Booleans, Booleans, Booleans]:
    """Metastatic at diagnosis, (neo-)adjuvant treatment, (neo-)adjuvant trastuzumab, surgery with a date."""
    de_novo = choose(rng, stratum, DE_NOVO, np.ones(stratum.size, dtype=bool))
    treated = choose(rng, stratum, TREATED_EARLY, ~de_novo)
    trastuzumab = choose(rng, stratum, TRASTUZUMAB_EARLY, treated)
    operated = ~de_novo & ~choose(rng, stratum, NO_SURGERY, ~de_novo & ~treated)
    return de_novo, treated, trastuzumab, operated


def disease_free_intervals(rng: np.random.Generator, group: int, n: int) -> Floats:
    """`n` intervals in months with the median of their group; in groups 1 and 3 as many under 3 years.

    Args:
        rng: random generator.
        group: sequence group, 1 to 5.
        n: how many; in groups 1 and 3 more than twice the count under 3 years.
    """
    median = DFI_MEDIAN[group]
    if group == 5:  # relapse on or within six months of adjuvant trastuzumab
        return rng.permutation(_centred(rng.uniform(12.0, 20.0, n), median))
    drawn = np.sort(np.clip(rng.lognormal(np.log(median), 0.65, n), 8.0, 180.0))
    if group not in DFI_UNDER_3_YEARS:
        return rng.permutation(_centred(drawn, median))
    under = DFI_UNDER_3_YEARS[group]
    early = rng.uniform(8.0, 35.5, under)
    late = np.sort(36.5 + rng.exponential(30.0, n - under))
    middle = (n - 1) // 2 - under
    late = np.where(
        late <= late[middle],
        np.interp(late, [36.5, late[middle]], [36.5, median]),
        late + median - late[middle],
    )
    late[n // 2 - under] = median
    return rng.permutation(np.concatenate([early, np.minimum(late, 200.0)]))


def _centred(values: Floats, median: float) -> Floats:
    return np.maximum(values + (median - np.median(values)), 8.0)


def ages(rng: np.random.Generator, n: int) -> Integers:
    """Ages in whole years with the printed median and range; `n` is odd."""
    drawn = np.sort(np.rint(rng.normal(AGE["median"], 12.0, n)).astype(np.int64))
    drawn = np.clip(drawn + AGE["median"] - drawn[n // 2], AGE["youngest"] + 1, AGE["oldest"] - 1)
    drawn[0], drawn[-1] = AGE["youngest"], AGE["oldest"]
    return rng.permutation(drawn)


def centres(rng: np.random.Generator, n: int, count: int) -> Sequence[str]:
    """Centres of uneven size (Gamma with shape 0.8), none of them empty."""
    size = rng.gamma(0.8, size=count)
    more = rng.choice(count, n - count, p=size / size.sum())
    return [f"C{i + 1:02d}" for i in rng.permutation(np.concatenate([np.arange(count), more]))]
