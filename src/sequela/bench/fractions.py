"""Fraction blots: what a nuclear and a cytoplasmic extract hold, freed of each other by their purity markers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from sequela.bench.bands import band_table, purified
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Mapping

IMPURE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Fractioned:
    """One target of one culture and experiment: its two fractions, corrected, with standard errors.

    `a` is the cytoplasm in the nuclear fraction, `b` the nucleus in the cytoplasmic one; `share` is the nuclear
    share of the whole, N'(1 + b) / (N'(1 + b) + C'(1 + a)). Without a correction `reason` says why.
    """

    experiment: str
    culture: str
    target: str
    nuclear: float
    cytoplasmic: float
    a: float
    b: float
    nuclear_pure: float
    nuclear_se: float
    cytoplasmic_pure: float
    cytoplasmic_se: float
    share: float
    reason: str | None = None


def purify(
    frame: pl.DataFrame, *, nuclear: str, cytoplasmic: str, membrane: str | None = None, cv: float = 0.1
) -> tuple[tuple[Fractioned, ...], tuple[Finding, ...]]:
    """Every target's fractions by experiment and culture.

    Args:
        frame: a band table with `fraction` "N" or "C" and cell-equivalent loading.
        nuclear, cytoplasmic: targets that mark purity, such as lamin A and alpha-tubulin.
        membrane: target that marks plasma membrane in the nuclear pellet, if it was measured.
        cv: coefficient of variation of a band.

    Returns:
        Results, and findings: I130 purity missing, I131 a fraction is impure, I132 a corrected amount is below
        zero, I133 no membrane marker was measured.
    """
    table = band_table(frame)
    found: list[Fractioned] = []
    findings: list[Finding] = []
    markers = [nuclear, cytoplasmic, *([membrane] if membrane else [])]
    for (experiment, culture), rows in table.group_by(["experiment", "culture"], maintain_order=True):
        amounts = _amounts(rows)
        who = (str(experiment or ""), str(culture))
        a = _over(amounts, (cytoplasmic, "N"), (cytoplasmic, "C"))
        b = _over(amounts, (nuclear, "C"), (nuclear, "N"))
        findings += _purity(who, a, b, nuclear, cytoplasmic)
        targets = [name for name in dict.fromkeys(rows["target"].to_list()) if name not in markers]
        found += [_one(who, target, amounts, a, b, cv) for target in targets]
    findings += _negative(found)
    if membrane is None:
        message = f"{cytoplasmic} tells of cytosol in the nuclear fraction, not of plasma membrane"
        findings.append(
            Finding("I133", "warning", message, Where(field="target"), "no membrane marker",
                    "Na/K-ATPase or E-cadherin", "measure one before a membrane protein is called nuclear")
        )  # fmt: skip
    return tuple(found), tuple(findings)


def _amounts(rows: pl.DataFrame) -> dict[tuple[str, str], float]:
    """Mean over technical lanes by target and fraction, of usable bands."""
    used = rows.filter(pl.col("unused").is_null()).group_by("target", "fraction").agg(pl.col("value").mean())
    return {(str(target), str(fraction)): float(value) for target, fraction, value in used.iter_rows()}


def _over(amounts: Mapping[tuple[str, str], float], top: tuple[str, str], under: tuple[str, str]) -> float:
    """A ratio of two bands; NaN where either is missing."""
    return amounts.get(top, np.nan) / amounts.get(under, np.nan)


def _one(
    who: tuple[str, str], target: str, amounts: Mapping[tuple[str, str], float], a: float, b: float, cv: float
) -> Fractioned:
    n, c = amounts.get((target, "N"), np.nan), amounts.get((target, "C"), np.nan)
    if np.isnan(a) or np.isnan(b):
        reason = "purity not measured"
    elif np.isnan(n) or np.isnan(c):
        reason = "a fraction has no usable band"
    elif a * b >= 1:
        reason = "the fractions are not separated"
    else:
        pure, other = purified(n, c, a, b, cv)
        whole = pure[0] * (1 + b) + other[0] * (1 + a)
        negative = pure[0] < 0 or other[0] < 0
        share = np.nan if negative else pure[0] * (1 + b) / whole
        return Fractioned(*who, target, n, c, a, b, *pure, *other, share,
                          "a corrected amount is below zero" if negative else None)  # fmt: skip
    nan = float("nan")
    return Fractioned(*who, target, n, c, a, b, nan, nan, nan, nan, nan, reason)


def _purity(who: tuple[str, str], a: float, b: float, nuclear: str, cytoplasmic: str) -> list[Finding]:
    experiment, culture = who
    place = Where(field="fraction", culture=culture)
    repeat = f"experiment {experiment or 'not named'}"
    if np.isnan(a) or np.isnan(b):
        return [
            Finding("I130", "error", f"the purity of the fractions is not known, {repeat}",
                    place, None, f"{nuclear} and {cytoplasmic} in both fractions",
                    "blot both markers in both fractions; nothing is corrected")
        ]  # fmt: skip
    return [
        Finding("I131", "warning", f"{what}, {repeat}", place, f"{100 * share:.0f} %",
                f"at most {100 * IMPURE:g} %", "the correction carries the marker's error: extract again")
        for what, share in (("the nuclear fraction holds cytoplasm", a), ("the cytoplasmic fraction holds nuclei", b))
        if share > IMPURE
    ]  # fmt: skip


def _negative(found: list[Fractioned]) -> list[Finding]:
    below = [one for one in found if one.reason and "below zero" in one.reason]
    if not below:
        return []
    shown = ", ".join(f"{one.target} in {one.culture}" for one in below[:5])
    return [
        Finding("I132", "error", "a corrected amount is below zero: the markers take away more than there is",
                Where(field="value"), shown, "0 or more", "check saturation of the markers; it is not used")
    ]  # fmt: skip
