"""Small invented inputs, shared by the tests of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sequela.core.finding import Finding, Where
from sequela.core.outcome import Times
from sequela.estimates import curves as estimates
from sequela.report.figures import (
    Comparison,
    Event,
    Figure,
    FlowStep,
    ForestRow,
    Lane,
    Segment,
    agreement,
    bars,
    flow,
    forest,
    kaplan_meier,
    naive_and_corrected,
    swimmer,
)
from sequela.report.tables import Cell, Column, Row, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sequela.core.estimate import Curve

BANNER = "Simulated patients"


def invented_times(rng: np.random.Generator, n: int, scale: float, *, delayed: bool = False) -> Times:
    """Exponential times with uniform censoring, in days; with `delayed`, most enter during the first year."""
    event = np.ceil(rng.exponential(scale, n) * 30.4375)
    censored = np.ceil(rng.uniform(4, 70, n) * 30.4375)
    exits, state = np.minimum(event, censored), (event <= censored).astype(int)
    entry = np.floor(rng.uniform(0, 365, n)) * (rng.random(n) < 0.6) if delayed else np.zeros(n)
    seen = exits > entry
    return Times(exits[seen], state[seen], entry=entry[seen])


def invented_curves(names: Sequence[str], seed: int = 4, n: int = 150, scale: float = 24) -> dict[str, Curve]:
    rng = np.random.default_rng(seed)
    return {
        name: estimates.kaplan_meier(invented_times(rng, n + 13 * place, scale / (1 + 0.4 * place)))
        for place, name in enumerate(names)
    }


def count(n: int, whole: int, **options: Any) -> Cell:
    share = 100 * n / whole
    return Cell(f"{n} ({share:.1f}%)", n, parts=(("percent", share),), **options)


def table() -> Table:
    early = "Patients with early disease at diagnosis."
    return Table(
        id="table-3",
        number="Table 3",
        title="Characteristics of the patients who received T-DM1 in second line, by first-line treatment",
        stub="Characteristic",
        columns=(
            Column("Trastuzumab → T-DM1\n(n = 194)", "First line"),
            Column("Pertuzumab, trastuzumab → T-DM1\n(n = 177)", "First line"),
            Column("p value"),
        ),
        rows=(
            Row("Progesterone receptor", (Cell(""), Cell(""), Cell("0.83", 0.8281)), kind="group"),
            Row("Positive", (count(91, 194), count(85, 177), Cell("")), indent=1),
            Row("Negative", (count(103, 194), count(92, 177), Cell("")), indent=1),
            Row("Ki-67, %", (Cell(""), Cell(""), Cell("0.046", 0.0462)), kind="group"),
            Row("≤20", (count(45, 176), count(26, 157), Cell("")), indent=1),
            Row(">20", (count(131, 176), count(131, 157), Cell("")), indent=1),
            Row("Unknown", (Cell("18", 18), Cell("20", 20), Cell("")), indent=1, kind="muted"),
            Row(
                "Neo-/adjuvant treatment",
                (Cell(""), Cell(""), Cell("0.38", 0.3841)),
                kind="group",
                notes=(early,),
            ),
            Row("Yes", (count(128, 194), count(109, 177), Cell("")), indent=1),
            Row(
                "No",
                (count(66, 194), count(68, 177, notes=("Two of them not confirmed.",)), Cell("")),
                indent=1,
            ),
        ),
        notes=(
            "Data are n (%). Percentages are of patients with a known value.",
            "T-DM1, trastuzumab emtansine.",
        ),
        banner=BANNER,
    )


def findings() -> tuple[Finding, ...]:
    return (
        Finding("D210", "warning", "the cell stands in two rows", Where("lines.csv", 18, "drug", "P14", "A")),
        Finding(
            "S301",
            "error",
            "the groups are settled after time zero",
            Where("study.toml", 41, "sequences"),
            found="`line[2] has t_dm1` is known from line[2].start on",
            allowed="anchors up to metastatic.date",
            remedy="start the clock at `line[2].start`, or let patients enter late",
        ),
        Finding(
            "D104",
            "error",
            "death before the start of the last line",
            Where("patients.csv", 7, "death_date", "P006", "B"),
            found="2019-02-03",
            allowed="from 2019-05-20 on",
            remedy="ask the centre",
        ),
        Finding("D310", "note", "day unknown, 15 assumed", Where("patients.csv", 9, "birth", "P8", "A")),
    )  # fmt: skip


def forest_rows() -> list[ForestRow]:
    return [
        ForestRow("First line", "Trastuzumab", 194, 161, reference=True),
        ForestRow("First line", "Pertuzumab, trastuzumab", 177, 139, 1.24, 0.98, 1.57, 0.076),
        ForestRow("Visceral metastases", "No", 102, 70, reference=True),
        ForestRow("Visceral metastases", "Yes", 268, 230, 1.61, 1.22, 2.12, 0.0007, interaction_p=0.41),
        ForestRow("Brain metastases", "Yes", 4, 0, reason="no events"),
        ForestRow("Age, per 10 years", "", 371, 300, 1.04, 0.95, 1.14, 0.39),
    ]


def lanes() -> list[Lane]:
    drugs = ("THP", "T-DM1", "T-DXd", "Capecitabine, lapatinib", "Tucatinib", "Vinorelbine", "Endocrine")
    rng = np.random.default_rng(2)
    made: list[Lane] = []
    for place in range(12):
        start, segments = 0.0, list[Segment]()
        for step in range(int(rng.integers(1, 5))):
            length = float(rng.gamma(2, 4))
            segments.append(Segment(start, start + length, drugs[(step + int(rng.integers(0, 3))) % 7]))
            start += length + 1
        events = tuple(Event(segment.end, "Progression") for segment in segments[:-1])
        died = bool(rng.random() < 0.5)
        ends = (*events, Event(start, "Death")) if died else events
        made.append(Lane(f"P{place + 1:03d}", tuple(segments), ends, ongoing=not died))
    return made


def figures() -> list[Figure]:
    """One of each kind."""
    pair = invented_curves(["Trastuzumab → T-DM1", "Pertuzumab, trastuzumab → T-DM1"])
    steps = [
        FlowStep(
            "Patients in the extract", 1204, (("HER2 negative or unknown", 310), ("no line recorded", 62))
        ),
        FlowStep("HER2-positive with a first line", 832, (("no second line", 180), ("not T-DM1", 281))),
        FlowStep("Analysed", 371),
    ]
    return [
        flow(steps, [("Trastuzumab → T-DM1", 194), ("Pertuzumab, trastuzumab → T-DM1", 177)], banner=BANNER),
        kaplan_meier(
            pair,
            id="pfs2",
            title="Progression-free survival from the start of second line, by first-line treatment",
            x_label="Time since start of second line",
            y_label="Progression-free survival",
            annotations=("Hazard ratio 1.24 (95% CI 0.98 to 1.57); log-rank p = 0.076",),
            landmarks=(12,),
            banner=BANNER,
        ),
        forest(
            forest_rows(), title="Hazard ratios for progression or death", note="371 patients.", banner=BANNER
        ),
        naive_and_corrected(
            [
                Comparison("Overall survival", (0.55, 0.42, 0.71), (0.93, 0.70, 1.22)),
                Comparison("Progression-free survival", (0.80, 0.64, 1.00), (1.02, 0.80, 1.29)),
            ],
            title="The same patients, two time zeros",
            banner=BANNER,
        ),
        bars(
            {"1": [210], "2": [160], "3": [95], "4 or more": [31]}, title="Lines per patient", banner=BANNER
        ),
        agreement(
            [[180, 5, 0], [7, 160, 10], [1, 0, 92]],
            ["Line 1", "Line 2", "Line 3"],
            ["Line 1", "Line 2", "Line 3"],
            title="Lines given and derived",
            banner=BANNER,
        ),
        swimmer(lanes(), x_label="Time since start of first line", title="Twelve patients", banner=BANNER),
    ]
