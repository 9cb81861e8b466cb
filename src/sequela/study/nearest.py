"""A name that nobody declared, with the nearest one that somebody did."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from sequela.core.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable


def unknown(what: str, name: str, known: Iterable[str], code: str = "S107") -> Finding:
    """The finding that there is no `what` of that name."""
    names = sorted(known)
    near = get_close_matches(name, names, 1)
    return Finding(
        code,
        "error",
        f"there is no {what} `{name}`" + (f": did you mean `{near[0]}`?" if near else ""),
        found=name,
        allowed=", ".join(names) or "none is declared",
        remedy=f"mend the name, or declare the {what}",
    )
