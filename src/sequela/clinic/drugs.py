"""Names of drugs: free text to whole concepts of the dictionary, or to nothing.

A text is compared as a whole, without case, accents of spacing and hyphens; never by its first word or by a prefix, for
“trastuzumab emtansine” is not trastuzumab. The rules, in order:

    name, synonym, brand   the whole text is one known name
    combination            a fixed combination, or parts joined by + / , & ; “and” “plus” “with”, all of them known
    stripped               the same after salts, routes, forms and doses are taken off the end or out of parentheses

A text with any unknown part matches nothing: the caller quarantines and lists it.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal

from sequela.core.errors import StudyError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from pathlib import Path

Rule = Literal["name", "synonym", "brand", "combination", "stripped"]

_JOINTS: Final = re.compile(r"\s*(?:\+|/|,|;|&|\band\b|\bplus\b|\bwith\b)\s*", re.IGNORECASE)
_EXTRAS: Final = re.compile(
    r"\s+(?:hydrochloride|hcl|hci|citrate|mesylate|sodium|acetate|iv|i\.v\.|sc|s\.c\.|po|oral|ip|weekly|biweekly|monthly|injection|tablets?|capsules?"
    r"|auc\s*\d+(?:\.\d+)?|\d+(?:\.\d+)?\s*(?:mg|g|mcg|µg|ml|iu|units?)(?:/(?:m2|m²|kg|day|d|week))?)$",
    re.IGNORECASE,
)
_PARENTHESIS: Final = re.compile(r"^(?P<name>[^()]+)\((?P<inside>[^()]+)\)$")


@dataclass(frozen=True, slots=True)
class Match:
    """The agents behind a text, and the rule that found them."""

    agents: tuple[str, ...]
    rule: Rule


@dataclass(frozen=True, slots=True)
class Drug:
    """One agent of the dictionary."""

    id: str
    name: str
    synonyms: tuple[str, ...]
    brands: tuple[str, ...]
    classes: tuple[str, ...]
    atc: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Dictionary:
    """Agents by id, and every known spelling by its key."""

    name: str
    version: str
    sha256: str
    drugs: Mapping[str, Drug]
    spellings: Mapping[str, Match]

    @property
    def agents(self) -> tuple[str, ...]:
        """The ids of all agents."""
        return tuple(self.drugs)

    def classes(self, agent: str) -> frozenset[str]:
        """The classes of an agent."""
        return frozenset(self.drugs[agent].classes)

    def label(self, agent: str) -> str:
        """The name of an agent as printed."""
        return self.drugs[agent].name

    def match(self, text: str) -> Match | None:
        """The agents of a text, or None when any part of it is unknown."""
        return self._whole(text) or self._joined(text) or self._stripped(text)

    def suggest(self, text: str, n: int = 3) -> list[str]:
        """Known agents whose spelling is near `text`, nearest first: for a person to choose from, never used by itself."""
        near = get_close_matches(key(text), self.spellings, n, 0.75)
        return list(dict.fromkeys(self.label(agent) for spelling in near for agent in self.spellings[spelling].agents))

    def _whole(self, text: str) -> Match | None:
        return self.spellings.get(key(text))

    def _joined(self, text: str) -> Match | None:
        parts = [part for part in _JOINTS.split(text) if part.strip()]
        if len(parts) < 2:
            return None
        found = [self._whole(part) or self._stripped(part) for part in parts]
        agents = [agent for match in found if match for agent in match.agents]
        return Match(tuple(dict.fromkeys(agents)), "combination") if all(found) else None

    def _stripped(self, text: str) -> Match | None:
        bare = text.strip()
        if parenthesis := _PARENTHESIS.match(bare):
            return self._parenthesised(parenthesis["name"], parenthesis["inside"])
        while (shorter := _EXTRAS.sub("", bare)) != bare:
            bare = shorter
            if match := self._whole(bare):
                return Match(match.agents, "stripped")
        return None

    def _parenthesised(self, name: str, inside: str) -> Match | None:
        """`Avastin (bevacizumab)`, `megace (oral)`: what is inside says the same, or is no drug word."""
        outer, inner = self._whole(name), self._whole(inside)
        if outer and (inner is None or inner.agents == outer.agents) and (inner or _EXTRAS.fullmatch(f" {inside}")):
            return Match(outer.agents, "stripped")
        return None


def key(text: str) -> str:
    """A spelling without case, spaces and hyphens."""
    return re.sub(r"[\s\-\u2010-\u2015]+", "", text.casefold())


def read_dictionary(path: Path | None = None) -> Dictionary:
    """The dictionary that comes with Sequela, or the one in a file of the same layout.

    Raises:
        StudyError: the file is no dictionary, one spelling means two things, or a combination names an unknown agent.
    """
    text = (files("sequela") / "data" / "drugs.toml").read_text("utf-8") if path is None else path.read_text("utf-8")
    where = str(path or "drugs.toml")
    try:
        document: dict[str, Any] = tomllib.loads(text)
        drugs = {agent: _drug(agent, entry) for agent, entry in document["drugs"].items()}
        name, version = document["name"], document["version"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as fault:
        raise StudyError(Finding("S123", "error", "the drug dictionary cannot be read", Where(where), found=str(fault), remedy="compare it with the shipped one")) from None
    spellings: dict[str, Match] = {}
    for drug in drugs.values():
        words: list[tuple[str, Rule]] = [(drug.name, "name"), (drug.id.replace("_", " "), "name"), *((s, "synonym") for s in drug.synonyms), *((b, "brand") for b in drug.brands)]
        for word, rule in words:
            _add(spellings, word, Match((drug.id,), rule), where)
    for entry in document.get("combinations", ()):
        unknown = [agent for agent in entry["agents"] if agent not in drugs]
        if unknown:
            raise StudyError(Finding("S123", "error", f"combination {entry['name']!r} names an unknown agent", Where(where), found=", ".join(unknown), remedy="add the agent, or mend its id"))
        for word in (entry["name"], *entry.get("synonyms", ()), *entry.get("brands", ())):
            _add(spellings, word, Match(tuple(entry["agents"]), "combination"), where)
    return Dictionary(name, version, hashlib.sha256(text.encode()).hexdigest(), drugs, spellings)


def _drug(agent: str, entry: dict[str, Any]) -> Drug:
    return Drug(agent, entry["name"], tuple(entry.get("synonyms", ())), tuple(entry.get("brands", ())), tuple(entry["classes"]), entry.get("atc"))


def _add(spellings: dict[str, Match], word: str, match: Match, where: str) -> None:
    known = spellings.get(key(word))
    if known is not None and known.agents != match.agents:
        raise StudyError(Finding("S123", "error", f"the spelling {word!r} means two things", Where(where), found=f"{known.agents} and {match.agents}", remedy="take one of the two out"))
    spellings.setdefault(key(word), match)
