"""What a column means, by its name, its label, its type and its words; and what a table is, by its columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from sequela.records.profile import called, means, plain, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sequela.records.profile import Profile

Role = Literal["patients", "treatments", "events", "follow_up"]
COVARIATES: Final = (
    "sex", "age", "er", "pgr", "her2", "ki67", "grade", "stage", "performance", "visceral", "brain", "menopause",
)  # fmt: skip
CONCEPTS: Final[Mapping[Role, tuple[str, ...]]] = {
    "patients": (
        "patient", "centre", "birth", "diagnosis", "metastatic", "surgery", "death", "vital", "last_contact",
        "survival_months", "progression", *COVARIATES,
    ),
    "treatments": ("patient", "drug", "start", "end", "ongoing", "stop_reason", "line"),
    "events": ("patient", "progression", "day", "kind"),
    "follow_up": ("patient", "death", "vital", "last_contact", "progression"),
}  # fmt: skip
# Words that mean something as a whole heading only: a form's completion date is no date of an event.
_GENERIC: Final = frozenset({
    "date", "day", "data", "datum", "fecha", "status", "stato", "statut", "estado", "type", "typ", "tipo", "art",
    "event", "site", "treatment", "therapy", "trattamento", "terapia", "therapie", "traitement", "tratamiento",
    "line", "end",
    "start", "age", "case id", "study id", "death", "patient", "grade", "fin", "von", "bis", "stop", "reason", "eta",
    "anni", "performance", "regimen", "diagnosis", "progression", "evento", "tod", "tot", "mort", "born", "surgery",
})  # fmt: skip
ENDS: Final = frozenset({"death", "vital", "last_contact"})
GIVEN: Final = ("drug", "start", "end", "ongoing", "stop_reason")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a column is taken for, and why."""

    concept: str
    column: str
    why: str
    score: float


@dataclass(frozen=True, slots=True)
class Repeat:
    """Columns that hold one of several records of a row: `drug_2`, `start_2`, `end_2`."""

    number: int
    columns: Mapping[str, str]


def meanings(profile: Profile, concepts: Iterable[str], is_drug: Callable[[str], bool]) -> list[Meaning]:
    """Every concept that a column may stand for, the likeliest first."""
    found: list[Meaning] = []
    for concept in concepts:
        told = vocabulary()[concept]
        if not _fits(profile, told["kinds"], concept):
            continue
        best = max(
            (
                _named(profile.name, told["names"], "its name"),
                _named(profile.label, told["names"], "its label"),
            ),
            key=lambda pair: pair[0],
        )
        if concept == "drug" and (share := _drugs(profile, is_drug)) >= 0.5:
            best = (best[0] + 3, f"{share:.0%} of its words are drugs")
        elif concept == "vital" and best[0] and any(means(word, "dead") for word in profile.words):
            best = (best[0] + 1, f"{best[1]} and its words")
        if best[0]:
            found.append(Meaning(concept, profile.name, best[1], best[0]))
    return sorted(found, key=lambda meaning: -meaning.score)


def _fits(profile: Profile, kinds: Sequence[str], concept: str) -> bool:
    if profile.type == "empty":
        return False
    if profile.type == "integer" and "day" in kinds:
        # Whole numbers may be days from an origin, but a yes or no, a year or a grade is none.
        low, high = profile.minimum or 0, profile.maximum or 0
        years = low >= 1900 and high <= 2100
        return profile.distinct > 5 and not years
    if concept == "vital" and not _alive_or_dead(profile):
        return False
    return profile.type in kinds


def _alive_or_dead(profile: Profile) -> bool:
    """Words of life and death, or a yes and no."""
    if any(means(word, "dead") or means(word, "alive") for word in profile.words):
        return profile.distinct <= 8
    return profile.distinct <= 3 and all(means(word, "yes") or means(word, "no") for word in profile.words)


