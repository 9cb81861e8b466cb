"""Faults of rows and of centres, each planted in the CSV files of an invented cohort at a random place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from sequela.core.finding import Finding

CUT = "2018-12-31"


class Row:
    """One row of text; itself, wherever it moves to."""

    def __init__(self, cells: dict[str, str]) -> None:
        self.cells = cells

    def __getitem__(self, name: str) -> str:
        return self.cells[name]

    def __setitem__(self, name: str, text: str) -> None:
        assert name in self.cells, name
        self.cells[name] = text

    def copy(self, **changed: str) -> Row:
        return Row({**self.cells, **changed})


@dataclass
class Registry:
    """The tables; patients and centres that already carry a fault."""

    tables: dict[str, list[Row]]
    taken: set[str] = field(default_factory=set)
    centres: set[str] = field(default_factory=set)

    def texts(self) -> dict[str, str]:
        """Each file, with its banner in the first line."""
        return {
            name: "\n".join(["# Simulated patients", ",".join(rows[0].cells), *(",".join(row.cells.values()) for row in rows)]) + "\n"
            for name, rows in self.tables.items()
        }  # fmt: skip

    def lines(self) -> dict[int, tuple[str, int]]:
        """File and line of every row."""
        return {
            id(row): (f"{name}.csv", i + 3)
            for name, rows in self.tables.items()
            for i, row in enumerate(rows)
        }

    def of(self, table: str, patient: str) -> list[Row]:
        return [row for row in self.tables[table] if row["patient"] == patient]

    def lined(self, patient: str) -> list[Row]:
        """The treatments that count: after the index date."""
        (person,) = self.of("patients", patient)
        return [
            row for row in self.of("treatments", patient) if row["start_date"] >= person["metastatic_date"]
        ]

    def last(self, patient: str) -> Row:
        """The row of the last contact."""
        return max(self.of("follow_up", patient), key=lambda row: row["last_contact_date"])

    def dead(self, patient: str) -> bool:
        return self.last(patient)["status"] == "dead"

    def after(self, table: str, row: Row, new: Row) -> None:
        """Put a row after another."""
        rows = self.tables[table]
        rows.insert(next(i for i, one in enumerate(rows) if one is row) + 1, new)

    def pick(self, rng: np.random.Generator, fits: Callable[[str], bool] = lambda _: True) -> str:
        """A patient without a fault, of a centre without one, in whom this one can be planted."""
        people = self.tables["patients"]
        for at in rng.permutation(len(people)).tolist():
            who, centre = people[at]["patient"], people[at]["centre"]
            if who not in self.taken and centre not in self.centres and fits(who):
                self.taken.add(who)
                return who
        raise AssertionError("no patient fits")

    def centre(self, rng: np.random.Generator) -> tuple[str, list[Row]]:
        """One of the six largest centres that are free, and its patients."""
        by: dict[str, list[Row]] = {}
        for row in self.tables["patients"]:
            by.setdefault(row["centre"], []).append(row)
        free = sorted((name for name in by if name not in self.centres), key=lambda name: -len(by[name]))[:6]
        name = str(rng.choice(free))
        self.centres.add(name)
        return name, by[name]


@dataclass(frozen=True)
class Place:
    """Where a fault was planted: a row, else a patient, else a centre, else a field of the registry."""

    row: Row | None = None
    patient: str | None = None
    centre: str | None = None
    field: str | None = None
    kind: Kind = None  # type: ignore[assignment]  # set by whoever planted it

    def named_by(self, finding: Finding, lines: dict[int, tuple[str, int]]) -> bool:
        """Whether a finding points here."""
        where = finding.where
        if self.row is not None:
            return (Path(where.file or "").name, where.line) == lines.get(id(self.row))
        if self.patient is not None:
            return where.patient == self.patient
        return where.centre == self.centre and (self.field is None or self.field in (where.field or ""))

    def words(self) -> str:
        cells = "" if self.row is None else ", ".join(self.row.cells.values())
        return " ".join(part for part in (self.patient, self.centre, self.field, cells) if part)


@dataclass(frozen=True)
class Kind:
    """A fault: its name, the codes of which one must name it, what plants it, and whether it can be there several times."""

    name: str
    codes: tuple[str, ...]
    plant: Callable[[Registry, np.random.Generator], list[Place]]
    many: bool = True


def moved(day: str, days: int) -> str:
    """A date some days later."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def _cell(
    table: str,
    column: str,
    change: Callable[[str, np.random.Generator], str],
    fits: Callable[[Row], bool] = lambda _: True,
):
    """Change one filled cell of one row of a patient; for treatments, of one that counts."""

    def plant(registry: Registry, rng: np.random.Generator) -> list[Place]:
        def rows(who: str) -> list[Row]:
            every = registry.lined(who) if table == "treatments" else registry.of(table, who)
            return [row for row in every if row[column] and fits(row)]

        who = registry.pick(rng, lambda one: bool(rows(one)))
        row = rows(who)[int(rng.integers(len(rows(who))))]
        row[column] = change(row[column], rng)
        return [Place(row)]

    return plant


