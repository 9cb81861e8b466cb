"""Every name in a study file must mean something: anchors, variables, endpoints, groups, fields."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from sequela.core.finding import Finding
from sequela.study.adjusting import Imputed, Standardised, TimeDependent, TippingPoint, Weighted
from sequela.study.biomarker_names import biomarker_faults
from sequela.study.expressions import (
    Among,
    Anchor,
    Compare,
    LineMoment,
    LineOfStart,
    Name,
    Number,
    Text,
    atoms,
    children,
    write,
)
from sequela.study.model import TargetTrial
from sequela.study.nearest import unknown
from sequela.study.partition import prove
from sequela.study.timing import END, Calendar, Moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sequela.study.expressions import Node
    from sequela.study.model import Analysis, Covariate, Endpoint, Source, Study
    from sequela.study.positions import Path

Fault = tuple["Path", Finding]
# Variables that the lines give: see `sequela.clinic.curative`.
BUILT_IN: Final[dict[str, type]] = {"curative_lines": float, "early_relapse": str}


def check(study: Study) -> list[Fault]:
    """All faults of meaning, each with the path of its key; empty when the study can be run."""
    faults = [
        *_sources(study),
        *_anchors(study),
        *_lines(study),
        *biomarker_faults(study),
        *_covariates(study),
        *_endpoints(study),
        *_analyses(study),
    ]
    for path, node in expressions(study):
        faults.extend((path, finding) for finding in _names(study, node))
    return faults or list(_groups(study))


def expressions(study: Study) -> Iterator[tuple[Path, Node]]:
    """Every expression of the study with its path."""
    for i, criterion in enumerate(study.cohort):
        yield ("cohort", i, "where"), criterion.where
    for i, group in enumerate(study.sequences.groups):
        yield ("sequences", "groups", i, "where"), group.where
    for name, covariate in study.covariates.items():
        yield from (((("covariates", name, *path)), node) for path, node in _covariate_parts(covariate))
    for name, endpoint in study.endpoints.items():
        yield from (((("endpoints", name, *path)), node) for path, node in _endpoint_parts(endpoint))
    for i, analysis in enumerate(study.analyses):
        if analysis.where is not None:
            yield ("analyses", i, "where"), analysis.where
        if isinstance(analysis, TargetTrial):
            yield from (((("analyses", i, *path)), node) for path, node in _trial_parts(analysis))
        if isinstance(analysis, TimeDependent):
            yield ("analyses", i, "exposure"), analysis.exposure


def _covariate_parts(covariate: Covariate) -> Iterator[tuple[Path, Node]]:
    for key in ("value", "only"):
        if getattr(covariate, key) is not None:
            yield (key,), getattr(covariate, key)
    for i, level in enumerate(covariate.levels):
        yield ("levels", i, "where"), level.where


def _endpoint_parts(endpoint: Endpoint) -> Iterator[tuple[Path, Node]]:
    for key in ("origin", "origin_after", "origin_until", "until", "entry"):
        if getattr(endpoint, key) is not None:
            yield (key,), getattr(endpoint, key)
    for key in ("events", "censor"):
        for i, source in enumerate(getattr(endpoint, key)):
            yield (key, i, "at"), source.at
            if source.where is not None:
                yield (key, i, "where"), source.where
            if source.after is not None:
                yield (key, i, "after"), source.after


def _trial_parts(trial: TargetTrial) -> Iterator[tuple[Path, Node]]:
    for k, strategy in enumerate(trial.strategies):
        if strategy.where is not None:
            yield ("strategies", k, "where"), strategy.where
        for key, source in (("start", strategy.start), ("after", strategy.after)):
            if source is not None:
                yield from _source_parts(source, ("strategies", k, key))
        for j, source in enumerate(strategy.never):
            yield from _source_parts(source, ("strategies", k, "never", j))
    for j, source in enumerate(trial.changes):
        yield from _source_parts(source, ("changes", j))


def _source_parts(source: Source, path: Path) -> Iterator[tuple[Path, Node]]:
    for key in ("at", "where", "after"):
        if getattr(source, key) is not None:
            yield (*path, key), getattr(source, key)


def variables(study: Study) -> dict[str, str | None]:
    """Every variable of a patient, with the anchor at which it is settled (None: the first anchor)."""
    found: dict[str, str | None] = dict.fromkeys(BUILT_IN, study.lines.index)
    for source in study.sources.values():
        if source.role == "patients":
            for name, column in source.columns.items():
                found[name] = None if isinstance(column, str) else column.settled
    for name, biomarker in study.biomarkers.items():
        found[name] = _latest(study, [found.get(field) for field in biomarker.reads.values()])
    for name, covariate in study.covariates.items():
        if covariate.settled or name not in found:
            found[name] = covariate.settled or found.get(covariate.variable or name)
    return found


def _latest(study: Study, settled: list[str | None]) -> str | None:
    """Of the anchors at which values are known, the last; None stands for the first anchor."""
    order = [None, *study.anchors]
    return max((anchor for anchor in settled if anchor in order), key=order.index, default=None)


def calendar(study: Study) -> Calendar:
    """The moments of the study, in order: what `sequela.audit.design` reads."""
    moments: dict[str, Moment] = {}
    for i, (name, anchor) in enumerate(study.anchors.items()):
        rank = {"baseline": (0, i), "course": (2, i), "end": END}[anchor.stage]
        moments[name] = Moment(rank, f"{name}.date")
    first = next(iter(moments.values()))
    known: dict[str, Moment] = {}
    for name, anchor in variables(study).items():
        known[name] = moments.get(anchor or "", first)
    result = Calendar(moments, known)
    for name, covariate in study.covariates.items():
        parts = [node for _, node in _covariate_parts(covariate)]
        if parts and not covariate.settled:
            known[name] = max(result.settled(part) for part in parts)
    return result


def _types(study: Study) -> dict[str, type]:
    """Whether a variable is a number or a text, where that is declared."""
    found: dict[str, type] = dict(BUILT_IN)
    for source in study.sources.values():
        for name, column in source.columns.items() if source.role == "patients" else ():
            kind = "text" if isinstance(column, str) else column.type
            found[name] = (
                float if kind in ("integer", "number", "day", "date") else bool if kind == "boolean" else str
            )
    found |= dict.fromkeys(study.biomarkers, str)
    for name, covariate in study.covariates.items():
        if covariate.levels:
            found[name] = str
        elif covariate.variable in found:
            found[name] = found[covariate.variable]
    return found


def _comparisons(node: Node) -> Iterator[tuple[Node, float | str]]:
    match node:
        case Compare(left, _, Number(value) | Text(value)):
            yield left, value
        case Among(left, values):
            yield from ((left, value) for value in values)
        case _:
            for part in children(node):
                yield from _comparisons(part)


def _mixed(study: Study, node: Node) -> Iterator[Finding]:
    """A text compared with a number, or the other way round."""
    types = _types(study)
    for left, value in _comparisons(node):
        kind = types.get(left.name, type(value)) if isinstance(left, Name) else float
        if kind is not type(value):
            held = {float: "a number", str: "a text", bool: "yes or no"}[kind]
            yield Finding(
                "S116",
                "error",
                f"`{write(left)}` holds {held} and is compared with {value!r}",
                found=write(node),
                allowed=f"a comparison with {held}",
                remedy="texts stand in quotation marks, numbers do not; a yes-or-no variable stands alone",
            )


def _names(study: Study, node: Node) -> Iterator[Finding]:
    yield from _mixed(study, node)
    for atom in atoms(node):
        if isinstance(atom, Anchor) and atom.name not in study.anchors:
            yield unknown("anchor", atom.name, study.anchors)
        if isinstance(atom, Name) and atom.name not in variables(study):
            yield unknown("variable", atom.name, variables(study))


def _fields(study: Study) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, source in study.sources.items():
        for field, column in source.columns.items():
            found[f"{name}.{field}"] = "text" if isinstance(column, str) else column.type
    return found


def _sources(study: Study) -> Iterator[Fault]:
    roles = Counter(source.role for source in study.sources.values())
    for role in ("patients", "treatments"):
        if roles[role] != 1:
            yield (
                ("sources",),
                Finding(
                    "S108",
                    "error",
                    f"a study has exactly one source of role `{role}`, this one has {roles[role]}",
                    found=", ".join(study.sources),
                    remedy=f'give one source `role = "{role}"`',
                ),
            )
    needed = {
        "patients": {"patient"},
        "treatments": {"patient", "drug", "start"},
        "events": {"patient"},
        "follow_up": {"patient"},
    }
    for name, source in study.sources.items():
        for field in sorted(needed[source.role] - set(source.columns)):
            yield (
                ("sources", name, "columns"),
                Finding(
                    "S104",
                    "error",
                    f"a source of role `{source.role}` needs the field `{field}`",
                    allowed=", ".join(sorted(needed[source.role])),
                    remedy=f'add `{field} = "the file\'s column"`',
                ),
            )
        for field, column in source.columns.items():
            if not isinstance(column, str) and column.settled and column.settled not in study.anchors:
                yield ("sources", name, "columns", field), unknown("anchor", column.settled, study.anchors)


def _anchors(study: Study) -> Iterator[Fault]:
    known = _fields(study)
    dated = {field for field, kind in known.items() if kind in ("date", "day")}
    for name, anchor in study.anchors.items():
        for field in anchor.fields:
            if field not in dated:
                yield ("anchors", name, "fields"), unknown("date field", field, dated)
        for field in anchor.only:
            if field not in known or field.split(".")[0] not in {
                path.split(".")[0] for path in anchor.fields
            }:
                yield ("anchors", name, "only"), unknown("field of the same source", field, known)
        for field in anchor.status.fields if anchor.status else ():
            if field not in known:
                yield ("anchors", name, "status"), unknown("field", field, known)
        if anchor.day is None and not anchor.fields:
            yield (
                ("anchors", name),
                Finding(
                    "S104",
                    "error",
                    f"anchor `{name}` has neither `fields` nor a fixed `day`",
                    remedy='say which records date it: fields = ["source.field"]',
                ),
            )
    if study.study.time == "days" and study.study.origin not in study.anchors:
        yield ("study", "origin"), unknown("anchor", study.study.origin or "", study.anchors)


def _lines(study: Study) -> Iterator[Fault]:
    if study.lines.index not in study.anchors:
        yield ("lines", "index"), unknown("anchor", study.lines.index, study.anchors)
    if study.lines.charted and study.lines.charted.field not in _fields(study):
        yield ("lines", "charted"), unknown("field", study.lines.charted.field, _fields(study))


def _covariates(study: Study) -> Iterator[Fault]:
    fields = {
        field for source in study.sources.values() if source.role == "patients" for field in source.columns
    }
    for name, covariate in study.covariates.items():
        source = covariate.variable or name
        if (
            covariate.value is None
            and not covariate.levels
            and source not in {*fields, *study.biomarkers, *BUILT_IN}
        ):
            yield ("covariates", name), unknown("variable", source, {*fields, *study.biomarkers, *BUILT_IN})
        if name in {*fields, *study.biomarkers} and (
            covariate.levels or covariate.value is not None or source != name
        ):
            yield (
                ("covariates", name),
                Finding(
                    "S117",
                    "error",
                    f"covariate `{name}` gives the name of a field or biomarker another meaning",
                    found=f"`{name}` is already a variable",
                    allowed="a name of its own",
                    remedy="rename the covariate, or the field of the source",
                ),
            )
        if covariate.settled and covariate.settled not in study.anchors:
            yield ("covariates", name, "settled"), unknown("anchor", covariate.settled, study.anchors)


def _endpoints(study: Study) -> Iterator[Fault]:
    course = [name for name, anchor in study.anchors.items() if anchor.stage == "course"]
    for name, endpoint in study.endpoints.items():
        if endpoint.missed_visits is not None and endpoint.missed_visits.visits not in course:
            missed = ("endpoints", name, "missed_visits")
            yield missed, unknown("anchor of the course", endpoint.missed_visits.visits, course)
        moments = {"origin": endpoint.origin, "until": endpoint.until, "entry": endpoint.entry}
        moments |= {"origin_after": endpoint.origin_after, "origin_until": endpoint.origin_until}
        moments |= {f"events.{i}.after": source.after for i, source in enumerate(endpoint.events)}
        moments |= {f"events.{i}.at": source.at for i, source in enumerate(endpoint.events)}
        moments |= {f"censor.{i}.at": source.at for i, source in enumerate(endpoint.censor)}
        for key, node in moments.items():
            if node is not None and not isinstance(node, (Anchor, LineMoment, LineOfStart)):
                yield (
                    ("endpoints", name, key.split(".")[0]),
                    Finding(
                        "S110",
                        "error",
                        f"`{key}` of endpoint `{name}` is no moment",
                        allowed="an anchor (`death.date`) or a line (`line[2].start`, `line[1].end`)",
                        remedy="name a moment of the patient's history",
                    ),
                )


def _analyses(study: Study) -> Iterator[Fault]:
    groups = [group.name for group in study.sequences.groups]
    for i, analysis in enumerate(study.analyses):
        told = analysis.model_dump(include={"endpoint", "endpoints", "within"})
        endpoints = [told["endpoint"]] if "endpoint" in told else list(told.get("endpoints", ()))
        if analysis.kind == "printed":
            endpoints = [value.endpoint for value in analysis.values]
        yield from (
            (("analyses", i, "endpoint"), unknown("endpoint", e, study.endpoints))
            for e in endpoints
            if e not in study.endpoints
        )
        yield from (
            (("analyses", i, "groups"), unknown("sequence group", g, groups))
            for g in analysis.groups
            if g not in groups
        )
        yield from ((("analyses", i), finding) for finding in _adjusting(analysis, groups))
        moved = analysis.of if isinstance(analysis, TippingPoint) and analysis.of != "censoring" else None
        named = [
            *getattr(analysis, "variables", ()),
            *getattr(analysis, "covariates", ()),
            *([moved] if moved is not None else []),
            *getattr(analysis, "strata", ()),
            *([told["within"]] if told.get("within") else []),
        ]
        for name in named:
            if name not in study.covariates and name != "sequence":
                yield (
                    ("analyses", i, "variables"),
                    unknown("covariate", name, [*study.covariates, "sequence"]),
                )
    repeated = [
        name for name, count in Counter(analysis.id for analysis in study.analyses).items() if count > 1
    ]
    for name in repeated:
        yield (
            ("analyses",),
            Finding("S111", "error", f"two analyses have the id `{name}`", remedy="give each its own id"),
        )


def _adjusting(analysis: Analysis, groups: list[str]) -> Iterator[Finding]:
    """What an analysis that corrects a comparison asks besides names."""
    if isinstance(analysis, Weighted) and analysis.target is not None and analysis.target not in groups:
        yield unknown("sequence group", analysis.target, groups)
    if isinstance(analysis, TimeDependent) and not isinstance(
        analysis.exposure, (Anchor, LineMoment, LineOfStart)
    ):
        yield Finding(
            "S110",
            "error",
            f"`exposure` of analysis `{analysis.id}` is no moment",
            allowed="an anchor (`surgery.date`) or a line (`line[2].start`, `line_of(drug).start`)",
            remedy="name a moment of the patient's history",
        )
    if isinstance(analysis, (Weighted, Standardised, Imputed, TippingPoint)):
        compared = len(analysis.groups or groups)
        if compared < 2 or (isinstance(analysis, TippingPoint) and compared > 2):
            yield Finding(
                "S160",
                "error",
                f"analysis `{analysis.id}` compares {compared} groups",
                found=", ".join(analysis.groups or groups),
                allowed="two groups" if isinstance(analysis, TippingPoint) else "two groups or more",
                remedy="name the `groups` that are to be compared",
            )
    if isinstance(analysis, TippingPoint) and analysis.deltas:
        start = 1.0 if analysis.of == "censoring" else 0.0
        if analysis.deltas[0] != start or len(analysis.deltas) < 2 or min(analysis.deltas[1:]) == start:
            yield Finding(
                "S161",
                "error",
                f"the deltas of analysis `{analysis.id}` do not start at no departure",
                found=", ".join(f"{delta:g}" for delta in analysis.deltas),
                allowed=f"{start:g} first (no departure), then one or more others",
                remedy=f"put {start:g} first",
            )


def _groups(study: Study) -> Iterator[Fault]:
    proof = prove(
        {group.name: group.where for group in study.sequences.groups}, tuple(c.where for c in study.cohort)
    )
    key: Path = ("sequences", "groups")
    for first, second, witness in proof.overlaps:
        yield (
            key,
            Finding(
                "S112",
                "error",
                f"sequence groups “{first}” and “{second}” overlap",
                found=f"a patient with {witness} belongs to both",
                allowed="every patient belongs to one group at most",
                remedy="add `and not (…)` to one of the two",
            ),
        )
    if proof.gap and study.sequences.exhaustive:
        yield (
            key,
            Finding(
                "S113",
                "error",
                "the sequence groups do not cover the cohort",
                found=f"a patient with {proof.gap} belongs to none",
                allowed="every patient of the cohort belongs to a group",
                remedy="add a group or a cohort criterion, or say `exhaustive = false`",
            ),
        )
    if not proof.complete:
        yield (
            key,
            Finding(
                "S114",
                "warning",
                "too many cases to prove the sequence groups exclusive; the data will be checked",
                remedy="use fewer different quantities in the groups",
            ),
        )
