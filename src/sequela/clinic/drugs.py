"""Names of drugs: free text to whole concepts of the dictionary, or to nothing.

A text is compared as a whole, without case, accents, spaces, hyphens and other signs; never by its first
word or by a prefix, for “trastuzumab emtansine” is not trastuzumab. The rules:

    name, synonym, brand, misspelling
                   the whole text is one spelling that the dictionary lists
    blinded        a known drug “or”, “vs” or “/” placebo: which of the two was given is not known
    stripped       known once the words that do not change the drug are taken out (salt, route, form,
                   schedule, dose, cycle); or a name beside itself in parentheses: Avastin (bevacizumab)
    combination    one name for several agents (Phesgo, FEC), or parts joined by + , ; & / “and” “plus”
                   “with”, each of them known

A text with any unknown part matches nothing: the caller quarantines and lists it with `Dictionary.suggest`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
import unicodedata
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl

from sequela.core.errors import DataError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

Spelling = Literal["name", "synonym", "brand", "misspelling"]
Rule = Literal["name", "synonym", "brand", "misspelling", "combination", "stripped", "blinded"]

BLINDED: Final = "blinded_trial_drug"
_LISTS: Final[dict[str, Spelling]] = {"synonyms": "synonym", "brands": "brand", "misspellings": "misspelling"}
_KEYS: Final = frozenset({"name", "classes", "atc", "approved", *_LISTS})

_JOINTS: Final = re.compile(r"[+,;&\n]|\b(?:and|plus|with|e|et|und|y|con|mit|avec)\b", re.IGNORECASE)
_PARENTHESIS: Final = re.compile(r"^([^()]*)\(([^()]*)\)([^()]*)$")
_PLACEBO: Final = re.compile(
    r"^(?P<before>.+?)(?:\s*/\s*|\s+(?=or\b|vs\b|versus\b))(?:(?:or|versus|vs\.?)\s*/?\s*)?placebo$"
    r"|^placebo(?:\s*/\s*|\s+(?:or|versus|vs\.?)\s+)(?P<after>.+)$",
    re.IGNORECASE,
)
_AMOUNTS: Final = re.compile(
    r"(?<![\w.])(?:"
    r"auc\s*=?\s*\d+(?:\.\d+)?"
    r"|\d+(?:[.,]\d+)?\s*(?:mg|mcg|µg|μg|g|ml|iu|units?)(?:\s*/\s*(?:m2|m²|m\^2|kg|day|d|dose|week|wk))?"
    r"|\#\s*\d+(?:\s*-\s*\d+)?"
    r"|\d+(?:st|nd|rd|th)"
    r"|(?:cycles?|courses?|days?)\s*\d+(?:\s*[-,]\s*\d+)*"
    r"|[x×]\s*\d+"
    r"|q\s*\d+\s*(?:w|wk|weeks?|d|days?)"
    r")(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Match:
    """The agents behind a text, and the rule that found them."""

    agents: tuple[str, ...]
    rule: Rule


@dataclass(frozen=True, slots=True)
class Drug:
    """One agent; `spellings` are pairs of a text and what it is, `approved` the year of the first approval."""

    id: str
    name: str
    spellings: tuple[tuple[str, Spelling], ...]
    classes: tuple[str, ...]
    atc: str | None
    approved: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Dictionary:
    """Agents by id, every listed spelling by its key, and the words that may be taken out of a text.

    Attributes:
        drugs: agents by id.
        spellings: key of a spelling (see `key`) to its match.
        strip: keys of the words that do not change which drug it is.
    """

    name: str
    version: str
    sha256: str
    drugs: Mapping[str, Drug]
    spellings: Mapping[str, Match]
    strip: frozenset[str]

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
        return self._whole(text) or self._blinded(text) or self._stripped(text) or self._joined(text)

    def normalise(self, texts: pl.Series) -> pl.DataFrame:
        """Every distinct spelling of a column, the most frequent first.

        Returns:
            `text`, `rows` (how often), `agents` (list of ids; null when unknown), `rule` (null when unknown).
        """
        counts = texts.rename("text").drop_nulls().value_counts(name="rows")
        found = [self.match(text) for text in counts["text"]]
        agents = pl.Series("agents", [list(m.agents) if m else None for m in found], dtype=pl.List(pl.String))
        rule = pl.Series("rule", [m.rule if m else None for m in found], dtype=pl.String)
        return counts.with_columns(agents, rule).sort("rows", "text", descending=[True, False])

    def suggest(self, text: str, n: int = 3) -> list[str]:
        """Known agents with a spelling near `text`, nearest first: for a person to choose from."""
        near = [self.spellings[found] for found in get_close_matches(key(text), self.spellings, n, 0.75)]
        return list(dict.fromkeys(self.label(agent) for match in near for agent in match.agents))

    def _whole(self, text: str) -> Match | None:
        return self.spellings.get(key(text))

    def _one(self, text: str) -> Match | None:
        return self._whole(text) or self._stripped(text)

    def _blinded(self, text: str) -> Match | None:
        found = _PLACEBO.match(text.strip())
        known = found and self._part(found["before"] or found["after"])
        return Match((BLINDED,), "blinded") if known and BLINDED in self.drugs else None

    def _stripped(self, text: str) -> Match | None:
        bare = " ".join(self._bare(text))
        if key(bare) != key(text) and (match := self._whole(bare)):
            return Match(match.agents, "stripped")
        return self._twice(text)

    def _bare(self, text: str) -> list[str]:
        """The words of a text that say which drug it is."""
        words = _AMOUNTS.sub(" ", text.replace("(", " ").replace(")", " ")).split()
        return [word for word in words if key(word) not in self.strip]

    def _twice(self, text: str) -> Match | None:
        """`Avastin (bevacizumab)`: outside and inside the parentheses stands the same drug."""
        found = _PARENTHESIS.match(text)
        if found is None:
            return None
        outer, inner = self._one(f"{found[1]} {found[3]}"), self._one(found[2])
        return Match(outer.agents, "stripped") if outer and inner and outer.agents == inner.agents else None

    def _joined(self, text: str) -> Match | None:
        """Every part is known, or nothing is."""
        bare = _AMOUNTS.sub(" ", text)
        return self._all(_JOINTS.split(bare), self._part) or self._all(bare.split("/"), self._one)

    def _part(self, text: str) -> Match | None:
        return self._one(text) or self._blinded(text) or self._all(text.split("/"), self._one)

    def _all(self, parts: list[str], resolve: Callable[[str], Match | None]) -> Match | None:
        said = [part for part in parts if part.strip()]
        found = [resolve(part) for part in said] if len(parts) > 1 else []
        agents = tuple(dict.fromkeys(agent for match in found if match for agent in match.agents))
        return Match(agents, "combination") if found and all(found) else None


def key(text: str) -> str:
    """A spelling without case, accents, spaces, hyphens and signs: letters and digits only."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in plain if sign.isalnum())


