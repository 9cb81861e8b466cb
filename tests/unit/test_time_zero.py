"""GT001 to GT003, and what satisfies them."""

from importlib.resources import files

import pytest

import sequela as sq
from sequela.audit.design import time_zero
from sequela.study.expressions import parse
from sequela.study.names import calendar

EXAMPLES = files("sequela") / "data" / "examples"


def study(name):
    return sq.Study.read(EXAMPLES / name)


def codes(findings, endpoint):
    return {finding.code for finding in findings if finding.where.field == f"endpoints.{endpoint}"}


def test_sepher_raises_all_three_at_once():
    findings = sq.audit_design(study("sepher"))
    assert codes(findings, "os") == {"GT001", "GT002", "GT003"}
    assert codes(findings, "os_t_dm1") == set()


def test_ovarian():
    findings = sq.audit_design(study("ovarian"))
    assert codes(findings, "os") == {"GT001", "GT002"}
    assert codes(findings, "pfs1") == {"GT001", "GT002"}
    assert codes(findings, "os_line2") == set()
    assert codes(findings, "pfs2") == set()


def test_a_covered_criterion_is_no_fault():
    """PFS of line 2 in second-line T-DM1: “T-DM1 in any line” follows from the groups, which are settled in time."""
    clocks = [clock for clock in time_zero(study("sepher")) if clock.analysis == "figure-4c"]
    assert [clock.faults for clock in clocks] == [()]


def test_delayed_entry_in_the_study_file_is_accepted(tmp_path):
    text = (EXAMPLES / "ovarian" / "study.toml").read_text("utf-8")
    changed = text.replace(
        'origin = "diagnosis.date"\n', 'origin = "diagnosis.date"\nentry = "line[2].start"\n'
    )
    assert changed != text
    (tmp_path / "study.toml").write_text(changed, encoding="utf-8")
    assert codes(sq.audit_design(sq.Study.read(tmp_path)), "os") == set()


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("age > 50", "diagnosis.date"),
        ("line[1] has platinum", "line[1].start"),
        ("lines >= 2", "line[2].start"),
        ("lines > 2", "line[3].start"),
        ("lines == 2", "the end of follow-up"),
        ("line_of(platinum) == 2", "line[2].start"),
        ("line_of(platinum) < 3", "line[2].start"),
        ("line_of(platinum) >= 2", "line_of(platinum).start"),
        ("any line has platinum", "line_of(platinum).start"),
        ("line[2].start - line[1].end > 180", "line[2].start"),
        ('line[1] stopped for "toxicity"', "line[1].end"),
        ("age > 50 and line[2] has taxane", "line[2].start"),
    ],
)
def test_when_an_expression_is_settled(text, settled):
    assert calendar(study("ovarian")).settled(parse(text)).name == settled