def _person(change: Callable[[Row], None], fits: Callable[[Row], bool] = lambda _: True):
    """Change the row of a patient."""

    def plant(registry: Registry, rng: np.random.Generator) -> list[Place]:
        who = registry.pick(rng, lambda one: fits(registry.of("patients", one)[0]))
        (row,) = registry.of("patients", who)
        change(row)
        return [Place(row)]

    return plant


def _end(change: Callable[[Registry, str, Row], Row | None], *, dead: bool):
    """Change what the follow-up says of a dead or a living patient; the place is the row returned, else the patient."""

    def plant(registry: Registry, rng: np.random.Generator) -> list[Place]:
        who = registry.pick(rng, lambda one: registry.dead(one) is dead)
        row = change(registry, who, registry.last(who))
        return [Place(row) if row else Place(patient=who)]

    return plant


def _set(row: Row, **cells: str) -> None:
    for name, text in cells.items():
        row[name] = text


def _stop(change: Callable[[Row], None], *, fits: Callable[[Row], bool]):
    """Change a treatment that counts and has an end."""

    def plant(registry: Registry, rng: np.random.Generator) -> list[Place]:
        who = registry.pick(
            rng, lambda one: any(row["end_date"] and fits(row) for row in registry.lined(one))
        )
        rows = [row for row in registry.lined(who) if row["end_date"] and fits(row)]
        row = rows[int(rng.integers(len(rows)))]
        change(row)
        return [Place(row)]

    return plant


def _duplicate_patient(registry: Registry, rng: np.random.Generator) -> list[Place]:
    (row,) = registry.of("patients", registry.pick(rng))
    again = row.copy(grade="G1")
    registry.after("patients", row, again)
    return [Place(again)]


def _orphan(registry: Registry, rng: np.random.Generator) -> list[Place]:
    row = registry.of("visits", registry.pick(rng))[0]
    row["patient"] = f"Q{int(rng.integers(1000, 9999))}"
    return [Place(row)]


def _untreated(registry: Registry, rng: np.random.Generator) -> list[Place]:
    who = registry.pick(rng)
    registry.tables["treatments"] = [row for row in registry.tables["treatments"] if row["patient"] != who]
    return [Place(patient=who)]


def _extra_treatment(days: Callable[[Row], tuple[str, str]], *, drug: str | None = None, same: bool = False):
    """One more row after a treatment that counts, of the same drug, on the days that `days` makes of it."""

    def plant(registry: Registry, rng: np.random.Generator) -> list[Place]:
        def rows(who: str) -> list[Row]:
            return [
                r for r in registry.lined(who) if r["end_date"] and r["end_date"] > moved(r["start_date"], 40)
            ]

        who = registry.pick(rng, lambda one: bool(rows(one)))
        row = rows(who)[-1]
        start, end = days(row)
        new = row.copy(start_date=start, end_date=end, **({"drug": drug} if drug else {}))
        if not same and not drug:
            new["stop_reason"] = "other"
        registry.after("treatments", row, new)
        # What lies before the index date is told once a patient.
        return [Place(patient=who)] if drug else [Place(new)]

    return plant


def _after(table: str, days: int, *, dead: bool, **cells: str):
    """A row of an event some days after the death or the last contact."""

    def plant(registry: Registry, rng: np.random.Generator) -> list[Place]:
        who = registry.pick(rng, lambda one: registry.dead(one) is dead and bool(registry.of(table, one)))
        end = registry.last(who)["last_contact_date"]
        row = registry.of(table, who)[-1]
        new = row.copy(date=moved(end, days), **cells)
        registry.after(table, row, new)
        return [Place(new)]

    return plant


