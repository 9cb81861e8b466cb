"""Registries corrupted at random: does `sequela check` name every planted fault, and lose no row?

    python -m bench.corrupted [--seeds 25] [--clean 60] [--out docs/corrupted.md]

Each seed draws an invented cohort of the SePHER shape, plants every kind of fault at random places of its CSV files (one to
three places for each, patients and centres never shared), writes them, walks the study as `sequela check` does and looks
for a finding of an expected code at the planted place. Then each kind of broken file is written once more by itself. The
same cohorts without a fault tell how often the statistical rules speak for nothing.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from bench.faults_of_files import FILE_FAULTS, HARMLESS
from bench.faults_of_rows import CENTRE_KINDS, KINDS, Place, Registry, Row
from sequela.core.errors import DataError
from sequela.core.finding import Finding
from sequela.study.model import Study
from sequela.virtual.sepher import draw
from sequela.walk.path import Walk, walk

__all__ = ["CENTRE_KINDS", "FILE_FAULTS", "HARMLESS", "KINDS", "corrupted", "missed", "unlisted"]
TODAY = date(2026, 1, 1)
MARKS = ("<!-- bench.corrupted -->", "<!-- end -->")
STATISTICAL = ("C384", "C386", "C390", "C391", "C392", "C393", "C394", "C395", "C396", "C397", "C398")


def study_text() -> str:
    """The example study, which also reads the day of birth here, and Ki-67 as a number."""
    text = (files("sequela") / "data" / "examples" / "sepher" / "study.toml").read_text("utf-8")
    age = 'age = { type = "integer"'
    assert age in text
    text = text.replace(age, f'birth = {{ column = "birth_date", type = "date" }}\n{age}')
    return text.replace('ki67_percent = { type = "integer"', 'ki67_percent = { type = "number"')


def clean(seed: int) -> Registry:
    """The files of one cohort, as rows of text."""
    frames = draw(np.random.default_rng(seed)).frames
    tables = {
        name: [
            Row({key: "" if cell is None else str(cell) for key, cell in row.items()})
            for row in frame.iter_rows(named=True)
        ]
        for name, frame in frames.items()
    }
    return Registry(tables)


def corrupted(seed: int) -> tuple[Registry, list[Place]]:
    """A registry with every kind of fault of rows, and two of centres; and what was planted where."""
    registry, rng = clean(seed), np.random.default_rng([seed, 1])
    places: list[Place] = []
    for at in rng.choice(len(CENTRE_KINDS), 3, replace=False).tolist():
        places += [replace(one, kind=CENTRE_KINDS[at]) for one in CENTRE_KINDS[at].plant(registry, rng)]
    for kind in KINDS:
        for _ in range(int(rng.integers(1, 4)) if kind.many else 1):
            places += [replace(one, kind=kind) for one in kind.plant(registry, rng)]
    return registry, places


def write(registry: Registry, directory: Path) -> Path:
    """The study and its files; returns the study file."""
    (directory / "data").mkdir(parents=True, exist_ok=True)
    for name, text in registry.texts().items():
        (directory / "data" / f"{name}.csv").write_text(text, encoding="utf-8", newline="\n")
    path = directory / "study.toml"
    path.write_text(study_text(), encoding="utf-8")
    return path


def missed(places: list[Place], registry: Registry, findings: tuple[Finding, ...]) -> list[Place]:
    """What was planted and no finding names."""
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    lines = registry.lines()
    return [
        place
        for place in places
        if not any(place.named_by(one, lines) for code in place.kind.codes for one in by_code.get(code, ()))
    ]


def unlisted(walked: Walk, registry: Registry) -> Iterator[str]:
    """Rows that are neither used nor listed: there must be none."""
    findings = walked.findings
    named = {(Path(f.where.file).name, f.where.line) for f in findings if f.where.file and f.where.line}
    patients = {f.where.patient for f in findings if f.code in ("C316", "C329")}
    for name, table in walked.tables.items():
        rows = len(registry.tables[name])
        if table.rows_read != rows or table.rows_kept + sum(table.left_out.values()) != rows:
            yield f"{name}: {rows} rows, {table.rows_read} read, {table.rows_kept} kept, {dict(table.left_out)}"
    given = walked.registry.treatments.unique("row")
    if given.height != walked.tables["treatments"].rows_kept:
        yield f"treatments: {given.height} of {walked.tables['treatments'].rows_kept} kept rows"
    for row in given.filter(pl.col("unused").is_not_null()).iter_rows(named=True):
        if (Path(row["_file"]).name, row["_line"]) not in named and row["patient"] not in patients:
            yield f"treatments:{row['_line']} {row['patient']} {row['unused']}"


@dataclass(frozen=True)
class Outcome:
    """Of one seed: what was planted, what of it was not named, rows that were lost, broken files that were not told."""

    planted: list[Place]
    missed: list[Place]
    lost: list[str]
    files: dict[str, str]


def outcome(seed: int) -> Outcome:
    """Corrupt, check and compare."""
    registry, places = corrupted(seed)
    with TemporaryDirectory() as place:
        walked = walk(Study.read(write(registry, Path(place))), today=TODAY)
        lost = list(unlisted(walked, registry))
        found = missed(places, registry, walked.findings)
    return Outcome(places, found, lost, broken_files(seed))


def broken_files(seed: int) -> dict[str, str]:
    """Each kind of broken file by itself: what was said instead of the expected code and file; empty where it was said."""
    registry, rng = clean(seed), np.random.default_rng([seed, 2])
    said: dict[str, str] = {}
    with TemporaryDirectory() as place:
        path = write(registry, Path(place))
        study = Study.read(path)
        whole = {file: file.read_bytes() for file in (path.parent / "data").iterdir()}
        for fault in FILE_FAULTS:
            file = fault.spoil(path.parent / "data", rng)
            said[fault.name] = _refused(study, fault.codes, file)
            file.write_bytes(whole[file])
        before = walk(study, today=TODAY).findings
        for name, spoil in HARMLESS.items():
            file = spoil(path.parent / "data", rng)
            after = walk(study, today=TODAY).findings
            said[name] = "" if after == before else f"{len(after)} findings, {len(before)} before"
            file.write_bytes(whole[file])
    return said


def _refused(study: Study, codes: tuple[str, ...], file: Path) -> str:
    try:
        found = walk(study, today=TODAY).findings
    except DataError as fault:
        found = fault.findings
    told = [one for one in found if one.code in codes and Path(one.where.file or "").name == file.name]
    return "" if told else ", ".join(sorted({one.code for one in found})) or "nothing"


def alarms(seeds: int) -> tuple[Counter[str], Counter[str]]:
    """In how many clean cohorts each statistical rule speaks, and how often any rule says error or warning."""
    spoken: Counter[str] = Counter()
    grave: Counter[str] = Counter()
    for seed in range(1000, 1000 + seeds):
        with TemporaryDirectory() as place:
            found = walk(Study.read(write(clean(seed), Path(place))), today=TODAY).findings
        spoken.update({one.code for one in found if one.code in STATISTICAL})
        grave.update({f"{one.code} ({one.severity})" for one in found if one.severity != "note"})
    return spoken, grave


def table(outcomes: list[Outcome], spoken: Counter[str], grave: Counter[str], cohorts: int) -> str:
    """The part of the page between its marks."""
    planted: Counter[str] = Counter(place.kind.name for one in outcomes for place in one.planted)
    lost: Counter[str] = Counter(place.kind.name for one in outcomes for place in one.missed)
    rows = sum(len(one.lost) for one in outcomes)
    total = sum(planted.values())
    lines = [
        f"{len(outcomes)} registries, {total} faults of {len(planted)} kinds planted in their rows; "
        f"{total - sum(lost.values())} named in their place. Rows neither used nor listed: {rows}.",
        "", "| fault in the rows | planted | named | by |", "|---|---|---|---|",
    ]  # fmt: skip
    for kind in (*KINDS, *CENTRE_KINDS):
        n = planted[kind.name]
        codes = ", ".join(f"`{code}`" for code in kind.codes)
        lines.append(f"| {kind.name} | {n} | {n - lost[kind.name]} | {codes} |")
    lines += ["", "| broken file | written | told | by |", "|---|---|---|---|"]
    for fault in FILE_FAULTS:
        told = sum(not one.files[fault.name] for one in outcomes)
        lines.append(
            f"| {fault.name} | {len(outcomes)} | {told} | {', '.join(f'`{code}`' for code in fault.codes)} |"
        )
    for name in HARMLESS:
        told = sum(not one.files[name] for one in outcomes)
        lines.append(f"| {name} | {len(outcomes)} | {told} | read as it is: the same findings as before |")
    lines += [
        "",
        f"Of {cohorts} cohorts without a planted fault, so many have a finding of a rule that asks whether chance would do it:",
        "",
        "| rule | cohorts |",
        "|---|---|",
    ]
    lines += [f"| `{code}` | {spoken[code]} |" for code in STATISTICAL]
    lines += [
        "",
        "Errors and warnings in the same cohorts: "
        + (", ".join(f"{key} in {n}" for key, n in sorted(grave.items())) or "none")
        + ".",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=25)
    parser.add_argument("--clean", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("docs/corrupted.md"))
    asked = parser.parse_args()
    outcomes = [outcome(seed) for seed in range(asked.seeds)]
    for seed, one in enumerate(outcomes):
        for place in one.missed:
            print("missed", seed, place.kind.name, place.words())
        for words in (*one.lost, *(f"{name}: {said}" for name, said in one.files.items() if said)):
            print("lost", seed, words)
    made = table(outcomes, *alarms(asked.clean), asked.clean)
    before, rest = asked.out.read_text("utf-8").split(MARKS[0])
    asked.out.write_text(f"{before}{MARKS[0]}\n{made}\n{MARKS[1]}{rest.split(MARKS[1])[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
