"""The line fold against slow twins: one that keeps objects, and one that looks at the whole history at every step."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequela.clinic.lines import lines_of_therapy
from sequela.clinic.rules import RuleSet
from tests.agree.line_twin import TREATMENTS, Course, Treatment, by_kernel, fold

RULES = RuleSet.model_validate(
    {
        "name": "test",
        "version": "1.0.0",
        "title": "",
        "source": "",
        "regimen": {"window_days": 10},
        "gap": {"days": 30, "exempt_classes": ["tki"]},
        "new_drug": {"substitutions": [["a", "b"]]},
        "companion": {"classes": ["endocrine"]},
        "ignored": {"classes": ["bone"]},
    }
)
CLASSES = {"a": {"taxane"}, "b": {"taxane"}, "c": set(), "d": {"tki"}, "e": {"endocrine"}, "z": {"bone"}}


def classes(agent):
    return frozenset(CLASSES[agent])


treatments = st.lists(
    st.tuples(
        st.sampled_from(sorted(CLASSES)), st.integers(0, 120), st.one_of(st.none(), st.integers(0, 60))
    ),
    max_size=9,
)


def given_as(rows):
    return [
        Treatment(i, drug, start, None if length is None else start + length)
        for i, (drug, start, length) in enumerate(rows)
    ]


def twin(rows):
    """Lines as sets of row numbers: walk over the days, and rebuild the open line's state from its rows each time."""
    rows = [row for row in rows if row.agent != "z"]
    lines, open_rows = [], []
    for day in sorted({row.start for row in rows}):
        today = [row for row in rows if row.start == day]
        hard = [row for row in today if row.agent != "e"]
        held = [row for row in open_rows if row.agent != "e"]
        if hard and (not held or any(_opens(row, held) for row in hard)):
            if open_rows:
                lines.append(open_rows)
            open_rows = []
            held = hard
        if held:
            open_rows = open_rows + today
    return [*lines, open_rows] if open_rows else lines


def _opens(row, held):
    start = min(other.start for other in held)
    endless = any(other.end is None for other in held)
    last = max((other.end for other in held if other.end is not None), default=0)
    agents = {other.agent for other in held}
    if not endless and row.start - last > 30 and row.agent != "d":
        return True
    if row.start - start <= 10:
        return False
    return row.agent not in agents and not ({row.agent} & {"a", "b"} and agents & {"a", "b"})


@settings(max_examples=400, deadline=None)
@given(treatments)
def test_fold_agrees_with_its_twin(rows):
    rows = given_as(rows)
    lines, _ = fold(rows, RULES, classes)
    assert [{row for row, _ in line.rows} for line in lines] == [
        {row.row for row in line} for line in twin(rows)
    ]


@settings(max_examples=100, deadline=None)
@given(treatments, st.randoms(use_true_random=False))
def test_order_of_the_rows_changes_nothing(rows, random):
    rows = given_as(rows)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert fold(rows, RULES, classes) == fold(shuffled, RULES, classes)


@settings(max_examples=100, deadline=None)
@given(treatments, st.integers(-500, 500))
def test_moving_the_clock_moves_the_lines(rows, shift):
    rows = given_as(rows)
    moved = [
        Treatment(r.row, r.agent, r.start + shift, None if r.end is None else r.end + shift) for r in rows
    ]
    here, there = fold(rows, RULES, classes)[0], fold(moved, RULES, classes)[0]
    assert [line.start + shift for line in here] == [line.start for line in there]
    assert [(line.regimen, line.rule, line.rows) for line in here] == [
        (x.regimen, x.rule, x.rows) for x in there
    ]


@settings(max_examples=100, deadline=None)
@given(treatments)
def test_every_row_is_placed_once(rows):
    rows = given_as(rows)
    lines, outside = fold(rows, RULES, classes)
    placed = [row for line in lines for row, _ in line.rows] + [row for row, _ in outside]
    assert sorted(placed) == [row.row for row in rows]


@settings(max_examples=50, deadline=None)
@given(st.lists(treatments, min_size=1, max_size=4))
def test_the_table_holds_what_the_fold_says_of_each_patient(patients):
    records, expected = [], []
    for p, rows in enumerate(patients):
        mine = [Treatment(1000 * p + t.row, t.agent, t.start, t.end) for t in given_as(rows)]
        records += [(t.row, f"p{p}", t.agent, t.start, t.end, None) for t in mine]
        expected += [(f"p{p}", line.number, line.start, line.end) for line in fold(mine, RULES, classes)[0]]
    found = lines_of_therapy(pl.DataFrame(records, schema=TREATMENTS, orient="row"), RULES, classes)
    assert list(found.sequences.table.select("subject", "step", "start", "end").iter_rows()) == expected
    assert sorted(found.placed["row"].to_list()) == sorted(row[0] for row in records)


