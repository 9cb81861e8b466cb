"""The titled cases of `endpoints.txt`: one invented life each, an endpoint, and the time that must come out."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from sequela.clinic.cohort import People
from sequela.study.model import Endpoint
from sequela.study.named_endpoints import expand

FILE = Path(__file__).with_name("endpoints.txt")
COURSE = {"progression", "response", "assessment"}
ANCHORS = ("surgery", "metastatic", "response", "progression", "assessment", "death", "last_contact")
WORDS = {"seen": "last_contact", "visit": "assessment"}
CUT = "1972-09-27"  # day 1000


@dataclass
class Case:
    title: str
    endpoint: str
    expected: str
    lines: list[tuple[int, int | None, str | None]] = field(default_factory=list)
    days: dict[str, list[int]] = field(default_factory=dict)


def cases() -> list[Case]:
    return [_case(block) for block in FILE.read_text("utf-8").split("== ")[1:]]


def _case(block: str) -> Case:
    title, endpoint, _, *rows = (line.strip() for line in block.splitlines() if line.strip())
    case = Case(title, endpoint, rows.pop().removeprefix("=> "))
    for row in rows:
        word, _, rest = row.partition(" ")
        if word == "line":
            start, end, reason = re.fullmatch(r"(\d+)\.\.(\d*) ?(\w*)", rest).groups()
            case.lines.append((int(start), int(end) if end else None, reason or None))
        else:
            case.days.setdefault(WORDS.get(word, word), []).append(int(rest))
    return case


def endpoint(case: Case) -> Endpoint:
    """The endpoint written out by the reader, from the study file's own words."""
    anchors = {name: {} for name in ANCHORS if name != "assessment" or "assessment" in case.days}
    document = {
        "study": {"time": "dates", "data_cut": CUT},
        "lines": {"index": "metastatic"},
        "anchors": anchors,
        "endpoints": {"e": tomllib.loads(f"e = {{ {case.endpoint} }}")["e"]},
    }
    written, faults = expand(document)
    assert not faults
    return Endpoint.model_validate(written["endpoints"]["e"])


def life(case: Case) -> tuple[People, dict[str, pl.DataFrame]]:
    """The patient as the cohort holds them, and the dated moments of the course."""
    row: dict[str, object] = {"patient": "p", "lines": len(case.lines)}
    for name in ANCHORS:
        days = case.days.get(name)
        row[f"@{name}"] = (min(days) if name in COURSE else max(days)) if days else None
    for i, (start, end, reason) in enumerate(case.lines, 1):
        row |= {f"start[{i}]": start, f"end[{i}]": end, f"stopped[{i}]": reason, f"agents[{i}]": 0}
    text = {name for name in row if name.startswith("stopped")} | {"patient"}
    frame = pl.DataFrame([row], schema={name: pl.String if name in text else pl.Int32 for name in row})
    moments = {
        name: pl.DataFrame(
            {"patient": ["p"] * len(case.days.get(name, [])), "day": case.days.get(name, [])},
            schema={"patient": pl.String, "day": pl.Int32},
        )
        for name in COURSE
    }
    return People(frame, (), {}, len(case.lines)), moments
