"""Reads `lines.txt`: the cases are the tests, and the rule book of the documentation."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from sequela.clinic.rules import RuleSet, read_rules
from tests.agree.line_twin import Course

FILE = Path(__file__).parent / "lines.txt"
_OTHER = re.compile(r"(progression|by hand) ")
_SPAN = re.compile(r"^(-?\d+)\.\.(-?\d+)?$")


@dataclass(frozen=True)
class Case:
    title: str
    rules: str
    sentence: str
    given: tuple[tuple[str, int, int | None, str | None], ...]
    expected: tuple[
        tuple[int, int, int | None, frozenset[str], str, frozenset[str], int | None, int | None], ...
    ]
    course: Course

    def rule_set(self) -> RuleSet:
        """The shipped rule set, with the keys that the case changes: `her2-abc | progression.mode = "or"`."""
        name, _, changes = self.rules.partition(" | ")
        found = read_rules(name)
        for key, value in _flat(tomllib.loads(changes.replace(" ; ", "\n"))):
            part = getattr(found, key[0])
            changed = type(part).model_validate({**part.model_dump(), key[1]: value})
            found = found.model_copy(update={key[0]: changed})
        return found


def _flat(document):
    return [((part, key), value) for part, keys in document.items() for key, value in keys.items()]


def _span(text: str) -> tuple[int, int | None]:
    match = _SPAN.match(text)
    assert match, text
    return int(match[1]), int(match[2]) if match[2] else None


def cases() -> list[Case]:
    found = []
    for block in FILE.read_text("utf-8").split("== ")[1:]:
        title, rules, sentence, *rest = (line for line in block.splitlines() if line.strip())
        rows = [line.strip() for line in rest if not line.startswith("=>")]
        given = tuple(
            (agent, *_span(span), why[0] if why else None)
            for agent, span, *why in (r.split() for r in rows if not _OTHER.match(r))
        )
        progressions = tuple(int(row.split()[1]) for row in rows if row.startswith("progression "))
        decisions = {int(row.split()[2]): row.split(None, 3)[3] for row in rows if row.startswith("by hand ")}
        found.append(
            Case(
                title,
                rules.strip(),
                sentence,
                given,
                tuple(_expected(line) for line in rest if line.startswith("=>")),
                Course(progressions, decisions),
            )
        )
    return found


def _expected(
    line: str,
) -> tuple[int, int, int | None, frozenset[str], str, frozenset[str], int | None, int | None]:
    number, span, drugs, rule, *more = re.split(r"\s{2,}", line.removeprefix("=> ").strip())
    words = dict(part.split(" ", 1) for part in more)
    companions = frozenset(words["with"].split(" + ")) if "with" in words else frozenset()
    maintenance = int(words["maintenance"]) if "maintenance" in words else None
    beyond = int(words["beyond"]) if "beyond" in words else None
    return (int(number), *_span(span), frozenset(drugs.split(" + ")), rule, companions, maintenance, beyond)
