"""Reads `drugs.txt`: the cases are the tests, and the examples of the documentation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "drugs.txt"


@dataclass(frozen=True)
class Case:
    title: str
    text: str
    agents: frozenset[str] | None


def cases() -> list[Case]:
    found = []
    for block in FILE.read_text("utf-8").split("== ")[1:]:
        title, *lines = block.splitlines()
        for line in lines:
            if "=>" in line:
                text, agents = (part.strip() for part in line.rsplit("=>", 1))
                found.append(Case(title, text, None if agents == "?" else frozenset(agents.split(" + "))))
    return found
