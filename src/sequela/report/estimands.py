"""Every endpoint with its definition and the five attributes of its estimand, as one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sequela.report.tables import Cell, Column, Row, Table
from sequela.study.expressions import Anchor, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sequela.study.expressions import Node
    from sequela.study.model import Endpoint, Estimand, Source, Study

ABSENT = "not stated"


def estimands(study: Study, banner: str | None) -> Table:
    """A block of rows an endpoint: clock, events, censoring, then the attributes of ICH E9(R1)."""
    rows: list[Row] = []
    for endpoint in study.endpoints.values():
        rows.append(Row(endpoint.label, (), 0, "group"))
        for name, text in (*_definition(study, endpoint), *_attributes(endpoint)):
            rows.append(Row(name, (Cell(text),), 1, "muted" if text == ABSENT else "row"))
    return Table(
        "estimands",
        "",
        "Endpoints and what they estimate",
        (Column("Definition", align="left"),),
        tuple(rows),
        ("Attributes: ICH E9(R1), 2019. Of two events on one day the first named counts.",),
        banner,
        "Endpoint",
    )


def _definition(study: Study, endpoint: Endpoint) -> Iterator[tuple[str, str]]:
    clock = moment_words(study, endpoint.origin)
    if endpoint.origin_after is not None:
        clock += f", the first after {moment_words(study, endpoint.origin_after)}"
    if endpoint.entry is not None:
        clock += f"; observed from {moment_words(study, endpoint.entry)} (delayed entry)"
    yield "Clock starts", clock
    yield "Events", _sources(endpoint.events)
    censored = _sources(endpoint.censor)
    if endpoint.missed_visits is not None:
        censored += f"; at the last visit before {endpoint.missed_visits.number} missed ones"
    yield "Censored at", censored


def _sources(sources: Sequence[Source]) -> str:
    return "; ".join(source.label or write(source.at) for source in sources)


def moment_words(study: Study, node: Node) -> str:
    """A moment as a reader says it: `diagnosis of metastatic disease`, `the start of line 2`."""
    from sequela.study.names import calendar

    if isinstance(node, Anchor):
        return study.anchors[node.name].label or node.name
    return calendar(study).moment(node).words  # pyright: ignore[reportArgumentType]  # the reader admits no other


def _attributes(endpoint: Endpoint) -> Iterator[tuple[str, str]]:
    estimand: Estimand = endpoint.estimand
    events = "; ".join(f"{one.event}: {one.strategy}" for one in estimand.intercurrent)
    yield "Population", estimand.population or ABSENT
    yield "Treatment", estimand.treatment or ABSENT
    yield "Variable", estimand.variable or ABSENT
    yield "Intercurrent events", events or ABSENT
    yield "Summary measure", estimand.summary or ABSENT
