"""What a column seems to hold, judged by its values alone: its type, its words, its dates' format, its range."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl

from sequela.records.dates import FORMATS, formats_of, parse_date

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

Type = Literal["text", "integer", "number", "date", "category", "empty"]
MOST_LEVELS: Final = 12
_LOOKED_AT: Final = 5000  # different words of a column, the commonest first
_SIGNS: Final = frozenset({".", "-", "--", "?", "*", "/"})


_REASONS: Final = (
    ("progression", re.compile(r"progres|\bpd\b|relapse|recidiv|rezidiv|recaida|rechute|ricaduta")),
    (
        "toxicity",
        re.compile(r"tox|toss|adverse|avvers|intoll?er|side effect|effetti coll|nebenwirk|indesirable"),
    ),
    ("death", re.compile(r"death|died|dead|decess|exitus|\btod\b|deces|muerte")),
    ("ongoing", re.compile(r"ongoing|in corso|laufend|en cours|en curso|continu")),
)


@dataclass(frozen=True, slots=True)
class Profile:
    """A column, as its values tell.

    Attributes:
        name, label: the heading, and what a labelled file or a dictionary says of it.
        type: dates win over numbers, numbers over words; a `category` has at most 12 words that come again.
        n, distinct: cells that are filled, and how many different ones.
        words: the different words, the commonest first, at most 13.
        missing: words among them that mean missing.
        formats: of dates, those that fit best; several where days and months could be exchanged, none where the
            dates stand in more than one.
        minimum, maximum: of numbers.
        levels: code to word, where a dictionary says so.
    """

    name: str
    type: Type
    n: int
    distinct: int
    words: tuple[str, ...]
    missing: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    label: str = ""
    levels: Mapping[str, str] = field(default_factory=dict[str, str])


@cache
def vocabulary() -> Mapping[str, Any]:
    """What columns are called, by what they mean: `data/columns.toml`."""
    return tomllib.loads((files("sequela") / "data" / "columns.toml").read_text("utf-8"))


def plain(words: str) -> str:
    """A heading or word without capitals, accents and signs: `DataNascita`, `data_di-nascità` → `data nascita`, …"""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", words)
    ascii_ = unicodedata.normalize("NFKD", spaced.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return " ".join(re.findall(r"[a-z0-9]+", ascii_.lower()))


def called(words: str, names: Collection[str]) -> bool:
    """Whether a heading, made `plain`, is one of `names`, wherever its words are parted: `PgR` is `pgr`."""
    return words in names or words.replace(" ", "") in {name.replace(" ", "") for name in names}


def means(word: str, what: str) -> bool:
    """Whether a word is one of those that mean `missing`, `yes`, `no`, `dead` or `alive`."""
    if what == "missing" and (word.strip() in _SIGNS or re.fullmatch(r"\[[A-Za-z ]+\]", word.strip())):
        return True  # [Not Available], [Discrepancy]: the way of TCGA and cBioPortal
    return plain(word) in vocabulary()["words"][what]


def reason(word: str) -> str:
    """A reason for stopping in one word, or as it stands."""
    return next((name for name, pattern in _REASONS if pattern.search(plain(word))), word)


def profile(
    name: str, values: pl.Series, label: str = "", levels: Mapping[str, str] | None = None
) -> Profile:
    """The profile of a column of text."""
    filled = values.cast(pl.String).str.strip_chars()
    filled = filled.filter(filled.is_not_null() & (filled != ""))
    counts = filled.value_counts(sort=True)
    all_words: list[str] = counts[counts.columns[0]].to_list()
    missing = tuple(word for word in all_words[:_LOOKED_AT] if means(word, "missing"))
    known = [word for word in all_words if word not in missing]
    n = int(counts.filter(~pl.col(counts.columns[0]).is_in(list(missing)))["count"].sum())
    told: Any = {"missing": missing, "label": label, "levels": levels or {}}
    base = (n, len(known), tuple(known[: MOST_LEVELS + 1]))
    if not known:
        return Profile(name, "empty", *base, **told)
    formats = _formats(known)
    if formats is not None:
        return Profile(name, "date", *base, formats=formats, **told)
    numbers = pl.Series(known).cast(pl.Float64, strict=False)
    sound = numbers.filter(numbers.is_finite().fill_null(value=False))
    # A few stray words do not make a column of numbers one of words: the check lists them one by one.
    if _most(len(sound), known) and not _codes(known):
        whole = bool((sound == sound.round(0)).all())
        low, high = float(sound.min()), float(sound.max())  # pyright: ignore[reportArgumentType]
        return Profile(name, "integer" if whole else "number", *base, minimum=low, maximum=high, **told)
    few = len(known) <= MOST_LEVELS and (len(known) * 2 <= n or len(known) <= 2)
    return Profile(name, "category" if few or levels else "text", *base, **told)


def _codes(words: Sequence[str]) -> bool:
    """Numbers that start with a zero are codes: 007."""
    return any(len(word) > 1 and word[0] == "0" and word.isdigit() for word in words)


def _formats(words: Sequence[str]) -> tuple[str, ...] | None:
    """The formats in which most words are dates, or parts of one; none where several are needed, None for no dates.

    All words must be dates where there are few; of 20 and more one in 20 may be mistyped: the check lists it.
    """
    words = words[:_LOOKED_AT]
    whole = [word for word in words if formats_of(word)]
    if not whole or all(re.fullmatch(r"\d{8}", word) for word in whole):
        return None  # eight digits may as well be a number
    if not _most(sum(bool(formats_of(word)) or parse_date(word) is not None for word in words), words):
        return None
    counts = {form: sum(parse_date(word, form) is not None for word in words) for form in FORMATS}
    best = max(counts.values())
    return tuple(form for form, fits in counts.items() if fits == best) if _most(best, words) else ()


def _most(number: int, words: Sequence[str]) -> bool:
    """All of them; of 20 and more 19 in 20."""
    return number * 20 >= len(words) * (19 if len(words) >= 20 else 20)