def _again(days: int, **cells: str):
    """A second progression some days after another."""

    def plant(registry: Registry, rng: np.random.Generator) -> list[Place]:
        who = registry.pick(
            rng,
            lambda one: (
                bool(registry.of("progressions", one))
                and registry.last(one)["last_contact_date"]
                > moved(registry.of("progressions", one)[-1]["date"], 40)
            ),
        )
        row = registry.of("progressions", who)[-1]
        new = row.copy(date=moved(row["date"], days), **cells)
        registry.after("progressions", row, new)
        return [Place(new)]

    return plant


def _contact(change: Callable[[Row], Row]):
    """One more follow-up form of a dead patient."""

    def plant(registry: Registry, rng: np.random.Generator) -> list[Place]:
        who = registry.pick(rng, registry.dead)
        row = registry.last(who)
        new = change(row)
        registry.after("follow_up", row, new)
        return [Place(new if new["status"] == "alive" else row)]

    return plant


def _start_after_contact(registry: Registry, rng: np.random.Generator) -> list[Place]:
    who = registry.pick(rng, lambda one: not registry.dead(one))
    row = registry.of("treatments", who)[-1]
    new = row.copy(
        drug="capecitabine",
        start_date=moved(registry.last(who)["last_contact_date"], 20),
        end_date="",
        stop_reason="",
    )
    registry.after("treatments", row, new)
    return [Place(new)]


def _treated_after_death(registry: Registry, rng: np.random.Generator) -> list[Place]:
    who = registry.pick(rng, registry.dead)
    row = registry.of("treatments", who)[-1]
    day = moved(registry.last(who)["death_date"], 20)
    new = row.copy(drug="capecitabine", start_date=day, end_date=moved(day, 30))
    registry.after("treatments", row, new)
    return [Place(new)]


def _open_end(registry: Registry, rng: np.random.Generator) -> list[Place]:
    """The T-DM1 of a patient who went on to other drugs, without an end and a reason."""

    def given(who: str) -> list[Row]:
        rows = registry.lined(who)
        return [
            r
            for r in rows
            if r["drug"].lower() in ("kadcyla", "t-dm1")
            and r["end_date"]
            and r["end_date"] < rows[-1]["start_date"]
        ]

    who = registry.pick(rng, lambda one: bool(given(one)))
    _set(given(who)[0], end_date="", stop_reason="")
    return [Place(patient=who)]


def _negative(registry: Registry, rng: np.random.Generator) -> list[Place]:
    who = registry.pick(rng)
    (person,) = registry.of("patients", who)
    _set(person, her2_ihc="1+", her2_fish="not amplified")
    return [Place(patient=who)]


def _another_spelling(registry: Registry, rng: np.random.Generator) -> list[Place]:
    row = registry.of("progressions", registry.pick(rng, lambda one: bool(registry.of("progressions", one))))[
        0
    ]
    row["patient"] = f"p-{row['patient'][1:].lstrip('0')}"
    return [Place(row)]


def _letter_o(registry: Registry, rng: np.random.Generator) -> list[Place]:
    who = registry.pick(rng, lambda one: one[2] == "0" or one[3] == "0")
    new = who[0] + who[1:].replace("0", "O")
    for rows in registry.tables.values():
        for row in rows:
            if row["patient"] == who:
                row["patient"] = new
    return [Place(patient=new)]


def _two_centres(registry: Registry, rng: np.random.Generator) -> list[Place]:
    """A patient of one centre once more in another, some fields read otherwise."""
    who, new = registry.pick(rng), f"P{int(rng.integers(2000, 9000))}"
    others = sorted(
        {row["centre"] for row in registry.tables["patients"]}
        - registry.centres
        - {registry.of("patients", who)[0]["centre"]}
    )
    for name, rows in registry.tables.items():
        mine = [row for row in rows if row["patient"] == who]
        for row in mine:
            changed = (
                {"centre": str(rng.choice(others)), "ki67_percent": "33", "pgr_percent": "7"}
                if name == "patients"
                else {}
            )
            rows.append(row.copy(patient=new, **changed))
        if name == "treatments":
            rows[-1]["end_date"] = moved(rows[-1]["start_date"], 17)  # so that it is no copied block
    return [Place(patient=new)]