def _named(name: str, names: Sequence[str], where: str) -> tuple[float, str]:
    """3 for a name of the vocabulary; up to 2 for one that holds such a name, the more the longer."""
    words = plain(name)
    if not words:
        return 0.0, ""
    if called(words, names):
        return 3.0 if where == "its name" else 2.9, where
    padded = f" {words} "
    held = (other for other in names if f" {other} " in padded and len(other) > 2 and other not in _GENERIC)
    inside = max(held, key=len, default="")
    if not inside:
        return 0.0, ""
    return 1 + len(inside) / len(words), f"{where} holds “{inside}”"


def _drugs(profile: Profile, is_drug: Callable[[str], bool]) -> float:
    words = profile.words if profile.type in ("text", "category") else ()
    return sum(map(is_drug, words)) / len(words) if len(words) > 1 else 0.0


def assign(
    profiles: Sequence[Profile], concepts: Iterable[str], is_drug: Callable[[str], bool]
) -> dict[str, Meaning]:
    """One column for each concept, and one concept for each column: the likeliest pairs first."""
    # Of two columns with equally good names the fuller one is meant.
    most = max((profile.n for profile in profiles), default=0) or 1
    every = [
        replace(meaning, score=meaning.score + 0.5 * profile.n / most)
        for profile in profiles
        for meaning in meanings(profile, concepts, is_drug)
    ]
    chosen: dict[str, Meaning] = {}
    taken: set[str] = set()
    for meaning in sorted(every, key=lambda m: -m.score):
        if meaning.concept not in chosen and meaning.column not in taken:
            chosen[meaning.concept] = meaning
            taken.add(meaning.column)
    return chosen


def repeats(
    profiles: Sequence[Profile], is_drug: Callable[[str], bool]
) -> tuple[tuple[Repeat, ...], Mapping[str, str]]:
    """Records that stand side by side in one row, by the number in their columns' names; and why.

    A number is a record where a drug and its start have it.
    """
    numbered: dict[int, list[tuple[str, Profile]]] = {}
    for profile in profiles:
        match = re.fullmatch(r"(.*?\D)?(\d{1,2})(\D*)", profile.name.strip())
        if match and profile.type != "empty":
            numbered.setdefault(int(match[2]), []).append((f"{match[1] or ''} {match[3] or ''}", profile))
    found: list[Repeat] = []
    why: dict[str, str] = {}
    for number, columns in sorted(numbered.items()):
        bare = [_renamed(profile, stem) for stem, profile in columns]
        names = {id(one): profile.name for one, (_, profile) in zip(bare, columns, strict=True)}
        by_name = {one.name: names[id(one)] for one in bare}
        chosen = assign(bare, GIVEN, is_drug)
        if {"drug", "start"} <= chosen.keys():
            found.append(Repeat(number, {c: by_name[m.column] for c, m in chosen.items()}))
            why = why or {concept: meaning.why for concept, meaning in chosen.items()}
    return (tuple(found), why) if found else ((), {})


def _renamed(profile: Profile, stem: str) -> Profile:
    return replace(profile, name=plain(stem), label=re.sub(r"\d+", " ", profile.label))


def one_row_a_patient(rows: int, patients: int) -> bool:
    """Whether a table has one row a patient, but for a few that stand twice: one in fifty, or one in all."""
    return rows - patients <= max(1, patients // 50)


def role_of(
    profiles: Sequence[Profile], rows: int, patients: int, is_drug: Callable[[str], bool]
) -> Role | None:
    """What a table is; None for one that names no patients."""
    every = tuple(dict.fromkeys(concept for concepts in CONCEPTS.values() for concept in concepts))
    chosen = assign(profiles, every, is_drug)
    if "patient" not in chosen:
        return None
    given = assign(profiles, CONCEPTS["treatments"], is_drug)
    single = one_row_a_patient(rows, patients)
    if {"drug", "start"} <= given.keys() and (not single or _strong(given["drug"])):
        return "treatments" if not single or len(profiles) <= 8 else "patients"
    if single and not (ENDS & chosen.keys() and len(profiles) <= 5):
        return "patients"
    return "follow_up" if ENDS & chosen.keys() else "events"


def _strong(meaning: Meaning) -> bool:
    return meaning.score >= 3
