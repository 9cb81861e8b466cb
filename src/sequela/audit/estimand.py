"""Does each endpoint say what it estimates? The attributes of ICH E9(R1), from the study file alone (A143).

Source: ICH E9(R1), Addendum on estimands and sensitivity analysis in clinical trials, 2019, section A.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sequela.core.finding import Finding, Where
from sequela.study.positions import line_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sequela.study.model import Endpoint, Study

ATTRIBUTES: Final = {
    "population": "population",
    "treatment": "treatment",
    "variable": "variable",
    "intercurrent": "intercurrent events",
    "summary": "summary measure",
}


def audit_estimands(study: Study) -> list[Finding]:
    """A143: a note for every attribute left out, and for a composite strategy whose event is not counted."""
    return [finding for name in study.endpoints for finding in _endpoint(study, name)]


def _endpoint(study: Study, name: str) -> Iterator[Finding]:
    endpoint = study.endpoints[name]
    where = Where(study.path or None, line_in(study.path, ("endpoints", name)), f"endpoints.{name}.estimand")
    absent = [words for key, words in ATTRIBUTES.items() if not getattr(endpoint.estimand, key)]
    if absent:
        yield Finding(
            "A143",
            "note",
            f"{endpoint.label}: the estimand does not say its {', '.join(absent)}",
            where,
            found=", ".join(words for words in ATTRIBUTES.values() if words not in absent)
            or "none of the five",
            allowed=", ".join(ATTRIBUTES.values()),
            remedy=f"fill in [endpoints.{name}.estimand]",
        )
    for event in _not_counted(endpoint):
        yield Finding(
            "A143",
            "note",
            f"{endpoint.label}: “{event}” is said to be part of the endpoint, and is none of its events",
            where,
            found=event,
            allowed=", ".join(source.name or source.label for source in endpoint.events),
            remedy="name an event source of the endpoint, add it, or give another strategy",
        )


def _not_counted(endpoint: Endpoint) -> list[str]:
    """Intercurrent events of strategy composite that no event source of the endpoint goes by."""
    counted = {word for source in endpoint.events for word in (source.name, source.label)}
    return [
        one.event
        for one in endpoint.estimand.intercurrent
        if one.strategy == "composite" and one.event not in counted
    ]
