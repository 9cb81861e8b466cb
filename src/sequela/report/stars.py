"""Star schemes as data: which p earns which stars, always strictly below the limit."""

from __future__ import annotations

import math
from typing import Final

SCHEMES: Final[dict[str, tuple[tuple[float, str], ...]]] = {
    "usual": ((0.001, "***"), (0.01, "**"), (0.05, "*")),
    "sepher": (
        (0.0001, "***"),
        (0.001, "**"),
        (0.05, "*"),
    ),  # Bon et al., J Exp Clin Cancer Res 2020; 39: 279
    "prism": ((0.0001, "****"), (0.001, "***"), (0.01, "**"), (0.05, "*")),
    "none": (),
}


def stars(p: float, scheme: str) -> str:
    """The stars of a p-value; `ns` where it earns none, nothing where there is no p or no scheme."""
    limits = SCHEMES[scheme]
    if math.isnan(p) or not limits:
        return ""
    return next((mark for limit, mark in limits if p < limit), "ns")


def in_words(scheme: str) -> str:
    """`∗ p < 0.05, ∗∗ p < 0.01, …`, in signs that no markup takes for emphasis; empty without stars."""
    drawn = [(limit, mark.replace("*", "∗")) for limit, mark in reversed(SCHEMES[scheme])]
    return ", ".join(f"{mark} p < {limit:g}" for limit, mark in drawn)
