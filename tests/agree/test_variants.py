"""V1 to V7 against a slow twin that reads each simulated patient's files by themselves, and what cannot be counted."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sequela.clinic.endpoints import derive
from sequela.report.content_tables import House
from sequela.report.variants import range_words, variant_forest, variant_tables
from sequela.study.named_endpoints import variants
from sequela.walk.audit_outputs import as_dict, write_audit
from sequela.walk.auditing import audit
from sequela.walk.variants import _intervals, variants_of

CUT = np.datetime64("2018-12-31").astype(int)
HOUSE = House.of("plain", "month", None)


@pytest.fixture(scope="module")
def counted(sepher):
    return {one.endpoint: one for one in variants_of(sepher)}


@pytest.fixture(scope="module")
def lives(sepher):
    """Each patient of the cohort with two lines, from the files and the derived lines, in plain Python."""
    data = Path(sepher.study.path).parent / "data"

    def dates(name, column):
        frame = pl.read_csv(data / f"{name}.csv", comment_prefix="#").select(
            "patient", pl.col(column).str.to_date().cast(pl.Int32).alias("day")
        )
        found = {}
        for who, day in frame.drop_nulls().iter_rows():
            found.setdefault(who, []).append(day)
        return found

    progressions, visits = dates("progressions", "date"), dates("visits", "date")
    deaths, contacts = dates("follow_up", "death_date"), dates("follow_up", "last_contact_date")
    lines = sepher.lines.sequences.table.filter(step=2)
    return [
        {
            "patient": line["subject"],
            "start": line["start"],
            "end": line["end"],
            "toxic": line["stop_reason"] == "toxicity",
            "progressions": progressions.get(line["subject"], []),
            "visits": visits.get(line["subject"], []),
            "death": max(deaths.get(line["subject"], [None]), default=None),
            "seen": max(contacts[line["subject"]]),
        }
        for line in lines.iter_rows(named=True)
    ]


def twin(life, code):
    """(time, event) of one patient and variant; None without follow-up."""
    start = life["start"]
    first = min([day for day in life["progressions"] if day > start], default=None)
    ends = {"progression": first, "death": life["death"]}
    if code in ("V2", "V3") and life["toxic"]:
        ends["toxicity"] = life["end"]
    if code == "V3" and life["death"] is None and life["seen"] < CUT - 183:
        ends["lost"] = life["seen"]
    if code in ("V4", "V5"):
        ends["stop"] = life["end"]
    if code == "V5":
        del ends["progression"]
    days = [day for day in ends.values() if day is not None]
    last = max(life["visits"], default=None) if code in ("V1", "V6") else life["seen"]
    end, event = (min(days), 1) if days else (last, 0)
    if code == "V6" and event:
        visit = max([day for day in life["visits"] if start <= day < end], default=start)
        if end - visit > 2 * 63:
            end, event = visit, 0
    return None if end is None or end <= start else (end - start, event)


@pytest.mark.parametrize("code", ["V1", "V2", "V3", "V4", "V5", "V6"])
def test_times_equal_those_of_a_slow_twin(sepher, lives, code):
    chosen = {one.code: one.endpoint for one in variants(sepher.study, sepher.study.endpoints["pfs2"])}
    outcome = derive("pfs2", chosen[code], sepher.people, sepher.registry.moments)
    found = dict(
        zip(outcome.times.ids, zip(outcome.times.exit, outcome.times.state, strict=True), strict=True)
    )
    expected = {life["patient"]: twin(life, code) for life in lives}
    assert found == {who: time for who, time in expected.items() if time is not None}
    assert len(found) > 450


def test_intervals_of_v7(sepher, lives):
    one = variants(sepher.study, sepher.study.endpoints["pfs2"])[6]
    outcome = derive("pfs2", one.endpoint, sepher.people, sepher.registry.moments)
    left, right = _intervals(one, outcome, sepher.registry.moments["assessment"], outcome.times)
    place = {who: i for i, who in enumerate(outcome.times.ids)}
    kinds = set()
    for life in lives:
        time = twin(life, "V1")
        if time is None:
            continue
        end, event = time
        i, start = place[life["patient"]], life["start"]
        seen = max([day for day in life["visits"] if start <= day < start + end], default=start) - start
        progressed = event and start + end in life["progressions"]
        kinds.add((bool(event), bool(progressed)))
        wanted = (seen if progressed else end, end if event else np.inf)
        assert (left[i], right[i]) == wanted
    assert len(kinds) == 3


def test_the_table_of_the_demo(counted, sepher_run):
    table = counted["Progression-free survival, line 2"]
    rows = {row.code: row for row in table.rows}
    assert list(rows) == ["As asked", "V1", "V2", "V3", "V4", "V5", "V6", "V7"]
    # The paper's composite, as the study file has it, is V2.
    assert rows["As asked"].hazard_ratio == rows["V2"].hazard_ratio
    assert rows["V3"].events > rows["V2"].events
    ratios = [row.hazard_ratio.value for row in table.rows]
    assert table.span == (min(ratios), max(ratios)) and table.span[0] < table.span[1]
    assert table.significant == (sum(row.hazard_ratio.p <= 0.05 for row in table.rows), 8)
    assert not table.late and counted["Progression-free survival, line 1"].late
    assert all(50 < gap < 75 for gap in table.visits) and all(0 < wait < 60 for wait in table.waits)
    assert sum(row.events for row in table.causes) == rows["V2"].events
    for group in table.groups:  # the causes at one time cannot add up to more than one
        ends = [row.at[1].value for row in table.causes if row.group == group]
        assert 0 < sum(ends) < 1
    assert {"variants-pfs2-1", "variants-pfs2-1-events"} <= set(sepher_run.tables)
    assert "What counts as an end?" in (sepher_run.out / "report.html").read_text("utf-8")


def test_what_cannot_be_counted_says_why(ovarian):
    tables = variants_of(ovarian)
    assert len(tables) == 2
    for table in tables:
        reasons = {row.code: row.reason for row in table.rows if row.reason}
        assert reasons == {
            "V2": "the treatments have no stop_reason", "V3": "the treatments have no stop_reason",
            "V6": "no visits are recorded", "V7": "no visits are recorded",
        }  # fmt: skip
        printed = variant_tables(table, HOUSE)[0]
        assert "not counted: no visits are recorded" in [row.cells[-1].text for row in printed.rows]
        assert "ways to count" in range_words(table, HOUSE) and table.visits == ()
        assert len(variant_forest(table, HOUSE).data["estimate"]) == 4


def test_they_can_be_left_out(ovarian):
    from dataclasses import replace

    report = ovarian.study.report.model_copy(update={"variants": False})
    assert variants_of(replace(ovarian, study=ovarian.study.model_copy(update={"report": report}))) == ()


def test_they_stand_on_the_audit_page(sepher, tmp_path):
    found = audit(sepher)
    page = write_audit(sepher, found, tmp_path, None).read_text("utf-8")
    assert "What counts as an end?" in page and "V3: The same with losses to follow-up as events" in page
    ratios = as_dict(found)["variants"][0]["hazard_ratios"]
    assert set(ratios) == {"As asked", *(f"V{i}" for i in range(1, 8))}