def changed(**parts):
    """RULES with keys of some parts changed."""
    found = RULES
    for name, keys in parts.items():
        part = getattr(found, name)
        found = found.model_copy(update={name: type(part).model_validate({**part.model_dump(), **keys})})
    return found


def moded_twin(rows, mode, progressions, confirm):
    """The same walk with progressions: what a new drug, a pause or a progression may do in each mode."""
    rows = [row for row in rows if row.agent != "z"]
    lines, open_rows, beside = [], [], []
    for day in sorted({row.start for row in rows}):
        today = [row for row in rows if row.start == day]
        hard = [row for row in today if row.agent != "e"]
        held = [row for row in open_rows if row.agent != "e" and row not in beside]
        verdicts = (
            [_verdict(row, held, mode, progressions, confirm, rows) for row in hard]
            if held
            else ["open"] * len(hard)
        )
        if "open" in verdicts:
            lines += [open_rows] if open_rows else []
            open_rows, held = [], hard
        elif held:
            beside += [row for row, verdict in zip(hard, verdicts, strict=True) if verdict == "beside"]
        if held:
            open_rows = open_rows + today
    return [*lines, open_rows] if open_rows else lines


def _verdict(row, held, mode, progressions, confirm, rows):
    start = min(other.start for other in held)
    grew = [p for p in progressions if start < p <= row.start + 30]
    known = row.agent in {other.agent for other in held}
    if mode in ("pd", "or") and grew and not known:
        return "open"
    opens = _opens(row, held)
    last = max(10**9 if other.end is None else other.end for other in held)
    pause = row.start - last > 30 and row.agent != "d"
    if not opens or (pause and mode != "pd"):
        return "open" if opens else "join"
    if mode == "pd":
        return "join"
    if mode == "and" and not [p for p in grew if p >= row.start - 60]:
        return "join"
    ahead = [other for other in rows if other.agent == row.agent and other.start >= row.start]
    cycles = sum(99 if other.end is None else 1 + (other.end - other.start) // 21 for other in ahead)
    return "open" if cycles >= confirm else "beside"


@settings(max_examples=600, deadline=None)
@given(
    treatments,
    st.sampled_from(["drug", "pd", "and", "or"]),
    st.lists(st.integers(0, 150), max_size=3),
    st.integers(1, 3),
)
def test_modes_agree_with_their_twin(rows, mode, progressions, confirm):
    rows = given_as(rows)
    rules = changed(progression={"mode": mode}, new_drug={"confirm_cycles": confirm})
    lines, _ = fold(rows, rules, classes, Course(tuple(progressions)))
    found = [{row for row, _ in line.rows} for line in lines]
    assert found == [{row.row for row in line} for line in moded_twin(rows, mode, progressions, confirm)]


@settings(max_examples=100, deadline=None)
@given(treatments, st.lists(st.integers(0, 150), max_size=3))
def test_progressions_change_nothing_in_mode_drug(rows, progressions):
    rows = given_as(rows)
    plain, told = fold(rows, RULES, classes), fold(rows, RULES, classes, Course(tuple(progressions)))
    assert [line.rows for line in plain[0]] == [line.rows for line in told[0]] and plain[1] == told[1]


policies = st.fixed_dictionaries(
    {
        "regimen": st.fixed_dictionaries({"window_days": st.integers(0, 30)}),
        "gap": st.fixed_dictionaries(
            {"days": st.integers(0, 60), "exempt_classes": st.sampled_from([[], ["tki"]])}
        ),
        "new_drug": st.fixed_dictionaries(
            {
                "substitutions": st.sampled_from(
                    [[], [["a", "b"]], [["b", "c"], ["a", "b"]], [["x", "a", "d"]]]
                ),
                "confirm_cycles": st.integers(1, 3),
                "cycle_days": st.sampled_from([7, 21]),
            }
        ),
        "companion": st.fixed_dictionaries({"classes": st.sampled_from([[], ["endocrine"], ["e", "c"]])}),
        "ignored": st.fixed_dictionaries({"classes": st.sampled_from([[], ["bone"], ["z", "d"]])}),
        "maintenance": st.fixed_dictionaries(
            {"min_days": st.integers(0, 60), "switch": st.sampled_from([[], ["tki"], ["b", "c"]])}
        ),
        "adding": st.fixed_dictionaries(
            {
                "classes": st.sampled_from([[], ["taxane"], ["c", "tki", "a"]]),
                "policy": st.sampled_from(["new line", "same line"]),
            }
        ),
        "progression": st.fixed_dictionaries(
            {
                "mode": st.sampled_from(["drug", "pd", "and", "or"]),
                "before_days": st.integers(0, 90),
                "after_days": st.integers(0, 40),
                "same_regimen": st.sampled_from(["same line", "new line"]),
                "beyond_days": st.integers(0, 40),
            }
        ),
    }
)
course = st.builds(
    Course,
    st.lists(st.integers(0, 150), max_size=3).map(tuple),
    st.dictionaries(st.integers(0, 120), st.sampled_from(["new line", "same line", "leave out"]), max_size=4),
)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.tuples(treatments, course), min_size=1, max_size=4),
    policies,
    st.sampled_from(["plain", "compiled"]),
)
def test_every_rule_in_every_combination_agrees_with_the_twin(patients, policy, engine):
    """Random patients under random rule sets: lines, reasons, lists, masks, places of rows, to the last word."""
    rules = RuleSet.model_validate({"name": "t", "version": "1", "title": "", "source": "", **policy})
    rows = [
        [Treatment(100 * p + t.row, t.agent, t.start, t.end, f"r{t.row}") for t in given_as(mine)]
        for p, (mine, _) in enumerate(patients)
    ]
    known = [one for _, one in patients]
    found = by_kernel(rows, rules, classes, known, engine)
    for mine, one, (lines, outside) in zip(rows, known, found, strict=True):
        expected, left = fold(mine, rules, classes, one)
        assert [replace(line, rows=tuple(sorted(line.rows))) for line in expected] == lines
        assert sorted(left) == outside


