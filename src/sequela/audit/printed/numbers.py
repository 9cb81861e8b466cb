"""Numbers as they are printed: a value, and the stretch of values that rounding may have made it from."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

_DIGITS: Final = r"(?:\d{1,3}(?:[,\u00a0\u2009\u202f ]\d{3})+|\d+)"
_DECIMAL: Final = r"[-−]?\d*[.·,]?\d+"
_WHOLE = re.compile(rf"^{_DIGITS}$")
_COUNT = re.compile(rf"^({_DIGITS})\s*(?:/\s*({_DIGITS}))?\s*(?:\(\s*({_DECIMAL})\s*%?\s*\)\s*%?)?$")
_SHARE_FIRST = re.compile(rf"^({_DECIMAL})\s*%\s*\(\s*({_DIGITS})\s*\)$")
_INTERVAL = re.compile(
    rf"^({_DECIMAL})\s*[(\[,;]\s*(?:\d\d\.?\d?\s*%\s*CI:?,?\s*)?({_DECIMAL}|NR|∞)\s*(?:to|–|—|-|−|,|;)\s*"
    rf"({_DECIMAL}|NR|NE|∞|not reached)\s*[)\]]?$"
)
_P = re.compile(r"^(?:p\s*)?([<>≤≥=]?)\s*(\d*[.·,]\d+|[01])\s*[*†‡§]*$", re.IGNORECASE)
_MARK = re.compile(r"\s*\^([^^]*)\^|(?<=\S)\s*([*†‡§]+)\s*$")


@dataclass(frozen=True, slots=True)
class Printed:
    """A printed number: `value` give or take `half` a unit of its last digit; `sign` is =, < or >."""

    value: float
    half: float
    sign: str = "="

    @property
    def low(self) -> float:
        """The least value that may have been printed so."""
        return {"=": self.value - self.half, "<": -math.inf, ">": self.value}[self.sign]

    @property
    def high(self) -> float:
        """The greatest value that may have been printed so."""
        return {"=": self.value + self.half, "<": self.value, ">": math.inf}[self.sign]

    def holds(self, value: float) -> bool:
        """Whether `value`, rounded, may be printed so; both ways of rounding a half are allowed."""
        slack = 1e-9 * max(1.0, abs(value))
        return self.low - slack <= value <= self.high + slack

    def __str__(self) -> str:
        digits = max(0, round(-math.log10(2 * self.half))) if self.half else 0
        return (self.sign if self.sign != "=" else "") + f"{self.value:.{digits}f}"


@dataclass(frozen=True, slots=True)
class Count:
    """A printed count, with its percentage and its denominator where they are printed."""

    value: int
    percent: Printed | None = None
    of: int | None = None

    def __str__(self) -> str:
        return f"{self.value}" + (f" ({self.percent}%)" if self.percent else "")


@dataclass(frozen=True, slots=True)
class Span:
    """An estimate with the limits of its interval; an infinite limit is one that was not reached."""

    value: Printed
    lower: Printed
    upper: Printed

    def __str__(self) -> str:
        return f"{self.value} ({self.lower}–{self.upper})"


def decimal(text: str, sign: str = "=") -> Printed:
    """`1.23`, `.05`, `0·5`, `1,5` (a comma before other than three digits), `−0.2`; NR and ∞ are infinite."""
    if text in ("NR", "NE", "∞", "not reached"):
        return Printed(math.inf, 0.0)
    plain = text.replace("−", "-").replace("·", ".")
    if re.search(r",\d{3}$", plain) and "." not in plain and not plain.startswith("0,"):
        plain = plain.replace(",", "")
    plain = plain.replace(",", ".")
    places = len(plain.partition(".")[2])
    return Printed(float(plain), 0.5 * 10.0**-places, sign)


def whole(text: str) -> int:
    """Digits, grouped or not."""
    return int(re.sub(r"\D", "", text))


def count(text: str) -> Count | None:
    """`91`, `91 (46.9%)`, `92 (52.0)%`, `91/194 (46.9)`, `46.9% (91)`; None when the text is no count."""
    if found := _COUNT.match(text):
        of = whole(found[2]) if found[2] else None
        return Count(whole(found[1]), decimal(found[3]) if found[3] else None, of)
    if found := _SHARE_FIRST.match(text):
        return Count(whole(found[2]), decimal(found[1]))
    return None


def span(text: str) -> Span | None:
    """`1.79 (1.23–2.61)`, `1.79 (95% CI 1.23 to 2.61)`, `44.9 (23.6 to NR)`; None when the text is no such thing."""
    if found := _INTERVAL.match(text):
        return Span(decimal(found[1]), decimal(found[2]), decimal(found[3]))
    return None


def p_value(text: str) -> Printed | None:
    """`0.83`, `.05`, `<0.0001`, `p = 0.03`, `>0.99`; None when the text is no p-value (NS, a dash, words)."""
    found = _P.match(text.strip())
    if not found:
        return None
    sign = {"": "=", "=": "=", "≤": "<", "≥": ">"}.get(found[1], found[1])
    return decimal(found[2], sign)


def is_whole(text: str) -> bool:
    """Whether the text is a plain whole number."""
    return bool(_WHOLE.match(text))


def marks(text: str) -> tuple[str, ...]:
    """The footnote marks of a label: superscripts, and *, †, ‡, § at its end."""
    return tuple(mark for pair in _MARK.findall(text) for mark in pair if mark)


def unmarked(text: str) -> str:
    """A label or cell without its footnote marks."""
    return " ".join(_MARK.sub("", text).split())
