"""Every name in a study file of the bench must mean something: agents, cultures, assays."""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sequela.core.finding import Finding
from sequela.study.bench import (
    Assay,
    Contrast,
    DoseResponse,
    Growth,
    Montage,
    Pairs,
    Quality,
    Strips,
)
from sequela.study.bench_images import Blot, Fluorescence, Slides
from sequela.study.nearest import unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sequela.study.bench import BenchAnalysis, BenchAssay, BenchStudy
    from sequela.study.positions import Path

Fault = tuple["Path", Finding]
KINDS = {
    DoseResponse: ("viability",),
    Growth: ("growth",),
    Quality: ("viability", "growth", "invasion"),
    Strips: ("blot",),
    Montage: ("immunofluorescence",),
    Pairs: ("ihc",),
}
RESPONSES = {
    "viability": ("viability",),
    "signal": ("viability", "growth"),
    "invasion": ("invasion",),
    "band": ("blot",),
    "nuclear_share": ("blot",),
}  # of the others: immunofluorescence


def check_bench(study: BenchStudy) -> list[Fault]:
    """All faults of meaning, each with the path of its key; empty when the study can be run."""
    return [*_cultures(study), *_assays(study), *_analyses(study)]


def _cultures(study: BenchStudy) -> Iterator[Fault]:
    for name, culture in study.cultures.items():
        if culture.derived_from is not None and culture.derived_from not in study.cultures:
            yield (
                ("cultures", name, "derived_from"),
                unknown("culture", culture.derived_from, study.cultures),
            )
        for i, step in enumerate(culture.history):
            for agent in step.agents:
                if agent not in study.agents:
                    yield ("cultures", name, "history", i, "agents"), unknown("agent", agent, study.agents)


def _assays(study: BenchStudy) -> Iterator[Fault]:
    for name, assay in study.assays.items():
        if not isinstance(assay, Slides) and assay.agent is not None and assay.agent not in study.agents:
            yield ("assays", name, "agent"), unknown("agent", assay.agent, study.agents)
        if isinstance(assay, Assay) and assay.culture is not None and assay.culture not in study.cultures:
            yield ("assays", name, "culture"), unknown("culture", assay.culture, study.cultures)
        if isinstance(assay, Assay):
            yield from _media(name, assay, study)
            yield from _arrangement(name, assay)
        if isinstance(assay, (Fluorescence, Slides)) and assay.nucleus_um and not assay.pixel_um:
            yield ("assays", name, "nucleus_um"), _needs("nucleus_um", "pixel_um", "a size in micrometres")


def _media(name: str, assay: Assay, study: BenchStudy) -> Iterator[Fault]:
    for i, medium in enumerate(assay.medium):
        key = ("assays", name, "medium", i)
        if medium.culture not in study.cultures:
            yield (*key, "culture"), unknown("culture", medium.culture, study.cultures)
        for agent in medium.agents:
            if agent not in study.agents:
                yield (*key, "agents"), unknown("agent", agent, study.agents)


def _needs(key: str, other: str, what: str) -> Finding:
    message = f"`{key}` is {what}, and `{other}` is not said"
    return Finding("S133", "error", message, remedy=f"add `{other} = …`")


def _arrangement(name: str, assay: Assay) -> Iterator[Fault]:
    grid = assay.arrangement == "grid"
    if grid and assay.layout is None:
        message = f"the plates of `{name}` have no layout: nothing says what their wells hold"
        remedy = 'add `layout = "layout.csv"`'
        yield ("assays", name, "layout"), Finding("S131", "error", message, remedy=remedy)
    if not grid and assay.layout is not None:
        message = "a layout belongs to plates as the instrument writes them"
        remedy = 'say `arrangement = "grid"`, or take the layout out'
        yield ("assays", name, "layout"), Finding("S131", "error", message, remedy=remedy)


def _analyses(study: BenchStudy) -> Iterator[Fault]:
    for i, analysis in enumerate(study.analyses):
        for key, name in _assays_of(analysis):
            if name not in study.assays:
                yield ("analyses", i, key), unknown("assay", name, study.assays)
            else:
                yield from _fits(i, key, analysis, study.assays[name])
        if isinstance(analysis, DoseResponse):
            yield from _parameters(i, analysis)
        if isinstance(analysis, Contrast):
            yield from _response(i, analysis, study.assays.get(analysis.assay))
        if isinstance(analysis, (Quality, Pairs)):
            continue
        for name in analysis.cultures:
            if name not in study.cultures:
                yield ("analyses", i, "cultures"), unknown("culture", name, study.cultures)
    for name, count in Counter(analysis.id for analysis in study.analyses).items():
        if count > 1:
            message = f"two analyses have the id `{name}`"
            yield ("analyses",), Finding("S111", "error", message, remedy="give each its own id")


def parameters(model: str) -> tuple[str, ...]:
    """The parameters of a dose-response model, as `fixed` and `bounds` name them."""
    asymmetric, hormesis = model in ("l5", "ll5"), model.startswith(("bc", "cedergreen"))
    location = "ec50" if model in ("l2", "l3", "l4", "ll2", "ll3", "ll4") else "location"
    last = ("asymmetry",) if asymmetric else ("hormesis",) if hormesis else ()
    return ("slope", "einf", "e0", location, *last)


def _parameters(i: int, analysis: DoseResponse) -> Iterator[Fault]:
    known = parameters(analysis.model)
    for key, names in (("fixed", analysis.fixed), ("bounds", analysis.bounds)):
        for name in names:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f": did you mean `{near[0]}`?" if near else ""
                message = f"model {analysis.model} has no parameter `{name}`{hint}"
                yield (
                    ("analyses", i, key, name),
                    Finding(
                        "S136",
                        "error",
                        message,
                        found=name,
                        allowed=", ".join(known),
                        remedy="name one of these",
                    ),
                )


def _assays_of(analysis: BenchAnalysis) -> Iterator[tuple[str, str]]:
    yield "assay", analysis.assay
    if isinstance(analysis, Contrast) and analysis.per_growth is not None:
        yield "per_growth", analysis.per_growth


def _response(i: int, analysis: Contrast, assay: BenchAssay | None) -> Iterator[Fault]:
    """What a response needs besides its assay."""
    if analysis.response in ("band", "nuclear_share") and analysis.target is None:
        yield ("analyses", i, "response"), _needs("response", "target", "of one target of a blot")
    unmarked = isinstance(assay, Blot) and not (assay.nuclear and assay.cytoplasmic)
    if analysis.response == "nuclear_share" and unmarked:
        finding = _needs("response", "nuclear", "corrected by markers of purity")
        yield ("analyses", i, "response"), finding


def _fits(i: int, key: str, analysis: BenchAnalysis, assay: BenchAssay) -> Iterator[Fault]:
    """The assay must be of a kind that the analysis can use."""
    if isinstance(analysis, Contrast):
        kinds = (
            ("growth",) if key == "per_growth" else RESPONSES.get(analysis.response, ("immunofluorescence",))
        )
    else:
        kinds = KINDS[type(analysis)]
    if assay.kind not in kinds:
        message = f"`{analysis.id}` cannot be made of an assay of {assay.kind}"
        yield (
            ("analyses", i, key),
            Finding(
                "S132",
                "error",
                message,
                found=assay.kind,
                allowed=", ".join(kinds),
                remedy="name another assay",
            ),
        )