def read_dictionary(path: Path | None = None) -> Dictionary:
    """The dictionary that comes with Sequela, or the one in a file of the same layout.

    Raises:
        DataError: D401 the file is no dictionary; D402 one spelling means two things; D403 a combination
            names an agent that the dictionary does not have.
    """
    where = Where(str(path or "drugs.toml"))
    try:
        data = path.read_bytes() if path else (files("sequela") / "data" / "drugs.toml").read_bytes()
        document: dict[str, Any] = tomllib.loads(data.decode())
        drugs = {agent: _drug(agent, entry) for agent, entry in document["drugs"].items()}
        strip = frozenset(key(word) for words in document.get("strip", {}).values() for word in words)
        name, version = str(document["name"]), str(document["version"])
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise DataError(_unreadable(fault, where)) from None
    combinations = [_combination(entry, drugs, where) for entry in document.get("combinations", ())]
    own = ((text, Match((drug.id,), rule)) for drug in drugs.values() for text, rule in drug.spellings)
    joint = ((text, match) for texts, match in combinations for text in texts)
    spellings = _spellings([*own, *joint], where)
    return Dictionary(name, version, hashlib.sha256(data).hexdigest(), drugs, spellings, strip)


def _unreadable(fault: Exception, where: Where) -> Finding:
    return Finding(
        "D401", "error", "the drug dictionary cannot be read", where,
        found=f"no `{fault.args[0]}`" if isinstance(fault, KeyError) else str(fault),
        allowed="name, version, and [drugs.ID] tables with name and classes",
        remedy="compare it with the dictionary of the package",
    )  # fmt: skip


def _drug(agent: str, entry: Mapping[str, Any]) -> Drug:
    unknown = set(entry) - _KEYS
    if unknown:
        raise ValueError(f"[drugs.{agent}] has the unknown key `{min(unknown)}`")
    names: list[tuple[str, Spelling]] = [(entry["name"], "name"), (agent.replace("_", " "), "name")]
    for part, kind in _LISTS.items():
        names.extend((text, kind) for text in entry.get(part, ()))
    return Drug(
        agent, entry["name"], tuple(names), tuple(entry["classes"]), entry.get("atc"), entry.get("approved")
    )


def _combination(
    entry: Mapping[str, Any], drugs: Mapping[str, Drug], where: Where
) -> tuple[list[str], Match]:
    unknown = [agent for agent in entry["agents"] if agent not in drugs]
    if unknown:
        near = ", ".join(get_close_matches(unknown[0], drugs, 3)) or "an id under [drugs]"
        message = f"combination {entry['name']!r} names an unknown agent"
        remedy = "add the agent, or mend its id"
        raise DataError(Finding("D403", "error", message, where, unknown[0], near, remedy))
    return [entry["name"], *entry.get("spellings", ())], Match(tuple(entry["agents"]), "combination")


def _spellings(pairs: Iterable[tuple[str, Match]], where: Where) -> dict[str, Match]:
    known: dict[str, Match] = {}
    for text, match in pairs:
        other = known.setdefault(key(text), match)
        if other.agents != match.agents:
            both = " and ".join("+".join(agents) for agents in (other.agents, match.agents))
            message = f"the spelling {text!r} means two things"
            remedy = "take one of the two out"
            raise DataError(Finding("D402", "error", message, where, both, "one meaning a spelling", remedy))
    return known
