"""Which field of a study means what, and its words and numbers in one way: `m`, `Uomo`, `male` are one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.records.profile import called, means, plain, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MORE: Final[Mapping[str, tuple[str, ...]]] = {
    "her2_ihc": ("her2 ihc", "her2 score", "ihc her2", "her 2 ihc", "her2 immunohistochemistry"),
    "her2_ish": ("her2 fish", "her2 ish", "her2 sish", "her2 cish", "fish", "ish", "her2 amplification", "fish her2"),
    "de_novo": ("de novo", "metastatic at diagnosis", "denovo", "synchronous metastases", "de novo metastatic"),
    "adjuvant": ("adjuvant", "neoadjuvant", "adjuvant treatment", "neoadjuvant or adjuvant treatment", "neo adjuvant"),
    "bone_only": ("bone only", "bone only metastases", "bone only disease"),
    "sites": ("sites", "metastatic sites", "number of sites", "number of metastatic sites"),
    "dose": ("dose", "dose mg", "total dose", "dose given"),
}  # fmt: skip
_MALE: Final = frozenset({
    "m", "male", "man", "uomo", "maschio", "mann", "mannlich", "homme", "masculin", "hombre", "masculino",
    "8507",  # OMOP's concept
})  # fmt: skip
_FEMALE: Final = frozenset({
    "f", "w", "female", "woman", "donna", "femmina", "frau", "weiblich", "femme", "feminin", "mujer", "femenino",
    "8532",
})  # fmt: skip


def concepts(fields: Iterable[str]) -> dict[str, str]:
    """What each field means, as far as its name says: concept to field, the first of several."""
    known = {name: told["names"] for name, told in vocabulary().items() if "names" in told} | dict(MORE)
    known["her2"] = [name for name in known["her2"] if name not in MORE["her2_ihc"]]
    found: dict[str, str] = {}
    for field in fields:
        words = plain(field)
        for concept, names in known.items():
            if words == plain(concept) or called(words, names):
                found.setdefault(concept, field)
    return found


def normal(concept: str, values: pl.Series) -> pl.Series | None:
    """The values of a concept as the rules read them; None where the column holds something else."""
    if concept in ("birth", "diagnosis", "metastatic", "surgery"):
        return values.cast(pl.Int32) if values.dtype == pl.Int32 else None
    if concept in _NUMBERS:
        return values.cast(pl.Float64) if values.dtype.is_numeric() else None
    if concept in _WORDS:
        return _through(values, _WORDS[concept], pl.String)
    if concept in ("grade", "her2_ihc"):
        return _through(values, _digit, pl.Float64)
    if concept in _FLAGS:
        return values if values.dtype == pl.Boolean else _through(values, _FLAGS[concept], pl.Boolean)
    return None


def _through(values: pl.Series, meaning: Callable[[str], Any], kind: Any) -> pl.Series:
    text = values.cast(pl.String)
    words = {word: meaning(word) for word in text.drop_nulls().unique().to_list()}
    return text.replace_strict(words, return_dtype=kind) if words else text.cast(kind)


def _digit(word: str) -> float | None:
    found = re.search(r"\d", word)
    return float(found[0]) if found else {"low": 1.0, "intermediate": 2.0, "high": 3.0}.get(plain(word))


def _yes(word: str) -> bool | None:
    return True if means(word, "yes") else False if means(word, "no") else None


def _sex(word: str) -> str | None:
    words = plain(word)
    return "male" if words in _MALE else "female" if words in _FEMALE else None


def _menopause(word: str) -> str | None:
    words = plain(word)
    return "pre" if words.startswith("pre") else "post" if words.startswith("post") else None


def _amplified(word: str) -> bool | None:
    words = plain(word)
    if re.search(r"\bnot done\b|unknown|equivocal|nd\b|non eseguit", words):
        return None
    if re.search(r"not ampl|non ampl|nicht ampl|unampl|negativ|\bneg\b", words):
        return False
    return True if re.search(r"ampl|positiv|\bpos\b", words) else None


def _her2(word: str) -> bool | None:
    """Whether a word for the HER2 status means negative."""
    words = plain(word)
    if re.search(r"neg|low|ultralow", words):
        return True
    return False if re.search(r"pos|3", words) else None


_NUMBERS: Final = frozenset({"age", "er", "pgr", "ki67", "sites", "performance", "dose"})
_WORDS: Final[Mapping[str, Callable[[str], str | None]]] = {"sex": _sex, "menopause": _menopause}
_FLAGS: Final[Mapping[str, Callable[[str], bool | None]]] = {
    "de_novo": _yes, "adjuvant": _yes, "bone_only": _yes, "visceral": _yes, "brain": _yes, "her2_ish": _amplified,
    "her2": _her2,
}  # fmt: skip
