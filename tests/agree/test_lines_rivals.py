"""Lines counted under many rule sets at once, against each rule set folded alone."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequela.clinic.folding import NO_COURSES, Courses
from sequela.clinic.lines import lines_of_therapy
from sequela.clinic.rivals import lines_under
from sequela.clinic.rules import RuleSet
from tests.agree.line_twin import TREATMENTS
from tests.agree.test_lines import RULES, classes, course, given_as, policies, treatments


def frames(patients):
    """Treatments and courses of all patients as frames."""
    rows, grown, told = [], [], []
    for p, (mine, known) in enumerate(patients):
        rows += [(100 * p + t.row, f"p{p}", t.agent, t.start, t.end, None) for t in given_as(mine)]
        grown += [(f"p{p}", day) for day in known.progressions]
        told += [(f"p{p}", day, what) for day, what in known.decisions.items()]
    dated = {"patient": pl.String, "day": pl.Int32}
    return pl.DataFrame(rows, schema=TREATMENTS, orient="row"), Courses(
        pl.DataFrame(grown, schema=dated, orient="row"),
        pl.DataFrame(told, schema=dated | {"decision": pl.String}, orient="row"),
    )


def alone(frame, rules, courses):
    """The lines of each patient as (start, regimen)."""
    table = lines_of_therapy(frame, rules, classes, courses=courses, engine="plain").sequences.table
    found = {}
    for subject, start, regimen in table.select("subject", "start", "regimen").iter_rows():
        found.setdefault(subject, []).append((start, frozenset(regimen)))
    return found


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(treatments, course), min_size=1, max_size=4),
    st.lists(policies, min_size=1, max_size=2),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)), max_size=5),
    st.sampled_from(["plain", "compiled"]),
)
def test_counts_are_those_of_each_rule_set_alone(patients, drawn, grid, engine):
    named = {"name": "t", "version": "1", "title": "", "source": ""}
    asked = drawn + [
        {**one, "gap": {**one["gap"], "days": gap}, "regimen": {"window_days": window}}
        for gap, window in grid
        for one in drawn
    ]
    rules = [RuleSet.model_validate({**named, **one}) for one in asked]
    frame, courses = frames(patients)
    found = lines_under(frame, rules, classes, courses, engine)
    each = [alone(frame, one, courses) for one in rules]
    assert found.rows() == expected(each)


def expected(each):
    """What `lines_under` should count."""
    own = each[0]
    return [
        (
            "t 1",
            sum(map(len, one.values())),
            len(one),
            sum(len(lines) > 1 for lines in one.values()),
            sum(one.get(who) != own.get(who) for who in {*one, *own}),
        )
        for one in each
    ]


@pytest.mark.parametrize("engine", ["plain", "compiled"])
def test_neighbouring_gaps_and_windows_on_many_patients(engine):
    """Thousands of short courses, so that pauses and delays fall on, just below and just above every limit."""
    rng = np.random.default_rng(20261123)
    n, patients = 12_000, 2_500
    start = rng.integers(0, 90, n)
    frame = pl.DataFrame(
        {
            "row": np.arange(n),
            "patient": rng.integers(0, patients, n),
            "agent": rng.choice(list("aabccdez"), n),
            "start": start.astype(np.int32),
            "end": (start + rng.integers(0, 50, n)).astype(np.int32),
            "stop_reason": None,
        }
    ).with_columns(pl.col("patient").cast(pl.String))
    base = RULES.model_dump() | {"version": "1", "name": "t"}
    rules = [
        RuleSet.model_validate(
            base
            | {
                "gap": {"days": gap},
                "regimen": {"window_days": window},
                "new_drug": {"confirm_cycles": confirm},
            }
        )
        for confirm in (1, 2)
        for gap in (20, 14, 15, 16, 5)
        for window in (10, 9, 11, 30)
    ]
    found = lines_under(frame, rules, classes, engine=engine)
    assert found.rows() == expected([alone(frame, one, NO_COURSES) for one in rules])


def test_blocks_of_patients_add_up(monkeypatch):
    frame = pl.DataFrame(
        [(i, f"p{i // 2:02}", "ac"[i % 2], 40 * (i % 2), 50, None) for i in range(40)],
        TREATMENTS,
        orient="row",
    )
    named = {"name": "t", "version": "1", "title": "", "source": ""}
    rules = [RuleSet.model_validate({**named, "regimen": {"window_days": w}}) for w in (28, 60)]
    monkeypatch.setattr("sequela.clinic.rivals.BLOCK", 7)
    assert lines_under(frame, rules, classes).rows() == [("t 1", 40, 20, 20, 0), ("t 1", 20, 20, 0, 20)]


def test_no_rule_set_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        lines_under(pl.DataFrame(schema=TREATMENTS), [], classes)


def test_no_treatments_make_no_lines():
    rules = RuleSet.model_validate({"name": "t", "version": "1", "title": "", "source": ""})
    assert lines_under(pl.DataFrame(schema=TREATMENTS), [rules], classes).rows() == [("t 1", 0, 0, 0, 0)]