def _copied_block(registry: Registry, rng: np.random.Generator) -> list[Place]:
    one = registry.pick(rng, lambda who: len(registry.lined(who)) >= 3)
    two = registry.pick(rng)
    rows = registry.tables["treatments"]
    copies = [row.copy(patient=two) for row in registry.of("treatments", one)]
    registry.tables["treatments"] = [row for row in rows if row["patient"] != two] + copies
    return [Place(patient=two)]


def _swapped(registry: Registry, rng: np.random.Generator) -> list[Place]:
    """Day and month of a start exchanged, where the start then lies after the end."""

    def exchanged(day: str) -> str:
        year, month, rest = day.split("-")
        return f"{year}-{rest}-{month}"

    def fits(row: Row) -> bool:
        start = row["start_date"]
        return bool(row["end_date"]) and int(start[8:]) <= 12 and exchanged(start) > row["end_date"]

    who = registry.pick(rng, lambda one: any(map(fits, registry.lined(one))))
    row = next(row for row in registry.lined(who) if fits(row))
    row["start_date"] = exchanged(row["start_date"])
    return [Place(row)]


def _merged_cells(registry: Registry, rng: np.random.Generator) -> list[Place]:
    """The identifier in the first row of a block only, as a sheet with merged cells exports it."""
    rows = registry.of("treatments", registry.pick(rng))[1:]
    for row in rows:
        row["patient"] = ""
    return [Place(row) for row in rows]


def _partial(registry: Registry, rng: np.random.Generator) -> list[Place]:
    for _ in range(5):
        who = registry.pick(rng, lambda one: bool(registry.of("patients", one)[0]["surgery_date"]))
        (row,) = registry.of("patients", who)
        row["surgery_date"] = row["surgery_date"][:7]
    return [Place(field="surgery")]


def _no_endocrine(registry: Registry, _: np.random.Generator) -> list[Place]:
    drugs = (
        "tamoxifen",
        "letrozole",
        "anastrozole",
        "exemestane",
        "fulvestrant",
        "femara",
        "arimidex",
        "aromasin",
        "faslodex",
        "nolvadex",
    )
    registry.tables["treatments"] = [
        row for row in registry.tables["treatments"] if row["drug"].lower() not in drugs
    ]
    return [Place(field="er")]


def _rounded(registry: Registry, _: np.random.Generator) -> list[Place]:
    for row in registry.tables["patients"]:
        if row["pgr_percent"].isdigit() and 3 <= int(row["pgr_percent"]) <= 97:
            row["pgr_percent"] = str(5 * round(int(row["pgr_percent"]) / 5))
    return [Place(field="pgr")]


def _centre(change: Callable[[Registry, list[Row], np.random.Generator], None], about: str):
    """Change the patients of a centre."""

    def plant(registry: Registry, rng: np.random.Generator) -> list[Place]:
        name, people = registry.centre(rng)
        change(registry, people, rng)
        return [Place(centre=name, field=about)]

    return plant


def _every(column: str, change: Callable[[str, np.random.Generator], str]):
    def apply(_: Registry, people: list[Row], rng: np.random.Generator) -> None:
        for row in people:
            row[column] = change(row[column], rng) if row[column] or column == "grade" else ""

    return apply


def _working_days(registry: Registry, people: list[Row], _: np.random.Generator) -> None:
    mine = {row["patient"] for row in people}
    for row in registry.tables["treatments"]:
        if row["patient"] in mine:
            late = date.fromisoformat(row["start_date"]).weekday() - 4
            row["start_date"] = moved(row["start_date"], -max(late, 0))


