"""A data set that explains itself: each variable with its label, the words of its codes and its missing codes.

One noun for every program a table goes to: SPSS and Stata take codes and labels, CSV, Parquet and Excel the words.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Kind = Literal["text", "number", "date", "category", "state"]
Measure = Literal["nominal", "ordinal", "scale"]
DTYPES: Final[Mapping[str, Any]] = {
    "text": pl.String, "number": pl.Float64, "date": pl.Date, "category": pl.Int32, "state": pl.Int32,
}  # fmt: skip
LONGEST_NAME: Final = 32  # Stata and SAS; SPSS takes 64 bytes
# Words of SPSS, R and Stata that are no names.
_RESERVED: Final = frozenset({
    "all", "and", "by", "eq", "ge", "gt", "le", "lt", "ne", "not", "or", "to", "with", "if", "in", "else", "for",
    "while", "repeat", "function", "next", "break", "true", "false", "null", "inf", "nan", "na", "byte", "int",
    "long", "float", "double", "using", "str", "strl",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Variable:
    """One column.

    Attributes:
        name: letters, digits and underscores, at most 32, so that every program takes it.
        kind: a `category` is a code with a word for each; a `state` is a code that is a number in its own right
            (0 censored, 1 event), and is written as a number where a file has no labels.
        label: the variable in words.
        words: code to word.
        missing: user-missing code to the reason, below 0; files without such codes leave the cell empty.
        decimals: as shown; the number itself is kept in full.
        origin: where it comes from, in the study's own terms.
    """

    name: str
    kind: Kind = "text"
    label: str = ""
    words: Mapping[int, str] = field(default_factory=dict[int, str])
    missing: Mapping[int, str] = field(default_factory=dict[int, str])
    measure: Measure = "nominal"
    decimals: int = 0
    origin: str = ""

    @property
    def coded(self) -> bool:
        """Whether the column holds codes."""
        return self.kind in ("category", "state")


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """A table and what its columns mean.

    Attributes:
        frame: one column per variable: text, Float64, Date, or Int32 codes. Text has no outer blanks on the right
            and is never empty but null, for SPSS knows neither.
        variables: in the order of the columns.
        title: of the data set.
    """

    frame: pl.DataFrame
    variables: tuple[Variable, ...]
    title: str = ""

    def __post_init__(self) -> None:
        if [variable.name for variable in self.variables] != self.frame.columns:
            raise ValueError("a labelled table needs one variable per column, in order")
        for variable in self.variables:
            values = self.frame[variable.name]
            if values.dtype != DTYPES[variable.kind]:
                raise ValueError(f"{variable.name}: a {variable.kind} is not {values.dtype}")
            known = {*variable.words, *variable.missing}
            if variable.kind == "category" and (strange := set(values.drop_nulls()) - known):
                raise ValueError(f"{variable.name}: codes without a word: {sorted(strange)}")

    def words(self) -> pl.DataFrame:
        """The table as people and programs without labels read it: words for codes, user-missing cells empty.

        Numbers that are all whole are whole numbers: an age of 63, not of 63.0.
        """
        return self.frame.with_columns(
            _words(self.frame[v.name], v) if v.coded else _whole(self.frame[v.name])
            for v in self.variables
            if v.coded or v.kind == "number"
        )

    def plain(self) -> pl.DataFrame:
        """The codes, with user-missing cells empty."""
        return self.frame.with_columns(
            pl.when(~pl.col(v.name).is_in(list(v.missing))).then(v.name).alias(v.name)
            for v in self.variables
            if v.missing
        )


def _whole(values: pl.Series) -> pl.Series:
    known = values.drop_nulls()
    whole = ((known == known.round(0)) & (known.abs() < 2**53)).all()
    return values.cast(pl.Int64) if whole else values


def _words(values: pl.Series, variable: Variable) -> pl.Series:
    if variable.kind == "state":
        return values.set(values.is_in(list(variable.missing)).fill_null(value=False), None)
    return values.replace_strict(dict(variable.words), default=None, return_dtype=pl.String)


def text(values: pl.Series) -> pl.Series:
    """Text as every program keeps it: no blanks at the end, and nothing instead of an empty text."""
    stripped = values.cast(pl.String).str.strip_chars_end()
    return stripped.set((stripped == "").fill_null(value=False), None)


def coded(values: pl.Series, words: Iterable[str]) -> tuple[pl.Series, dict[int, str]]:
    """A column of words as codes from 1, in the given order; words that are not named follow, sorted."""
    present = set(values.drop_nulls().unique().to_list())
    named = list(dict.fromkeys(words))
    order = [*named, *sorted(present - set(named))]
    codes = {word: code for code, word in enumerate(order, 1)}
    column = (
        values.replace_strict(codes, default=None, return_dtype=pl.Int32) if codes else values.cast(pl.Int32)
    )
    return column, {code: word for word, code in codes.items()}


def portable(name: str, taken: Iterable[str]) -> str:
    """`name` as every program takes it, and unlike those already taken (capitals do not tell names apart)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"\W+", "_", plain).strip("_") or "v"
    if not plain[0].isalpha() or plain.lower() in _RESERVED:
        plain = f"v_{plain}"
    known = {other.lower() for other in taken}
    found, number = plain[:LONGEST_NAME].rstrip("_"), 1
    while found.lower() in known:
        number += 1
        tail = f"_{number}"
        found = plain[: LONGEST_NAME - len(tail)].rstrip("_") + tail
    return found
