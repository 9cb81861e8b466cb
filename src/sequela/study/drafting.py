"""A first study file from tables nobody has described: roles, fields and their types; what is left is said as TODO."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from sequela.records.labelled import portable
from sequela.records.profile import means, plain, profile, reason, vocabulary
from sequela.study.recognition import (
    CONCEPTS,
    ENDS,
    Meaning,
    Repeat,
    assign,
    one_row_a_patient,
    repeats,
    role_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sequela.records.discovery import Found
    from sequela.records.profile import Profile
    from sequela.study.recognition import Role

TODO: Final = "TODO: "
_TAKEN: Final = (
    "line", "lines", "line_of", "any", "has", "is", "missing", "stopped", "date", "days", "months", "years", "sequence",
    "subject", "in_cohort", "patients", "treatments",
)  # fmt: skip
_ROLES: Final[Mapping[Role, str]] = {
    "patients": "one row a patient", "treatments": "one row a drug that was given",
    "events": "one row an event", "follow_up": "visits with vital status",
}  # fmt: skip
_DAYS: Final = (
    "death",
    "last_contact",
    "progression",
    "start",
    "end",
    "day",
    "diagnosis",
    "metastatic",
    "surgery",
    "birth",
)


@dataclass(frozen=True, slots=True)
class Drafted:
    """A field: our name, the file's column, what the study file says of it, and why."""

    name: str
    column: str
    told: Mapping[str, Any]
    why: str
    concept: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table with its role, its fields, and the records that stand side by side in its rows.

    `where` keeps some rows only; `latest` is the field by which one row a patient is chosen.
    """

    found: Found
    name: str
    role: Role
    rows: int
    patients: int
    fields: tuple[Drafted, ...]
    missing: tuple[str, ...]
    repeats: tuple[Repeat, ...] = ()
    where: Mapping[str, tuple[str, ...] | str] | None = None
    latest: str | None = None

    def field(self, concept: str) -> Drafted | None:
        """The field of a concept."""
        return next((field for field in self.fields if field.concept == concept), None)

    @property
    def words(self) -> str:
        """What the table is."""
        return _ROLES[self.role]


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    found: Found
    profiles: tuple[Profile, ...]
    rows: int
    patients: int
    role: Role | None
    repeats: tuple[Repeat, ...]


def tables_of(
    found: Sequence[Found], is_drug: Callable[[str], bool]
) -> tuple[tuple[Table, ...], tuple[Found, ...]]:
    """The sources of a study, and the tables that cannot be one for they name no patient.

    There is one source of patients (one row a patient; of several the one with the most columns) and one of treatments
    (of several the one with the most rows).
    Records that stand side by side in the patients' table become the source of treatments; without a table of
    patients that of the treatments serves as both.
    """
    seen = [_look(table, is_drug) for table in found]
    usable = [table for table in seen if table.role is not None]
    left = tuple(table.found for table in seen if table.role is None)
    people = _choose(usable, lambda t: one_row_a_patient(t.rows, t.patients) and t.role != "treatments")
    given = max((t for t in usable if t.role == "treatments"), key=lambda table: table.rows, default=None)
    made: list[Table] = []
    if people is not None:
        made.append(_table(people, "patients", "patients", is_drug))
    elif given is not None:
        made.append(_people_of(given, is_drug))
    if given is not None:
        made.append(_table(given, "treatments", "treatments", is_drug))
    elif people is not None and people.repeats:
        made.append(_side_by_side(people, is_drug))
    for table in usable:
        if table is not people and table is not given:
            role: Role = "follow_up" if _ends(table, is_drug) else "events"
            name = portable(_stem(table.found, found), [other.name for other in made]).lower()
            made.append(_table(table, name, role, is_drug))
    return tuple(made), left


def _ends(table: _Seen, is_drug: Callable[[str], bool]) -> bool:
    """Whether a table says of its patients until when they were seen."""
    return bool(ENDS & assign(table.profiles, CONCEPTS["follow_up"], is_drug).keys())


def _choose(tables: Sequence[_Seen], fits: Callable[[_Seen], bool]) -> _Seen | None:
    return max(filter(fits, tables), key=lambda table: (len(table.profiles), table.rows), default=None)


def _stem(found: Found, every: Sequence[Found]) -> str:
    """A short name: the sheet, table or form; of a file's name the words that not all files share."""
    source = found.source
    if name := source.sheet or source.table or (source.form[0] if source.form else ""):
        return name
    words = [_words(other.source.files[0]) for other in every]
    shared = set.intersection(*map(set, words)) if len(words) > 1 else set[str]()
    own = _words(source.files[0])
    return "_".join([word for word in own if word not in shared] or own)


def _words(file: str) -> list[str]:
    name = file.replace("\\", "/").rpartition("/")[2].removesuffix(".gz")
    return [word for word in re.split(r"[\W_]+", name.rpartition(".")[0] or name) if word]


