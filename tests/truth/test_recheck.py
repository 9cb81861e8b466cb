"""`recheck` on the tables of a published paper, on Sequela's own reports, and on simulated papers."""

from pathlib import Path

import pytest

import sequela as sq
from sequela.cli.examples import copy_example
from sequela.study.model import Study
from tests.truth.recheck_papers import FAULTS, detection, false_alarms, table

PRINTED = Path(__file__).parent / "sepher_printed.toml"
TABLES = Path(__file__).parent / "sepher_tables.html"

KNOWN = {
    (
        "P210",
        "error",
        "table_2.ihc_subtype",
    ),  # 14 patients are PgR positive alone, and stand with the negative
    ("P210", "error", "table_3.ihc_subtype"),
    ("P203", "error", "table_3.neo_adjuvant_trastuzumab"),  # 63 + 76 = 139 of 177
    ("P204", "warning", "table_3.neo_adjuvant_trastuzumab, no"),  # the 76 of the other column
    ("P203", "note", "table_3.visceral"),  # 133 + 60 = 193 of 194
    ("P301", "error", "table_3.ihc_subtype"),  # 0.57 printed, 0.52 from the counts
    ("P301", "warning", "table_3.disease_free_interval"),  # 0.10 printed, 0.37 from the counts
    ("P302", "note", "table_3.metastatic_at_diagnosis"),  # 0.05 is Yates or Fisher, the others are Pearson
    ("P211", "warning", "table_3.neo_adjuvant_treatment"),  # 134 without, of 35 in the whole cohort
    ("P211", "warning", "table_3.neo_adjuvant_trastuzumab"),
    ("P403", "error", "cox.second_line.first_line_pertuzumab.pfs2_univariate"),  # 1.23 (1.00-1.67)
    ("P502", "note", "survival.second_line.os_from_metastatic_diagnosis"),  # 74, 52 and 73 against 41 months
}


def by_code(findings, code, field):
    return next(f for f in findings if f.code == code and str(f.where.field).startswith(field))


def test_paper_known_faults_and_no_others():
    findings = sq.recheck(PRINTED)
    assert {(f.code, f.severity, f.where.field) for f in findings} == KNOWN
    assert len(findings) == len(KNOWN)


def test_paper_figures():
    findings = sq.recheck(str(PRINTED))
    assert by_code(findings, "P204", "table_3").allowed == "114 (64.4%) makes the column 177"
    assert "both_negative 188" in by_code(findings, "P210", "table_2").allowed
    assert by_code(findings, "P210", "table_2").message.startswith(
        "the joint rows contradict `er` and `pgr`: 14 "
    )
    subtype = by_code(findings, "P301", "table_3.ihc")
    assert "Pearson 0.52" in subtype.allowed and "87/49/58; 81/37/59" in subtype.message
    assert "Pearson 0.040, Fisher 0.051, Yates 0.052" in by_code(findings, "P302", "table_3").allowed
    ratio = by_code(findings, "P403", "cox")
    assert ratio.message.endswith("the printed p belongs to the middle, 1.29")
    assert "p 0.10 to 0.13" in ratio.allowed


def test_paper_as_printed_in_html():
    """Tables 2 to 4 with their percentages, footnotes and captions: what the typed file cannot hold comes too."""
    findings = sq.recheck(TABLES)
    found = {(f.code, str(f.where.field)) for f in findings}
    assert found == {
        ("P202", "Table 2: Ki-67, unknown"),  # 63 of 555 is 11.4, not 11.3
        ("P208", "Table 2: Disease Free Interval in months, median, "
         "No first-line Pertuzumab / T-DM1 in subsequent lines"),
        ("P210", "Table 2: Immunohistochemical Subtype"),
        ("P210", "Table 3: Immunohistochemical Subtype"),
        ("P203", "Table 3: Neo-/adjuvant trastuzumab"),
        ("P204", "Table 3: Neo-/adjuvant trastuzumab, No"),
        ("P203", "Table 3: Visceral Metastatic Site(s)"),
        ("P301", "Table 3: Immunohistochemical Subtype"),
        ("P301", "Table 3: Disease Free Interval"),
        ("P302", "Table 3: Metastatic at Diagnosis"),
        ("P211", "Table 3: Neo-/adjuvant treatment"),
        ("P211", "Table 3: Neo-/adjuvant trastuzumab"),
        ("P209", "Table 4"),  # N:5555
    }  # fmt: skip


@pytest.mark.parametrize("name", ["ovarian", "sepher"])
def test_own_reports_are_silent(name, tmp_path):
    directory = copy_example(name, tmp_path / name)
    sq.run(Study.read(directory), directory / "out")
    pages = sorted((directory / "out").glob("tables/*.*ml")) + sorted(
        (directory / "out").glob("tables/*.csv")
    )
    assert len(pages) >= 20
    assert {
        str(page): sq.recheck(page)
        for page in [*pages, directory / "out" / "report.html"]
        if sq.recheck(page)
    } == {}


def test_planted_faults_are_found():
    found = detection(8)
    assert len(FAULTS) == 17
    missed = {name: counts for name, counts in found.items() if counts[1] < 6}
    assert missed == {}
    assert sum(named for named, _ in found.values()) >= 0.9 * 8 * len(FAULTS)


def test_clean_papers_are_silent():
    alarms, notes = false_alarms(120)
    assert alarms == 0
    assert notes <= 2


@pytest.mark.slow
def test_table_of_the_manual():
    manual = (Path(__file__).parents[2] / "docs" / "recheck.md").read_text("utf-8")
    assert table() in manual