def _same_day(_: Registry, people: list[Row], __: np.random.Generator) -> None:
    day = people[0]["metastatic_date"]
    for row in people[: max(6, len(people) // 3)]:
        row["metastatic_date"] = day


def _dated(when: str) -> Callable[[str, np.random.Generator], str]:
    return lambda *_: when


ANY = lambda _: True  # noqa: E731
KINDS: tuple[Kind, ...] = (
    # registry first: they change many rows, and leave the places of the others alone
    Kind("endocrine treatment never recorded", ("C335",), _no_endocrine, many=False),
    Kind("percentages rounded to fives", ("C393",), _rounded, many=False),
    Kind("dates with the month only", ("C399",), _partial, many=False),
    # cells
    Kind("a word where a number belongs", ("R201",), _cell("patients", "ki67_percent", _dated("n/k"))),
    Kind("a spreadsheet's serial number for a date", ("R201",), _cell("treatments", "start_date", _dated("41234"))),
    Kind("a date that does not exist", ("R201",), _cell("visits", "date", _dated("2015-02-30"))),
    Kind("an unknown level", ("R202",), _cell("patients", "grade", _dated("G7"))),
    Kind("a percentage over 100", ("R203",), _cell("patients", "er_percent", _dated("140"))),
    Kind("an age of 154", ("R203",), _cell("patients", "age", _dated("154"))),
    Kind("a required date left out", ("R204",), _cell("patients", "metastatic_date", _dated(""))),
    Kind("a drug left out", ("R204", "C314"), _cell("treatments", "drug", _dated(""))),
    Kind("a start left out", ("R204", "C315"), _cell("treatments", "start_date", _dated(""))),
    Kind("a centre left out", ("R204", "C345"), _cell("patients", "centre", _dated(""))),
    Kind("an unknown drug", ("C313",), _cell("treatments", "drug", _dated("trastuzumax beta"))),
    Kind("a date in the future", ("C312",), _cell("progressions", "date", _dated("2041-03-02"))),
    Kind("a date of another century", ("C366",), _cell("progressions", "date", lambda day, _: f"1014{day[4:].replace('02-29', '02-28')}")),
    Kind("the zero of a spreadsheet for a date", ("C367",), _cell("patients", "diagnosis_date", _dated("1900-01-01"))),
    Kind("the zero of a computer for a date", ("C367",), _cell("visits", "date", _dated("1970-01-01"))),
    # rows
    Kind("a treatment that stops before it starts", ("C303",), _stop(lambda row: _set(row, end_date=moved(row["start_date"], -9)), fits=ANY)),
    Kind("day and month exchanged", ("C368",), _swapped),
    Kind("metastases before the diagnosis", ("C307",), _person(lambda row: _set(row, diagnosis_date=moved(row["metastatic_date"], 40)))),
    Kind("a birth after the diagnosis", ("C322",), _person(lambda row: _set(row, birth_date=moved(row["diagnosis_date"], 900)))),
    Kind("an age that the birth does not give", ("C325",), _person(lambda row: _set(row, age=str(int(row["age"]) + (9 if int(row["age"]) < 70 else -9))))),
    Kind("metastatic from the start, dated years later", ("C330",), _person(lambda row: _set(row, diagnosis_date=moved(row["metastatic_date"], -900)), lambda row: row["de_novo"] == "yes")),
    Kind("not metastatic at diagnosis, dated as such", ("C331",), _person(lambda row: _set(row, de_novo="no"), lambda row: row["de_novo"] == "yes" and moved(row["diagnosis_date"], 30) > row["metastatic_date"])),
    Kind("adjuvant treatment of metastatic disease", ("C332",), _person(lambda row: _set(row, neoadjuvant_or_adjuvant_treatment="yes"), lambda row: row["de_novo"] == "yes")),
    Kind("bone only, and visceral", ("C333",), _person(lambda row: _set(row, bone_only="yes"), lambda row: row["visceral"] == "yes")),
    Kind("bone only, at three sites", ("C334",), _person(lambda row: _set(row, metastatic_sites="3"), lambda row: row["bone_only"] == "yes")),
    Kind("HER2 score and gene that disagree", ("C337",), _person(lambda row: _set(row, her2_ihc="0", her2_fish="amplified"))),
    Kind("HER2 2+ without in situ hybridisation", ("C338",), _person(lambda row: _set(row, her2_ihc="2+", her2_fish="not done"))),
    Kind("ER negative, PgR positive", ("C339",), _person(lambda row: _set(row, er_percent="0", pgr_percent="80"))),
    Kind("grade 1 with a high Ki-67", ("C340",), _person(lambda row: _set(row, grade="G1", ki67_percent="85"))),
    Kind("a treatment of over ten years", ("C350",), _stop(lambda row: _set(row, start_date=f"{int(row['end_date'][:4]) - 11}{row['start_date'][4:].replace('02-29', '02-28')}"), fits=ANY)),
    Kind("ongoing, with an end", ("C355",), _stop(lambda row: _set(row, stop_reason="ongoing"), fits=ANY)),
    Kind("stopped, without an end", ("C356",), _stop(lambda row: _set(row, end_date=""), fits=lambda row: row["stop_reason"] not in ("", "ongoing"))),
    Kind("an end without a reason", ("C357",), _stop(lambda row: _set(row, stop_reason=""), fits=ANY)),
    Kind("a drug before it existed", ("C360",), _cell("treatments", "start_date", lambda day, _: f"1998{day[4:].replace('02-29', '02-28')}", lambda row: row["drug"].lower() in ("kadcyla", "t-dm1", "pertuzumab", "perjeta"))),
    # patients
    Kind("a patient twice", ("C301",), _duplicate_patient),
    Kind("a row of nobody", ("C302",), _orphan),
    Kind("merged cells: no identifier", ("R204",), _merged_cells),
    Kind("no treatment", ("C317",), _untreated),
    Kind("a whole row twice", ("C389",), _extra_treatment(lambda row: (row["start_date"], row["end_date"]), same=True)),
    Kind("the same drug twice on a day", ("C362",), _extra_treatment(lambda row: (row["start_date"], moved(row["end_date"], -1)))),
    Kind("a drug that overlaps with itself", ("C363",), _extra_treatment(lambda row: (moved(row["start_date"], 20), row["end_date"]))),
    Kind("adjuvant treatment: before the index date", ("C316",), _extra_treatment(lambda row: ("2001-03-01", "2001-08-01"), drug="docetaxel")),
    Kind("a line that goes on into the next", ("C318",), _open_end),
    Kind("death before the diagnosis", ("C306",), _end(lambda registry, who, row: _set(row, death_date=moved(registry.of("patients", who)[0]["diagnosis_date"], -200)), dead=True)),
    Kind("last contact after death", ("C309",), _end(lambda registry, who, row: _set(row, last_contact_date=moved(row["death_date"], 30)), dead=True)),
    Kind("dead without a day of death", ("C310",), _end(lambda registry, who, row: _set(row, death_date=""), dead=True)),
    Kind("a day of death of the living", ("C311",), _end(lambda registry, who, row: _set(row, death_date=row["last_contact_date"]), dead=False)),
    Kind("alive after death", ("C376",), _contact(lambda row: row.copy(last_contact_date=moved(row["death_date"], 60), status="alive", death_date=""))),
    Kind("two days of death", ("C377",), _contact(lambda row: row.copy(death_date=moved(row["death_date"], 8)))),
    Kind("a treatment that starts after death", ("C304",), _treated_after_death),
    Kind("a treatment that starts after the last contact", ("C352",), _start_after_contact),
    Kind("a progression after death", ("C369",), _after("progressions", 30, dead=True)),
    Kind("a visit after the last contact", ("C370",), _after("visits", 30, dead=False)),
    Kind("a progression before the index date", ("C308",), _cell("progressions", "date", lambda day, _: f"1999{day[4:].replace('02-29', '02-28')}")),
    Kind("two progressions within four weeks", ("C373",), _again(11)),
    Kind("one progression twice on a day", ("C374",), _again(0, site="elsewhere", method="other")),
    Kind("anti-HER2 treatment of HER2-negative disease", ("C336",), _negative),
    # identifiers and copies
    Kind("an identifier in another spelling", ("C383",), _another_spelling),
    Kind("the letter O for a nought", ("C384",), _letter_o),
    Kind("one patient in two centres", ("C386",), _two_centres),
    Kind("a copied block of treatments", ("C388",), _copied_block),
)  # fmt: skip
CENTRE_KINDS: tuple[Kind, ...] = (
    Kind("a centre that dates diagnoses on the first", ("C391",), _centre(_every("diagnosis_date", lambda day, _: f"{day[:8]}01"), "diagnosis")),
    Kind("a centre that dates diagnoses on 1 January", ("C392",), _centre(_every("diagnosis_date", lambda day, _: f"{day[:5]}01-01"), "diagnosis")),
    Kind("a centre with one grade only", ("C390",), _centre(_every("grade", _dated("G1")), "grade")),
    Kind("a centre that leaves Ki-67 out", ("C394",), _centre(_every("ki67_percent", _dated("")), "ki67")),
    Kind("a centre that dates the diagnosis a year early", ("C395",), _centre(_every("diagnosis_date", lambda day, _: moved(day, -365)), "surgery")),
    Kind("a centre that never starts at the weekend", ("C396",), _centre(_working_days, "start")),
    Kind("a centre with one day for a third of its patients", ("C397",), _centre(_same_day, "metastatic")),
    Kind("a centre that writes fractions for per cent", ("C398",), _centre(_every("ki67_percent", lambda text, _: str(int(text) / 100) if text else ""), "ki67")),
)  # fmt: skip
