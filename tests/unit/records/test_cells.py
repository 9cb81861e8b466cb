"""Single cells that do not fit: null, and a finding with file, line, patient, field, found, allowed, next."""

import pytest

from sequela.records.columns import MOST
from tests.unit.records.layouts import GOOD, column, table


def only(found):
    (finding,) = found.findings
    return finding


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("integer", "5", "5.5"), ("integer", "5", "1_000"), ("integer", "5", "nan"), ("integer", "5", "1e40"),
        ("number", "5.5", "5,5"), ("number", "1", "inf"), ("number", "1", "NaN"),
        ("day", "-3", "99999999999"), ("date", "2019-01-02", "2019-02-30"), ("date", "2019-01-02", "soon"),
        ("boolean", "yes", "perhaps"),
    ],
)  # fmt: skip
def test_a_cell_of_another_type(tmp_path, kind, good, bad):
    found = column(tmp_path, [good, good, bad], type=kind)
    assert found.frame["x"].null_count() == 1
    finding = only(found)
    assert (finding.code, finding.severity, finding.found) == ("R201", "error", repr(bad))
    assert (finding.where.line, finding.where.patient, finding.where.field) == (4, "P3", "x")
    assert finding.where.file == str(tmp_path / "x.tsv")
    assert finding.allowed
    assert finding.remedy


def test_an_unknown_level_names_the_nearest(tmp_path):
    finding = only(column(tmp_path, ["alive", "daed"], type="category", levels=("Alive", "Dead")))
    assert (finding.code, finding.found, finding.allowed) == ("R202", "'daed'", "Alive, Dead")
    assert finding.remedy == "did you mean 'Dead'?"
    finding = only(column(tmp_path, ["alive", "zzz"], type="category", levels=("Alive", "Dead")))
    assert "levels" in finding.remedy


def test_out_of_range(tmp_path):
    found = table(tmp_path, GOOD.replace("50", "17").replace("61", "110"))
    assert found.frame["age"].to_list() == [None, 110, 70]
    finding = only(found)
    assert (finding.code, finding.found, finding.allowed) == (
        "R203",
        "'17'",
        "a whole number from 18 to 110 (years)",
    )


@pytest.mark.parametrize(
    ("limits", "kept", "allowed"),
    [
        ({"minimum": 0}, [None, 0, 5], "a number of at least 0"),
        ({"maximum": 0}, [-5, 0, None], "a number of at most 0"),
    ],
)
def test_half_open_ranges_include_their_end(tmp_path, limits, kept, allowed):
    found = column(tmp_path, ["-5", "0", "5"], type="number", **limits)
    assert found.frame["x"].to_list() == kept
    assert only(found).allowed == allowed


def test_required_but_missing(tmp_path):
    finding = only(column(tmp_path, ["a", "?", "b"], required=True, missing=("?",)))
    assert (finding.code, finding.found, finding.where.patient) == ("R204", None, "P2")


def test_very_many_bad_cells_are_listed_in_part_and_counted_in_full(tmp_path):
    bad = MOST + 7
    found = column(tmp_path, ["1"] * bad + ["x"] * bad, type="integer")
    assert found.frame["x"].null_count() == bad
    assert [finding.code for finding in found.findings] == ["R201"] * MOST + ["R206"]
    assert found.findings[-1].message.startswith("7 more")
