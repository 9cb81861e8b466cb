"""Reads `lines.txt`: the cases are the tests, and the rule book of the documentation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "lines.txt"
_SPAN = re.compile(r"^(-?\d+)\.\.(-?\d+)?$")


@dataclass(frozen=True)
class Case:
    title: str
    rules: str
    sentence: str
    given: tuple[tuple[str, int, int | None], ...]
    expected: tuple[tuple[int, int, int | None, frozenset[str], str, frozenset[str], int | None], ...]


def _span(text: str) -> tuple[int, int | None]:
    match = _SPAN.match(text)
    assert match, text
    return int(match[1]), int(match[2]) if match[2] else None


def cases() -> list[Case]:
    found = []
    for block in FILE.read_text("utf-8").split("== ")[1:]:
        title, rules, sentence, *rest = (line for line in block.splitlines() if line.strip())
        given = tuple(
            (agent, *_span(span))
            for agent, span in (line.split() for line in rest if not line.startswith("=>"))
        )
        found.append(
            Case(
                title,
                rules.strip(),
                sentence,
                given,
                tuple(_expected(line) for line in rest if line.startswith("=>")),
            )
        )
    return found


def _expected(line: str) -> tuple[int, int, int | None, frozenset[str], str, frozenset[str], int | None]:
    number, span, drugs, rule, *more = re.split(r"\s{2,}", line.removeprefix("=> ").strip())
    words = dict(part.split(" ", 1) for part in more)
    companions = frozenset(words["with"].split(" + ")) if "with" in words else frozenset()
    maintenance = int(words["maintenance"]) if "maintenance" in words else None
    return (int(number), *_span(span), frozenset(drugs.split(" + ")), rule, companions, maintenance)