LOOKING_BACK = [
    {"gap": {"days": 30, "exempt_classes": ["tki"], "restart": "same line without progression"}},
    {"gap": {"days": 30, "restart": "same line"}, "progression": {"mode": "or", "after_days": 5}},
    {"new_drug": {"substitutions": [["a", "b"]], "after_toxicity_days": 20}, "maintenance": {"min_days": 10}},
    {
        "gap": {"days": 20, "restart": "same line without progression"},
        "new_drug": {"after_toxicity_days": 40, "confirm_cycles": 2},
    },
]


def _histories(rng, n):
    """Random histories: rows with reasons for stopping, progressions, now and then a decision by hand."""
    rows = iter(range(10**6))
    given, courses = [], []
    for _ in range(n):
        size = int(rng.integers(1, 9))
        starts = rng.integers(0, 200, size).tolist()
        ends = [None if rng.random() < 0.1 else start + int(rng.integers(0, 50)) for start in starts]
        agents = [str(agent) for agent in rng.choice(sorted(CLASSES), size)]
        why = ["toxicity" if rng.random() < 0.4 else None for _ in starts]
        given.append([Treatment(next(rows), *told) for told in zip(agents, starts, ends, why, strict=True)])
        days = tuple(sorted(rng.integers(0, 220, int(rng.integers(0, 3))).tolist()))
        told = {starts[0]: "new line"} if rng.random() < 0.1 else {}
        courses.append(Course(days, told))
    return given, courses


@pytest.mark.parametrize("keys", LOOKING_BACK)
def test_folding_again_is_one_fold_that_knows_what_comes(keys):
    """Restarts and swaps are decided by folding again; the twin knows them when it comes to the day."""
    rules = RuleSet.model_validate({**RULES.model_dump(), **keys})
    assert rules.looks_back
    given, courses = _histories(np.random.default_rng(11), 400)
    shipped = by_kernel(given, rules, classes, courses)
    seen = set()
    for rows, known, (lines, outside) in zip(given, courses, shipped, strict=True):
        own, own_outside = fold(rows, rules, classes, known)
        assert [replace(line, rows=tuple(sorted(line.rows))) for line in own] == lines
        assert sorted(own_outside) == outside
        seen |= {rule for line in lines for _, rule in line.rows}
    assert seen & {"same regimen again", "swap for toxicity"}
