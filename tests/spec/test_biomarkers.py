"""Every row of every biomarker table, and what a missing input leaves open."""

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sequela.core.errors import UsageError
from sequela.study.biomarkers import biomarker_rule, call, rule_names

LINES = [
    tuple(part.strip() for part in line.split("|"))
    for line in (Path(__file__).parent / "biomarkers.txt").read_text("utf-8").splitlines()
    if line.strip() and not line.startswith("#")
]


def inputs(text: str) -> dict[str, list]:
    found: dict[str, list] = {}
    for part in text.split():
        name, value = part.split("=")
        number = value.replace(".", "").isdigit() and name not in ("ihc",)
        found[name] = [
            None if value == "-" else float(value) if number else value.replace("group_", "group ")
        ]
    return found


@pytest.mark.parametrize("case", LINES, ids=lambda case: f"{case[0]} {case[1]}")
def test_a_row_of_a_table(case):
    rule, given, result, because = case
    called = call(rule, **inputs(given))
    assert called.value.to_list() == [None if result == "?" else result]
    assert because in called.reason[0]


@pytest.mark.parametrize("name", rule_names())
def test_every_row_of_a_table_has_a_case_and_a_source(name):
    rule = biomarker_rule(name)
    assert rule.source and rule.version and rule.title
    cases = [case for case in LINES if biomarker_rule(case[0]).rows == rule.rows]
    said = {call(case[0], **inputs(case[1])).reason[0] for case in cases}
    assert {row.because for row in rule.rows} <= said
    assert any(case[0] == name for case in LINES)


def completions(rule, cells):
    """Every way in which unknown cells may turn out."""
    options = []
    for one, cell in zip(rule.inputs, cells, strict=True):
        known = dict(one.words)
        if one.levels:
            options.append(
                [cell]
                if cell in one.levels
                else known.get(cell) or ([one.blank] if one.blank else one.levels)
            )
        else:
            options.append(
                [cell] if cell is not None else [0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 7, 10, 11, 20, 21, 30]
            )
    return itertools.product(*options)


@pytest.mark.parametrize(
    "name", ["her2-2013", "her2-2018", "her2-ultralow", "ihc-subtype", "her2-ish-dual-2013"]
)
def test_a_result_is_what_all_completions_say(name):
    rng = np.random.default_rng(7)
    rule = biomarker_rule(name)
    for _ in range(120):
        cells = []
        for one in rule.inputs:
            options = [*one.levels, *(word for word, _ in one.words)] or [0.0, 1.0, 1.9, 2.0, 4.0, 6.0, 10.5]
            cells.append(None if rng.random() < 0.35 else options[rng.integers(len(options))])
        columns = {one.name: [cell] for one, cell in zip(rule.inputs, cells, strict=True)}
        value = call(rule, **columns).value[0]
        ways = list(completions(rule, cells))
        filled = call(rule, **{one.name: [way[at] for way in ways] for at, one in enumerate(rule.inputs)})
        said = set(filled.value.to_list())
        if value is not None:
            assert said == {value}, cells
        elif len(said) == 1 and None not in said and len(ways) > 1:
            raise AssertionError(f"{cells}: every completion says {said}")


def test_columns_of_any_kind_and_length():
    n = 3000
    percent = np.random.default_rng(1).uniform(0, 100, n)
    percent[::7] = np.nan
    called = call("er", percent=pl.Series(percent))
    assert called.value.null_count() == int(np.isnan(percent).sum())
    known = ~np.isnan(percent)
    assert np.array_equal(np.array(called.value)[known] == "positive", percent[known] >= 1)
    assert call("er", percent=90).value[0] == "positive"
    assert called.frame().columns == ["value", "reason"]


def test_a_shuffled_column_gives_a_shuffled_answer():
    cases = [inputs(case[1]) for case in LINES if case[0] == "her2-2018"]
    columns = {key: [case[key][0] for case in cases] for key in ("ihc", "ish", "recount")}
    order = np.random.default_rng(3).permutation(len(cases))
    straight = call("her2-2018", **columns).value.to_list()
    shuffled = call("her2-2018", **{key: [column[at] for at in order] for key, column in columns.items()})
    assert shuffled.value.to_list() == [straight[at] for at in order]


@pytest.mark.parametrize(
    ("rule", "columns", "code", "found"),
    [
        ("her2-1999", {"ihc": ["3+"]}, "M101", "her2-1999"),
        ("her2-2018", {"her2": ["3+"]}, "M102", "her2"),
        ("her2-2018", {"ihc": ["3+"], "ish": ["amplified", None]}, "M102", "ihc"),
        ("her2-2018", {"ihc": ["+++"]}, "M103", "'+++'"),
        ("er", {"percent": [101.0]}, "M103", "101"),
        ("er", {"percent": ["a few"]}, "M103", "a few"),
        (
            "her2-ihc-2018",
            {
                "intense_complete": [60],
                "moderate_complete": [60],
                "moderate_incomplete": [0],
                "faint_incomplete": [0],
            },
            "M103",
            "120",
        ),
    ],
)
def test_wrong_input_has_one_clear_error(rule, columns, code, found):
    with pytest.raises(UsageError) as caught:
        call(rule, **columns)
    (finding,) = caught.value.findings
    assert finding.code == code
    assert found in (finding.found or "")
    assert finding.allowed
