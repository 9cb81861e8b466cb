"""Sequence groups are proved exclusive and exhaustive, or a patient is shown who breaks them."""

from sequela.study.expressions import parse
from sequela.study.partition import implies, prove

SEPHER = {
    "T, 2": "not line[1] has p and line_of(d) == 2",
    "T, 3": "not line[1] has p and line_of(d) >= 3",
    "P, 2": "line[1] has p and line_of(d) == 2",
    "P, 3": "line[1] has p and line_of(d) >= 3",
    "first": "line_of(d) == 1",
}


def proof(groups, *cohort):
    return prove({name: parse(text) for name, text in groups.items()}, tuple(map(parse, cohort)))


def test_sepher_is_a_partition():
    found = proof(SEPHER, "any line has d")
    assert found.complete
    assert found.overlaps == ()
    assert found.gap is None


def test_without_the_criterion_the_missing_sixth_cell_is_found():
    found = proof(SEPHER)
    assert found.gap is not None
    assert "line_of(d): none" in found.gap


def test_an_overlap_has_a_witness():
    found = proof({"low": "er < 10", "high": "er >= 5"})
    assert [(a, b) for a, b, _ in found.overlaps] == [("low", "high")]
    assert "er: 7.5" in found.overlaps[0][2] or "er: 5" in found.overlaps[0][2]


def test_a_gap_between_two_cuts():
    assert proof({"low": "er < 5", "high": "er > 5"}).gap == "er: 5"


def test_levels():
    assert proof({"a": 'stage in ["I", "II"]', "b": 'stage == "III"'}).gap == "stage: another level"
    assert proof({"a": 'stage == "I"', "b": 'not stage == "I"'}).gap is None


def test_too_many_cases_are_not_claimed_to_be_proved():
    groups = {f"g{i}": f"x{i} > 1" for i in range(20)}
    assert not proof(groups).complete


def test_implication():
    assert implies(parse("line_of(d) == 2"), parse("any line has d"))
    assert implies(parse("lines >= 3"), parse("lines >= 2"))
    assert not implies(parse("line[1] has p"), parse("any line has d"))
