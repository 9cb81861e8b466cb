"""Named endpoints: what OS, PFS, TTF and the like are by default, and the seven ways to count progression.

A kind gives every key that the study file leaves out. Event sources are named (`progression`, `toxicity`); the study
file may declare its own under `[events.NAME]`, also in place of a built-in one. Here they are text, written out before
the study file is checked, so that a default is read, located and proved like anything that a user writes.

Sources: EMA, Guideline on the evaluation of anticancer medicinal products (PFS2 is progression on the next line, or
death); FDA, Clinical trial endpoints for the approval of cancer drugs (censoring at the last assessment, two missed
visits); Bon et al., J Exp Clin Cancer Res 2020;39:279 (the composite: progression, interruption for toxicity, death).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, get_args

from sequela.core.finding import Finding
from sequela.study.model import Endpoint, EndpointKind, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sequela.study.model import Study
    from sequela.study.positions import Path

LOST_DAYS: Final = 183  # last seen so long before the data cut is lost to follow-up
LAST_SEEN: Final = "last_seen"  # the last visit where visits are recorded, else the last contact


@dataclass(frozen=True, slots=True)
class Kind:
    """The default of a named endpoint; `{n}` is its line, `{next}` the following one, `{death}` and so on anchors."""

    label: str
    origin: str
    events: tuple[str, ...]
    variable: str
    censor: tuple[str, ...] = ("last_contact",)
    of_line: bool = True
    origin_after: str | None = None
    origin_until: str | None = None
    intercurrent: tuple[tuple[str, str], ...] = ()


START: Final = "line[{n}].start"
NEXT: Final = "line[{next}].start"
POLICY: Final = ("start of the next line", "treatment policy")

KINDS: Final[dict[str, Kind]] = {
    "os": Kind(
        "Overall survival", START, ("death",), "time to death from any cause", intercurrent=(POLICY,)
    ),
    "pfs": Kind(
        "Progression-free survival, line {n}", START, ("progression", "death"),
        "time to progression or death", (LAST_SEEN,),
        intercurrent=(("stop for toxicity", "treatment policy"), POLICY),
    ),
    "pfs_composite": Kind(
        "Progression-free survival, line {n}", START, ("progression", "toxicity", "death"),
        "time to progression, stop for toxicity or death",
        intercurrent=(("toxicity", "composite"), POLICY),
    ),
    "pfs2_ema": Kind(
        "PFS2 from the start of line {n} (EMA)", START, ("progression_on_next_line", "death"),
        "time to progression on the next line, or death",
        intercurrent=(("start of the next line", "treatment policy"),),
    ),
    "ttf": Kind(
        "Time to treatment failure, line {n}", START, ("progression", "stop", "death"),
        "time to progression, end of treatment for any reason or death",
        intercurrent=(("stop", "composite"),),
    ),
    "ttd": Kind(
        "Time to treatment discontinuation, line {n}", START, ("stop", "death"),
        "time to the end of treatment for any reason, or death", intercurrent=(("stop", "composite"),),
    ),
    "ttnt": Kind(
        "Time to next treatment, line {n}", START, ("next_line", "death"), "time to the next line, or death",
        intercurrent=(("next_line", "composite"),),
    ),
    "dfi": Kind(
        "Disease-free interval", "{surgery}.date", ("relapse",), "time from surgery to metastatic disease",
        of_line=False,
    ),
    "dor": Kind(
        "Duration of response, line {n}", "{response}.date", ("progression", "death"),
        "time from the first response to progression or death", (LAST_SEEN,), True, START, NEXT, (POLICY,),
    ),
    "pps": Kind(
        "Survival after progression, line {n}", "{progression}.date", ("death",),
        "time from the first progression to death from any cause", ("last_contact",), True, START, NEXT, (POLICY,),
    ),
}  # fmt: skip
assert set(KINDS) == set(get_args(EndpointKind))

SOURCES: Final[dict[str, dict[str, str]]] = {
    "progression": {"at": "{progression}.date", "label": "progression"},
    "progression_on_next_line": {
        "at": "{progression}.date", "after": NEXT, "label": "progression on the next line",
    },
    "death": {"at": "{death}.date", "label": "death"},
    "toxicity": {
        "at": "line[{n}].end", "where": 'line[{n}] stopped for "toxicity"', "label": "stopped for toxicity",
    },
    "stop": {"at": "line[{n}].end", "label": "end of treatment"},
    "next_line": {"at": NEXT, "label": "start of line {next}"},
    "relapse": {"at": "{metastatic}.date", "label": "metastatic disease"},
    "lost": {
        "at": "{last_contact}.date",
        "where": "{death}.date is missing and {last_contact}.date < {lost_before}",
        "label": "lost to follow-up",
    },
    "last_contact": {"at": "{last_contact}.date", "label": "last contact"},
    "assessment": {"at": "{assessment}.date", "label": "last visit"},
}  # fmt: skip


def roles(anchors: Mapping[str, str | None]) -> dict[str, str]:
    """The anchor behind each role: the one that `means` it, else the one of that name."""
    named = {role: role for role in get_args(Role) if role in anchors}
    return named | {means: name for name, means in anchors.items() if means}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What turns a name into a source: the declared ones, the anchors by role, and the data cut."""

    declared: Mapping[str, Mapping[str, Any]]
    roles: Mapping[str, str]
    data_cut: str | None

    def source(self, name: str, line: int) -> dict[str, Any]:
        """The source of this name for a line.

        Raises:
            LookupError: there is no such source, or no anchor for a role that it needs (the argument is a Finding).
        """
        if name == LAST_SEEN and name not in self.declared:
            return self.source("assessment" if "assessment" in self.roles else "last_contact", line)
        raw = self.declared.get(name) or SOURCES.get(name)
        if raw is None:
            raise LookupError(_unknown_source(name, [*self.declared, *SOURCES]))
        found = {key: self.text(value, line) for key, value in raw.items()}
        return {"label": name, **found, "name": name}

    def text(self, value: Any, line: int) -> Any:
        """`value` with its line and its anchors filled in."""
        if not isinstance(value, str):
            return value
        value = value.replace("[n]", f"[{line}]").replace("[n+1]", f"[{line + 1}]")
        fields = {**self.roles, "n": line, "next": line + 1, "lost_before": self._lost_before()}
        for role in get_args(Role):
            if "{" + role + "}" in value and role not in self.roles:
                raise LookupError(_no_anchor(role))
        for key, word in fields.items():
            value = value.replace("{" + key + "}", str(word))
        return value

    def _lost_before(self) -> int:
        """Who was last seen before this day is lost; without a data cut, everybody who is not seen to the end is."""
        try:
            cut = date.fromisoformat(self.data_cut or "")
        except ValueError:
            return 10**6
        return (cut - date(1970, 1, 1)).days - LOST_DAYS


