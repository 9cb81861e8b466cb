"""How many tests were made, and what that does to them (A171, A172)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc

from sequela.audit.verdict import Verdict, not_applicable, numbers, p_values, shares
from sequela.estimates.cox import cox
from sequela.estimates.multiplicity import adjust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from sequela.audit.data import Clock

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Entry:
    """One test of the run: the analysis it belongs to, what it tests, and its p."""

    analysis: str
    what: str
    p: float


@dataclass(frozen=True, slots=True, eq=False)
class Ledger:
    """Every test of a run, with p-values adjusted over all of them."""

    entries: tuple[Entry, ...]
    holm: NDArray[np.float64]
    benjamini_hochberg: NDArray[np.float64]

    @classmethod
    def of(cls, entries: Sequence[Entry]) -> Ledger:
        """The ledger of those tests that gave a p-value."""
        known = tuple(entry for entry in entries if not math.isnan(entry.p))
        p = np.array([entry.p for entry in known])
        return cls(known, adjust(p, "holm"), adjust(p, "bh"))

    @property
    def chance(self) -> float:
        """Chance of at least one p under 0.05 when nothing is going on and tests are independent: 1 - 0.95^m."""
        return 1 - (1 - LEVEL) ** len(self.entries)


def multiplicity(ledger: Ledger) -> Verdict:
    """A171: the number of tests, the chance of a false positive, and what stays after Holm and Benjamini-Hochberg."""
    title = "Number of tests"
    m = len(ledger.entries)
    if not m:
        return not_applicable("A171", title, "the run makes no test")
    raw = sum(entry.p <= LEVEL for entry in ledger.entries)
    holm, bh = int((ledger.holm <= LEVEL).sum()), int((ledger.benjamini_hochberg <= LEVEL).sum())
    return Verdict(
        "A171",
        title,
        "warn" if m > 5 else "pass",
        f"The run makes {m} tests; if nothing were going on and they were independent, at least one would fall "
        f"under 0.05 with a chance of {ledger.chance:.0%}.",
        (
            numbers("Tests", [m], 0),
            shares("Chance of a false positive", [ledger.chance]),
            numbers("p ≤ 0.05 as printed", [raw], 0),
            numbers("p ≤ 0.05 after Holm", [holm], 0),
            numbers("p ≤ 0.05 after Benjamini-Hochberg", [bh], 0),
        ),
        "Holm, Scand J Stat 1979;6:65; Benjamini and Hochberg, J R Stat Soc B 1995;57:289",
        "name one primary comparison in advance; call the others exploratory",
    )


def interaction_p(clock: Clock, level: NDArray[np.str_]) -> float:
    """Likelihood-ratio p of arm x level in a Cox model with both (patients without a level are left out).

    Twice the gain in log likelihood over the model without the products, on as many degrees of freedom as products
    with any patients.
    """
    part = clock.take(level != "")
    names, place = np.unique(level[level != ""], return_inverse=True)
    arms = np.unique(part.arm)
    main = {f"arm {a}": (part.arm == a).astype(float) for a in arms[1:]}
    main |= {f"level {k}": (place == k).astype(float) for k in range(1, len(names))}
    both = {
        f"{a} x {k}": ((part.arm == a) & (place == k)).astype(float)
        for a in arms[1:]
        for k in range(1, len(names))
    }
    both = {name: column for name, column in both.items() if column.any()}
    if not both or not part.event.any():
        return math.nan
    gain = cox(part.times(), main | both).log_likelihood[1] - cox(part.times(), main).log_likelihood[1]
    return float(chdtrc(len(both), 2 * max(gain, 0.0)))


def subgroups(found: Sequence[tuple[str, float]]) -> Verdict:
    """A172: the interaction test of every subgroup comparison in the study.

    Args:
        found: endpoint and subgroup in words, and the p of their interaction with the arms.
    """
    title = "Subgroups"
    known = [(label, p) for label, p in found if not math.isnan(p)]
    if not known:
        return not_applicable("A172", title, "the study compares the arms within no subgroup")
    low = [label for label, p in known if p < LEVEL]
    return Verdict(
        "A172",
        title,
        "pass" if low else "warn",
        f"The arms differ between subgroups in {', '.join(low)} ({len(known)} interactions tested)."
        if low
        else "No interaction supports a claim that the arms differ in one subgroup and not in another; a small p in "
        "one stratum and a large one in the next is no evidence of that.",
        tuple(p_values(f"{label}: p of interaction", [p]) for label, p in known),
        "Altman and Bland, BMJ 2003;326:219",
        "claim a subgroup effect only on its interaction test",
    )
