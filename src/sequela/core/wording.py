"""How numbers are printed: one rounding routine, one set of house styles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

DASH: Final = "–"
MINUS: Final = "−"


@dataclass(frozen=True, slots=True)
class Style:
    """A house style for numbers: decimal mark, leading zero, smallest p that is printed as a number."""

    name: str = "plain"
    point: str = "."
    leading_zero: bool = True
    p_floor: float = 0.0001
    p_label: str = "p"
    interval: str = " to "


STYLES: Final[dict[str, Style]] = {
    "plain": Style(),
    "bmc": Style("bmc"),
    "lancet": Style("lancet", point="·", p_floor=0.0001, interval="–"),
    "nejm": Style("nejm", p_floor=0.001, p_label="P"),
    "jama": Style("jama", leading_zero=False, p_floor=0.001, p_label="P", interval="-"),
    "jco": Style("jco", leading_zero=False, p_floor=0.001, p_label="P"),
}
PLAIN: Final = STYLES["plain"]


class Few(int):
    """A count from 1 to k - 1: known to be that, and printed as `<k`; as a number the middle of it."""

    limit: int

    def __new__(cls, limit: int) -> Few:
        """The count under `limit`."""
        few = super().__new__(cls, max(limit // 2, 1))
        few.limit = limit
        return few

    def __str__(self) -> str:
        return f"<{self.limit}"

    def __repr__(self) -> str:
        return str(self)

    def __format__(self, spec: str) -> str:
        return str(self)


def number(value: float, digits: int = 2, style: Style = PLAIN) -> str:
    """`value` rounded half to even on its binary value, a true minus sign, the style's decimal mark."""
    if isinstance(value, Few):
        return str(value)
    if not math.isfinite(value):
        return "not reached" if value > 0 else DASH
    text = f"{abs(value):,.{digits}f}".replace(",", " ")
    negative = value < 0 and float(f"{abs(value):.{digits}f}") != 0
    return (MINUS if negative else "") + text.replace(".", style.point)


def decimals(value: float) -> int:
    """Decimals that leave a value three significant digits, from 2 up to 12: small doses stay readable."""
    small = 0 < abs(value) < 0.1
    return min(12, 2 - math.floor(math.log10(abs(value)))) if small else 2


def p_value(p: float, style: Style = PLAIN) -> str:
    """A p-value as printed: `0.34`, `0.049`, `0.0006`, `<0.0001`; never 0.000, and never 0.05 for 0.049.

    Two decimals from 0.1; three below; four under 0.001 where the style goes that far. What is rounded up
    to the next stretch is printed as there: 0.0996 is `0.10`, 0.00096 is `0.001`.
    """
    if math.isnan(p):
        return DASH
    if p < style.p_floor:
        text = f"<{style.p_floor:.4f}".rstrip("0")
    elif round(p, 4) < 0.001:
        text = f"{p:.4f}"
    elif round(p, 3) < 0.1:
        text = f"{p:.3f}"
    elif p > 0.99:
        text = ">0.99"
    else:
        text = f"{p:.2f}"
    if not style.leading_zero:
        text = text.replace("0.", ".", 1)
    return text.replace(".", style.point)


def p_phrase(p: float, style: Style = PLAIN) -> str:
    """`p = 0.002`, `p < 0.0001`."""
    text = p_value(p, style)
    if text[0] in "<>":
        return f"{style.p_label} {text[0]} {text[1:]}"
    return f"{style.p_label} = {text}"


def interval(lower: float, upper: float, digits: int = 2, style: Style = PLAIN) -> str:
    """`1.23 to 2.61`; an infinite limit is `not reached`."""
    return f"{number(lower, digits, style)}{style.interval}{number(upper, digits, style)}"


def percent(part: float, whole: float, digits: int = 1, style: Style = PLAIN) -> str:
    """`46.9%`, or a dash when the whole is 0."""
    return f"{number(100 * part / whole, digits, style)}%" if whole else DASH
