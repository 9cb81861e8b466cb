"""`sq.lines`: any frame in, lines with their reasons out; bad rows are all named."""

from datetime import date

import pandas as pd
import polars as pl
import pytest

import sequela as sq
from sequela.core.errors import StudyError, UsageError

ROWS = {
    "patient": ["p", "p", "p", "q"],
    "drug": ["Herceptin", "Taxol", "Kadcyla", "T-DM1"],
    "start": [0, 0, 400, 10],
    "end": [380, 120, None, 90],
}


@pytest.mark.parametrize("frame", [pl.DataFrame(ROWS), pd.DataFrame(ROWS)], ids=["polars", "pandas"])
def test_frame_in_lines_out(frame):
    found = sq.lines(frame, rules="her2-abc")
    table = found.table.select("subject", "step", "start", "end", "start_reason", "end_reason", "rule")
    assert table.rows() == [
        ("p", 1, 0, 380, "first treatment", "new drug trastuzumab_emtansine", "first treatment"),
        ("p", 2, 400, None, "new drug trastuzumab_emtansine", "ongoing", "new drug"),
        ("q", 1, 10, 90, "first treatment", "last treatment", "first treatment"),
    ]
    assert [found.agents(mask) for mask in found.table["agents"]] == [
        ("paclitaxel", "trastuzumab"),
        ("trastuzumab_emtansine",),
        ("trastuzumab_emtansine",),
    ]
    assert found.rules.startswith("her2-abc 1.1.0 (sha256 ")


def test_dates_become_days():
    frame = pl.DataFrame(
        {"patient": ["p"], "drug": ["Taxol"], "start": [date(1970, 1, 11)], "end": [date(1970, 1, 21)]}
    )
    assert sq.lines(frame).table.select("start", "end").row(0) == (10, 20)


def test_every_bad_row_is_named():
    frame = pl.DataFrame(
        {
            "patient": ["p", "p", None],
            "drug": ["nonsense", "Taxol", "Taxol"],
            "start": [1, 9, 3],
            "end": [2, 4, 5],
        }
    )
    with pytest.raises(UsageError) as caught:
        sq.lines(frame)
    assert [(f.where.line, f.message) for f in caught.value.findings] == [
        (0, "unknown drug nonsense"),
        (1, "end before start"),
        (2, "no patient"),
    ]


def test_missing_column_and_unknown_rules():
    with pytest.raises(UsageError, match="no column 'end'"):
        sq.lines(pl.DataFrame({"patient": ["p"], "drug": ["Taxol"], "start": [1]}))
    with pytest.raises(StudyError, match="no rule set"):
        sq.lines(pl.DataFrame(ROWS), rules="her3-abc")


def test_more_agents_than_bits_keep_those_that_are_asked_for():
    from sequela.clinic.lines import OTHER, lines_of_therapy
    from sequela.clinic.rules import read_rules

    agents = [f"agent{i:02d}" for i in range(80)]
    rows = [(i, f"p{i}", agent, 0, 10, None) for i, agent in enumerate(agents)] + [
        (90, "q", "agent00", 0, 5, None)
    ]
    schema = {"row": pl.Int64, "patient": pl.String, "agent": pl.String, "start": pl.Int32, "end": pl.Int32}
    frame = pl.DataFrame(rows, schema={**schema, "stop_reason": pl.String}, orient="row")
    found = lines_of_therapy(
        frame, read_rules("generic-28-120"), lambda _: frozenset(), frozenset({"agent79"})
    )
    legend = found.sequences.legend
    assert len(legend) == 63
    assert {"agent00", "agent79", OTHER} <= set(legend)
    by_patient = dict(zip(found.sequences.table["subject"], found.sequences.table["agents"], strict=True))
    assert found.sequences.agents(by_patient["p79"]) == ("agent79",)
    hidden = next(i for i, agent in enumerate(agents) if agent not in legend)
    assert found.sequences.agents(by_patient[f"p{hidden}"]) == (OTHER,)
    assert found.sequences.table.filter(subject=f"p{hidden}")["regimen"][0].to_list() == [agents[hidden]]