def _look(found: Found, is_drug: Callable[[str], bool]) -> _Seen:
    profiles = tuple(
        profile(name, found.frame[name], found.labels.get(name, ""), found.levels.get(name))
        for name in found.frame.columns
    )
    chosen = assign(profiles, ("patient",), is_drug)
    rows = found.frame.height
    patients = found.frame[chosen["patient"].column].n_unique() if "patient" in chosen else rows
    beside, _ = repeats(profiles, is_drug) if one_row_a_patient(rows, patients) else ((), {})
    single = tuple(p for p in profiles if not any(p.name in repeat.columns.values() for repeat in beside))
    return _Seen(found, profiles, rows, patients, role_of(single, rows, patients, is_drug), beside)


def _table(seen: _Seen, name: str, role: Role, is_drug: Callable[[str], bool]) -> Table:
    beside = (
        {column for repeat in seen.repeats for column in repeat.columns.values()}
        if role == "patients"
        else set()
    )
    single = tuple(p for p in seen.profiles if p.name not in beside)
    chosen = assign(single, CONCEPTS[role], is_drug)
    if role == "events" and "progression" in chosen:
        chosen.pop("day", None)
    fields = _fields(single, chosen)
    kept = tuple(dict.fromkeys(word for p in single for word in p.missing))
    table = Table(seen.found, name, role, seen.rows, seen.patients, fields, kept)
    return replace(table, where=_events_where(table, single)) if role == "events" else table


def _events_where(table: Table, profiles: Sequence[Profile]) -> Mapping[str, tuple[str, ...] | str] | None:
    """Which kinds of event are a progression, where the table holds several kinds."""
    kind, day = table.field("kind"), table.field("day")
    if day is None:
        return None
    named = plain(table.name)
    if any(word in named for word in ("progress", "relapse", "recurr", "rezidiv", "recidiv")):
        return None
    words = next((p.words for p in profiles if kind and p.name == kind.column), ())
    chosen = tuple(
        word for word in words if any(part in plain(word) for part in ("progress", "recurr", "relapse"))
    )
    if kind is None:
        return {}
    return {kind.name: chosen or f"{TODO}which is a progression: {', '.join(words[:6])}"}


def _people_of(seen: _Seen, is_drug: Callable[[str], bool]) -> Table:
    """Patients from the rows of their treatments: the columns that say the same in every row of a patient."""
    patient = assign(seen.profiles, ("patient",), is_drug)["patient"].column
    frame = seen.found.frame
    groups = frame.group_by(patient).agg(pl.all().drop_nulls().n_unique())
    steady = {name for name in frame.columns if name == patient or (groups[name] <= 1).all()}
    start = assign(seen.profiles, CONCEPTS["treatments"], is_drug).get("start")
    single = tuple(p for p in seen.profiles if p.name in steady)
    fields = _fields(single, assign(single, CONCEPTS["patients"], is_drug))
    latest = None
    if start is not None:
        told = next(p for p in seen.profiles if p.name == start.column)
        latest = "latest_record"
        declared = _declared(told, latest, "start")
        fields = (
            *fields,
            Drafted(latest, told.name, declared, "one row a patient is the one with the latest"),
        )
    kept = tuple(dict.fromkeys(word for p in single for word in p.missing))
    return Table(seen.found, "patients", "patients", seen.rows, seen.patients, fields, kept, latest=latest)


def _side_by_side(seen: _Seen, is_drug: Callable[[str], bool]) -> Table:
    """Treatments from the columns of a patient's row: drug_1, start_1, drug_2, …"""
    by_name = {p.name: p for p in seen.profiles}
    patient = assign(seen.profiles, ("patient",), is_drug)["patient"]
    first = by_name[patient.column]
    fields = [Drafted("patient", first.name, _declared(first, "patient", "patient"), patient.why, "patient")]
    columns: list[Profile] = [first]
    for concept in ("drug", "start", "end", "ongoing", "stop_reason"):
        parts = [by_name[r.columns[concept]] for r in seen.repeats if concept in r.columns]
        if not parts:
            continue
        joined = pl.concat([seen.found.frame[p.name].alias(concept) for p in parts])
        whole = profile(concept, joined)
        columns.append(whole)
        why = f"{parts[0].name} to {parts[-1].name}" if len(parts) > 1 else parts[0].name
        fields.append(Drafted(concept, concept, _declared(whole, concept, concept), why, concept))
    kept = tuple(dict.fromkeys(word for p in columns for word in p.missing))
    rows = sum(seen.found.frame[r.columns["drug"]].drop_nulls().len() for r in seen.repeats)
    return Table(
        seen.found, "treatments", "treatments", rows, seen.patients, tuple(fields), kept, repeats=seen.repeats
    )


