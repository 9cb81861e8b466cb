"""What a design alone produces: a cohort of T-DM1 recipients in which no drug has any effect.

Model. Metastatic diagnosis falls at calendar time D, uniform. From `pertuzumab` on, first-line pertuzumab
is given with probability `uptake`, before it never. Every candidate has one Gamma frailty W of mean 1 and
variance θ, and given W all phases are exponential with hazard W ln 2 / median:

    first line → (bridging until T-DM1 is available, if it is not yet) → T-DM1 → later survival

Who progresses before `t_dm1` waits for it on trastuzumab, and leaves the cohort by death (hazard of later
survival) or by moving on to other lines (rate `moves_on` per year, without frailty). So entry is E =
max(first-line PFS, t_dm1 - D), and a candidate is included when alive, still in line 1, and E < cut - D. No
term contains pertuzumab: it only marks a period.

A naive comparison of overall survival from D finds a difference all the same, because everyone survived
until E by design and E is longer where T-DM1 came late (guarantee time; Anderson et al., J Clin Oncol
1983;1:710). Delayed entry at E, with E as a covariate, takes it away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Booleans = NDArray[np.bool_]

_LN2: Final = float(np.log(2.0))
_BATCH: Final = 2000


@dataclass(frozen=True, slots=True)
class Setting:
    """Constants of the model: calendar years, medians in months at frailty 1, rates a year.

    They were set by hand with the published medians in view; nothing was fitted.
    """

    first_diagnosis: float = 2008.0
    t_dm1: float = 2013.8
    pertuzumab: float = 2014.0
    cut: float = 2019.0
    uptake: float = 0.85
    first_line: float = 13.0
    t_dm1_line: float = 8.0
    later: float = 26.0
    moves_on: float = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class NullCohort:
    """Included patients; times are months from metastatic diagnosis, arrays of shape (n,).

    Attributes:
        diagnosed: calendar year D.
        entry: start of T-DM1, E.
        exit: death or data cut, X.
        death: whether X is a death.
        pertuzumab: given in line 1.
        pfs1: progression-free survival of line 1, always ended by progression.
        pfs2: from T-DM1 to progression or data cut.
        pfs2_event: whether `pfs2` is a progression.
    """

    diagnosed: Floats
    entry: Floats
    exit: Floats
    death: Booleans
    pertuzumab: Booleans
    pfs1: Floats
    pfs2: Floats
    pfs2_event: Booleans

    def take(self, rows: NDArray[np.int64]) -> NullCohort:
        """The same for some patients."""
        return NullCohort(**{name: getattr(self, name)[rows] for name in self.__slots__})


def null_cohort(
    rng: np.random.Generator,
    n_naive: int = 194,
    n_pertuzumab: int = 177,
    frailty_variance: float = 0.05,
    setting: Setting | None = None,
) -> NullCohort:
    """The first included candidates of each arm, naive ones first.

    Args:
        rng: random generator.
        n_naive: patients without first-line pertuzumab.
        n_pertuzumab: patients with it.
        frailty_variance: θ > 0, over all phases.
        setting: the other constants.

    Raises:
        ValueError: the frailty variance is not positive.
    """
    if not frailty_variance > 0.0:
        raise ValueError(f"frailty_variance must be positive, got {frailty_variance}")
    setting = setting or Setting()
    drawn: list[NullCohort] = []
    while True:
        drawn.append(_included(rng, frailty_variance, setting))
        pool = NullCohort(
            **{name: np.concatenate([getattr(one, name) for one in drawn]) for name in NullCohort.__slots__}
        )
        naive, treated = np.flatnonzero(~pool.pertuzumab), np.flatnonzero(pool.pertuzumab)
        if naive.size >= n_naive and treated.size >= n_pertuzumab:
            return pool.take(np.concatenate([naive[:n_naive], treated[:n_pertuzumab]]))


def _included(rng: np.random.Generator, frailty_variance: float, setting: Setting) -> NullCohort:
    """Those of one batch of candidates who reach T-DM1 in line 2 before the cut."""
    frailty = rng.gamma(1.0 / frailty_variance, frailty_variance, _BATCH)
    diagnosed = rng.uniform(setting.first_diagnosis, setting.cut, _BATCH)
    pertuzumab = (diagnosed >= setting.pertuzumab) & (rng.random(_BATCH) < setting.uptake)
    pfs1, pfs2, later, dies = (
        rng.exponential(median / _LN2, _BATCH) / frailty
        for median in (setting.first_line, setting.t_dm1_line, setting.later, setting.later)
    )
    moves = rng.exponential(12.0 / setting.moves_on, _BATCH)
    entry = np.maximum(pfs1, 12.0 * (setting.t_dm1 - diagnosed))
    potential = 12.0 * (setting.cut - diagnosed)
    included = (entry - pfs1 <= np.minimum(dies, moves)) & (entry < potential)
    survival = entry + pfs2 + later
    cohort = NullCohort(
        diagnosed, entry, np.minimum(survival, potential), survival <= potential, pertuzumab,
        pfs1, np.minimum(pfs2, potential - entry), entry + pfs2 <= potential,
    )  # fmt: skip
    return cohort.take(np.flatnonzero(included))