def expand(document: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[Path, Finding]]]:
    """The study file with every endpoint written out, and what could not be.

    Args:
        document: the file as TOML gives it; parts of a wrong shape are left for the reader to refuse.
    """
    endpoints, faults = _tables(document, "endpoints"), list[tuple["Path", Finding]]()
    if not endpoints:
        return document, faults
    about = document.get("study")
    words = Vocabulary(
        _tables(document, "events"),
        roles({name: anchor.get("means") for name, anchor in _tables(document, "anchors").items()}),
        str(about.get("data_cut") or "") if isinstance(about, dict) and about.get("time") != "days" else None,
    )
    written = {
        name: _written(body, words, document, ("endpoints", name), faults) for name, body in endpoints.items()
    }
    return {**document, "endpoints": {**document["endpoints"], **written}}, faults


def _tables(document: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    part = document.get(key)
    return (
        {name: body for name, body in part.items() if isinstance(body, dict)}
        if isinstance(part, dict)
        else {}
    )


def _written(
    body: dict[str, Any],
    words: Vocabulary,
    document: dict[str, Any],
    path: Path,
    faults: list[tuple[Path, Finding]],
) -> dict[str, Any]:
    kind = KINDS.get(str(body.get("kind")))
    line = body["line"] if isinstance(body.get("line"), int) else 1
    full = dict(body)
    if kind is not None:
        try:
            full = _defaults(body, kind, line, words, document) | full
        except LookupError as fault:
            faults.append((path, fault.args[0]))
            return full
        own = body.get("estimand")
        full["estimand"] = _estimand(kind) | (own if isinstance(own, dict) else {})
    for key in ("events", "censor"):
        if isinstance(full.get(key), list | tuple):
            full[key] = [
                _source(item, line, words, (*path, key, i), faults) for i, item in enumerate(full[key])
            ]
    return full


def _source(item: Any, line: int, words: Vocabulary, path: Path, faults: list[tuple[Path, Finding]]) -> Any:
    if not isinstance(item, str):
        return item
    try:
        return words.source(item, line)
    except LookupError as fault:
        faults.append((path, fault.args[0]))
        return item


def _defaults(
    body: dict[str, Any], kind: Kind, line: int, words: Vocabulary, document: dict[str, Any]
) -> dict[str, Any]:
    found: dict[str, Any] = {"events": list(kind.events), "censor": list(kind.censor)}
    found["label"] = kind.label.replace("{n}", str(line))
    if body.get("kind") == "os" and "line" not in body:
        lines = document.get("lines")
        index = str(lines.get("index", "")) if isinstance(lines, dict) else ""
        label = _tables(document, "anchors").get(index, {}).get("label") or index
        return {**found, "origin": f"{index}.date", "label": f"{kind.label} from {label}"}
    if body.get("kind") == "os":
        found["label"] = f"{kind.label} from the start of line {line}"
    keys = {"origin": kind.origin, "origin_after": kind.origin_after, "origin_until": kind.origin_until}
    found |= {
        key: words.text(value, line) for key, value in keys.items() if value is not None and key not in body
    }
    return found | ({"line": line} if kind.of_line and body.get("kind") != "os" else {})


def _estimand(kind: Kind) -> dict[str, Any]:
    found: dict[str, Any] = {"variable": kind.variable}
    if kind.intercurrent:
        found["intercurrent"] = [{"event": event, "strategy": way} for event, way in kind.intercurrent]
    return found


def _unknown_source(name: str, known: list[str]) -> Finding:
    near = get_close_matches(name, known, 1)
    return Finding(
        "S123",
        "error",
        f"there is no event source `{name}`" + (f": did you mean `{near[0]}`?" if near else ""),
        found=name,
        allowed=", ".join(sorted(known)),
        remedy=f"mend the name, or declare [events.{name}]",
    )


def _no_anchor(role: str) -> Finding:
    return Finding(
        "S124",
        "error",
        f"a named endpoint or source needs the moment of `{role}`, and no anchor gives it",
        allowed=f'an anchor called `{role}`, or one with means = "{role}"',
        remedy=f'declare [anchors.{role}], or say means = "{role}" under the anchor that is meant',
    )


# ---------------------------------------------------------------- the seven ways to count


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to count an endpoint of a line: its code, its words, and its definition, or why there is none."""

    code: str
    words: str
    endpoint: Endpoint | None
    reason: str = ""
    interval_censored: bool = False


_VARIANTS: Final = (
    ("V1", "Progression or death; censored when last seen", ("progression", "death"), LAST_SEEN),
    ("V2", "Progression, stop for toxicity or death; losses censored",
     ("progression", "toxicity", "death"), "last_contact"),
    ("V3", "The same with losses to follow-up as events",
     ("progression", "toxicity", "death", "lost"), "last_contact"),
    ("V4", "Treatment failure: progression, end of treatment or death",
     ("progression", "stop", "death"), "last_contact"),
    ("V5", "Discontinuation: end of treatment or death", ("stop", "death"), "last_contact"),
    ("V6", "V1, censored before two missed visits", ("progression", "death"), LAST_SEEN),
    ("V7", "V1, progression between two visits (interval-censored)", ("progression", "death"), LAST_SEEN),
)  # fmt: skip


def variants(study: Study, endpoint: Endpoint) -> tuple[Variant, ...]:
    """V1 to V7 of an endpoint of a line: its own clock and entry, another count of what ends it.

    V1 is progression or death; V2 and V3 are the composite of Bon et al. with losses censored and as events; V4 and
    V5 end with the treatment; V6 follows the FDA's rule of two missed visits; V7 takes progression as lying between the
    last visit without it and the one that found it.
    """
    words = Vocabulary(
        {name: rule.model_dump(exclude_none=True) for name, rule in study.events.items()},
        roles({name: anchor.means for name, anchor in study.anchors.items()}),
        study.study.data_cut if study.study.time == "dates" else None,
    )
    return tuple(_variant(study, endpoint, words, *one) for one in _VARIANTS)


def _variant(
    study: Study,
    endpoint: Endpoint,
    words: Vocabulary,
    code: str,
    text: str,
    events: tuple[str, ...],
    censor: str,
) -> Variant:
    fields = {
        field for source in study.sources.values() if source.role == "treatments" for field in source.columns
    }
    if "toxicity" in events and "stop_reason" not in fields:
        return Variant(code, text, None, "the treatments have no stop_reason")
    if "stop" in events and "end" not in fields:
        return Variant(code, text, None, "the treatments have no end")
    visits = words.roles.get("assessment")
    if code in ("V6", "V7") and visits is None:
        return Variant(code, text, None, "no visits are recorded")
    line = endpoint.line or 1
    try:
        keys = {
            "events": [words.source(name, line) for name in events],
            "censor": [words.source(censor, line)],
            "missed_visits": {"visits": visits, "every_days": study.anchors[visits].every_days}
            if code == "V6" and visits
            else None,
        }
    except LookupError as fault:
        return Variant(code, text, None, fault.args[0].message)
    own = Endpoint.model_validate({"label": endpoint.label, "origin": endpoint.origin, **keys})
    kept = ("origin_after", "origin_until", "entry", "until", "line")
    found = own.model_copy(update={key: getattr(endpoint, key) for key in kept})
    return Variant(code, text, found, interval_censored=code == "V7")