def _fields(profiles: Sequence[Profile], chosen: Mapping[str, Meaning]) -> tuple[Drafted, ...]:
    """Every column: those that are recognised first, the others under their own names."""
    by_name = {p.name: p for p in profiles}
    fields = [
        Drafted(concept, m.column, _declared(by_name[m.column], concept, concept), m.why, concept)
        for concept, m in chosen.items()
    ]
    order = {concept: i for i, concept in enumerate(vocabulary())}
    fields.sort(key=lambda field: order[field.concept or ""])
    taken = {meaning.column for meaning in chosen.values()}
    # Names of concepts are kept free: a column that was not recognised must not look like one that was.
    names = [field.name for field in fields] + [*_TAKEN, *vocabulary()]
    for told in profiles:
        if told.name in taken:
            continue
        name = portable(told.name, names).lower()
        names.append(name)
        why = "empty in the file" if told.type == "empty" else ""
        fields.append(Drafted(name, told.name, _declared(told, name, None), why))
    return tuple(fields)


def _declared(told: Profile, name: str, concept: str | None) -> dict[str, Any]:
    """What the study file says of a column, by its profile."""
    declared: dict[str, Any] = {} if told.name == name else {"column": told.name}
    if concept == "patient":
        return {**declared, "required": True}
    declared |= _type(told, concept)
    entry = vocabulary().get(concept, {}) if concept else {}
    label = entry.get("label") or told.label
    if label and concept not in _DAYS and concept not in ("drug", "ongoing", "stop_reason", "kind", "line"):
        declared["label"] = label
    number = declared.get("type") in ("integer", "number")
    if number and "unit" in entry and (entry["unit"] != "%" or "maximum" in declared):
        declared["unit"] = entry["unit"]
    return declared


def _type(told: Profile, concept: str | None) -> dict[str, Any]:
    if told.type == "date":
        if "YYYY-MM-DD" in told.formats:
            return {"type": "date"}
        several = len(told.formats) != 1
        form = (
            f"{TODO}{' or '.join(told.formats) or 'the dates stand in several formats'}"
            if several
            else told.formats[0]
        )
        return {"type": "date", "date_format": form}
    if concept == "vital":
        return {"type": "category", "levels": _levels(_vital(told))}
    if concept == "survival_months":
        return {"type": "day", "scale": 30.4375}
    if concept in _DAYS and told.type == "integer":
        return {"type": "day"}
    if concept == "ongoing" or _yes_no(told):
        return _boolean(told, concept)
    if concept == "sex" and told.type == "integer":
        return {"type": "category", "levels": {word: f"{TODO}which sex is {word}?" for word in told.words}}
    if concept in ("drug", "line"):
        return {}
    if told.type in ("integer", "number"):
        percent = concept in ("er", "pgr", "ki67") and (told.minimum or 0) >= 0 and (told.maximum or 0) <= 100
        return {"type": told.type, **({"minimum": 0, "maximum": 100} if percent else {})}
    if concept == "stop_reason" and told.type == "category":
        return {"type": "category", "levels": _levels({word: reason(word) for word in sorted(told.words)})}
    if told.type == "category":
        return {"type": "category", "levels": list(told.levels) or sorted(told.words)}
    return {}


def _yes_no(told: Profile) -> bool:
    """Two words, one of which means yes and the other no."""
    return (
        told.distinct == 2
        and any(means(w, "yes") for w in told.words)
        and any(means(w, "no") for w in told.words)
    )


def _boolean(told: Profile, concept: str | None) -> dict[str, Any]:
    if concept == "ongoing":
        return {"type": "boolean"}
    words = {word: "yes" if means(word, "yes") else "no" for word in sorted(told.words)}
    return {"type": "category", "levels": _levels(words)}


def _levels(words: dict[str, str]) -> dict[str, str] | list[str]:
    """A list where every word is its own level."""
    return list(words) if all(word == level for word, level in words.items()) else words


def _vital(told: Profile) -> dict[str, str]:
    """Each word of a vital status: dead, alive, or what it is."""
    known = set(plain(f"{told.name} {told.label}").split())
    words = vocabulary()["words"]
    says = (
        "dead"
        if known & {*words["dead"], "dthfl", "event"}
        else "alive"
        if known & set(words["alive"])
        else None
    )
    levels: dict[str, str] = {}
    for word in sorted(told.words):
        if means(word, "dead") or means(word, "alive"):
            levels[word] = "dead" if means(word, "dead") else "alive"
        elif not (means(word, "yes") or means(word, "no")):
            levels[word] = f"{TODO}alive or dead?" if word.isdigit() else word
        elif says is None:
            levels[word] = f"{TODO}alive or dead?"
        else:
            other = "alive" if says == "dead" else "dead"
            levels[word] = says if means(word, "yes") else other
    return levels
