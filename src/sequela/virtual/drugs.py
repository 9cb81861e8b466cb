"""How drugs are written in invented records, and which are given together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np

NAMES: Final[dict[str, tuple[str, ...]]] = {
    "trastuzumab": ("trastuzumab", "Trastuzumab", "Herceptin", "trastuzumab"),
    "pertuzumab": ("pertuzumab", "Perjeta", "Pertuzumab"),
    "t_dm1": ("T-DM1", "Kadcyla", "trastuzumab emtansine", "ado-trastuzumab emtansine"),
    "docetaxel": ("docetaxel", "Taxotere", "Docetaxel"),
    "paclitaxel": ("paclitaxel", "Taxol", "Paclitaxel"),
    "nab_paclitaxel": ("nab-paclitaxel", "Abraxane"),
    "vinorelbine": ("vinorelbine", "Navelbine"),
    "capecitabine": ("capecitabine", "Xeloda", "Capecitabine"),
    "lapatinib": ("lapatinib", "Tyverb"),
    "eribulin": ("eribulin", "Halaven"),
    "gemcitabine": ("gemcitabine", "Gemzar"),
    "doxorubicin": ("doxorubicin", "Adriamycin"),
    "epirubicin": ("epirubicin",),
    "cyclophosphamide": ("cyclophosphamide",),
    "letrozole": ("letrozole", "Femara"),
    "anastrozole": ("anastrozole", "Arimidex"),
    "exemestane": ("exemestane", "Aromasin"),
    "fulvestrant": ("fulvestrant", "Faslodex"),
    "tamoxifen": ("tamoxifen",),
}  # fmt: skip

TAXANES: Final = ("docetaxel", "paclitaxel", "nab_paclitaxel")
TAXANE_SHARES: Final = (0.55, 0.35, 0.10)
ENDOCRINE: Final = ("letrozole", "anastrozole", "exemestane", "fulvestrant")

# Ordered by how often each is chosen; two consecutive lines never share an agent.
REGIMENS: Final = (
    ("lapatinib", "capecitabine"), ("vinorelbine", "trastuzumab"), ("gemcitabine", "trastuzumab"),
    ("eribulin",), ("lapatinib", "trastuzumab"), ("gemcitabine",),
)  # fmt: skip
SHARES: Final = (0.40, 0.25, 0.10, 0.15, 0.05, 0.05)


def spell(rng: np.random.Generator, agent: str) -> str:
    """One of the ways in which a registry writes an agent."""
    names = NAMES[agent]
    return names[int(rng.integers(len(names)))]


def next_regimen(
    rng: np.random.Generator, previous: frozenset[str], given: set[tuple[str, ...]]
) -> tuple[str, ...] | None:
    """A regimen not given yet that shares no agent with the line before, or None when none is left."""
    left = [
        (r, share)
        for r, share in zip(REGIMENS, SHARES, strict=True)
        if r not in given and not previous & set(r)
    ]
    if not left:
        return None
    total = sum(share for _, share in left)
    return left[int(rng.choice(len(left), p=[share / total for _, share in left]))][0]
