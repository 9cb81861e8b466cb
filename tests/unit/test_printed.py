"""Reading of documents, rounding, and each rule of the printed-number check at its edge."""

import json
import math
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from docx import Document as Word
from scipy import stats

import sequela as sq
import sequela.audit.printed as room
from sequela.audit.printed.content import Ratio, key
from sequela.audit.printed.numbers import Count, Printed, count, decimal, marks, p_value, span, unmarked
from sequela.audit.printed.pvalues import p_by_test
from sequela.audit.printed.ratios import check_ratios
from sequela.audit.printed.recheck import checked, read_document
from sequela.cli import main
from sequela.cli.codes import catalogue
from sequela.core.errors import UsageError
from sequela.core.finding import Where
from sequela.records import documents
from sequela.records.documents import Grid, csv_grid, html_grids, read_grids

HEAD = ("", "A (n = 194)", "B (n = 177)", "p value")


def grid(*rows, head=HEAD, caption="", notes=None):
    return Grid(caption, (head, *rows), 1, tuple(range(1, len(rows) + 2)), notes)


def codes(*rows, **options):
    return [finding.code for finding in sq.recheck(grid(*rows, **options))]


# numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("91", Count(91)),
        ("91 (46.9%)", Count(91, Printed(46.9, 0.05))),
        ("92 (52.0)%", Count(92, Printed(52.0, 0.05))),
        ("132 (68%)", Count(132, Printed(68, 0.5))),
        ("1,234 (56·7)", Count(1234, Printed(56.7, 0.05))),
        ("91/194 (46.9%)", Count(91, Printed(46.9, 0.05), 194)),
        ("46.9% (91)", Count(91, Printed(46.9, 0.05))),
        ("54 (26–87)", None),
        ("54.2 (12.1)", None),
        ("–", None),
    ],
)
def test_counts(text, expected):
    found = count(text)
    if expected is None or expected.percent is None:
        assert found == expected
    else:
        assert found is not None
        assert found.percent is not None
        assert (found.value, found.of, found.percent.value) == (
            expected.value,
            expected.of,
            expected.percent.value,
        )
        assert found.percent.half == pytest.approx(expected.percent.half)


@pytest.mark.parametrize(
    "text", ["1.79 (1.23–2.61)", "1.79 (1.23 to 2.61)", "1.79 (95% CI 1.23-2.61)", "1·79 [1·23; 2·61]"]
)
def test_spans(text):
    found = span(text)
    assert found is not None
    assert (found.value.value, found.lower.value, found.upper.value) == (1.79, 1.23, 2.61)


def test_spans_without_an_end():
    found = span("44.9 (23.6 to NR)")
    assert found is not None
    assert math.isinf(found.upper.value)
    assert span("1 (reference)") is None


def test_p_values():
    assert p_value("0.83") == Printed(0.83, pytest.approx(0.005))
    assert str(p_value("<0.0001")) == "<0.0001"
    assert p_value("p = .03") == Printed(0.03, pytest.approx(0.005))
    assert p_value("NS") is None
    small, large = p_value("<0.001"), p_value(">0.99")
    assert small is not None and small.holds(0.0005) and not small.holds(0.002)
    assert large is not None and large.holds(1.0) and not large.holds(0.9)


def test_rounding_allows_both_ways_of_a_half():
    assert decimal("12.5").holds(12.45)
    assert decimal("12.5").holds(12.55)
    assert not decimal("12.5").holds(12.5501)


def test_marks_and_keys():
    assert marks("Ki-67^a^") == ("a",)
    assert unmarked("Neo-/adjuvant treatment *") == "Neo-/adjuvant treatment"
    assert key("T-DM1 in subsequent lines") == key("T-DM1 Subsequent Lines")
    assert key("Oestrogen receptor") == key("Estrogen Receptor")
    assert key("≤ 20") != key("> 20")


# what rounding can explain is never reported


def test_rounded_ratios_are_silent():
    rng = np.random.default_rng(20)
    for _ in range(3000):
        beta, se, digits = rng.normal(0, 0.8), rng.uniform(0.03, 1.2), int(rng.integers(1, 4))
        z = stats.norm.ppf(0.975)
        parts = [decimal(f"{math.exp(beta + k * z * se):.{digits}f}") for k in (0, -1, 1)]
        p = p_value(f"{2 * stats.norm.sf(abs(beta / se)):.{int(rng.integers(2, 5))}f}")
        text = f"{parts[0]} ({parts[1]}–{parts[2]})"
        printed = span(text)
        assert printed is not None
        assert list(check_ratios([Ratio(text, printed, p, Where())])) == [], (text, p)


def test_rounded_percentages_are_silent():
    rng = np.random.default_rng(21)
    for _ in range(500):
        sizes, digits = rng.integers(20, 500, size=2), int(rng.integers(0, 3))
        yes = [int(rng.integers(0, n + 1)) for n in sizes]
        rows = [
            (name, *(f"{c} ({100 * c / n:.{digits}f}%)" for c, n in zip(counts, sizes, strict=True)), "")
            for name, counts in (("Yes", yes), ("No", [int(n) - c for n, c in zip(sizes, yes, strict=True)]))
        ]
        head = ("", f"A (n = {sizes[0]})", f"B (n = {sizes[1]})", "p value")
        assert codes(("Visceral", "", "", ""), *rows, head=head) == [], rows


# p-values against an independent program


def test_p_by_test_agrees_with_scipy():
    rng = np.random.default_rng(22)
    for _ in range(40):
        rows = int(rng.integers(2, 4))
        counts = rng.integers(3, 40, size=(rows, 2))
        found = p_by_test(counts)
        assert found["Pearson"] == pytest.approx(stats.chi2_contingency(counts, correction=False).pvalue)
        ratio = stats.chi2_contingency(counts, correction=False, lambda_="log-likelihood")
        assert found["likelihood ratio"] == pytest.approx(ratio.pvalue)
        if rows == 2:
            assert found["Yates"] == pytest.approx(stats.chi2_contingency(counts, correction=True).pvalue)
            assert found["Fisher"] == pytest.approx(stats.fisher_exact(counts)[1])
        else:
            scores = np.repeat(np.arange(3), counts.sum(axis=1))
            group = np.concatenate([np.repeat([0, 1], row) for row in counts])
            r = np.corrcoef(scores, group)[0, 1]
            assert found["linear trend"] == pytest.approx(stats.chi2.sf((len(group) - 1) * r**2, 1))


# rules at their edges


def test_copied_cell_names_the_count_that_mends_it():
    findings = sq.recheck(
        grid(
            ("Trastuzumab", "", "", "0.48"),
            ("Yes", "76 (39.2%)", "63 (35.6%)", ""),
            ("No", "118 (60.8%)", "76 (39.2%)", ""),
        )
    )
    assert [finding.code for finding in findings] == ["P203", "P204"]  # 0.48 is right with 114
    assert findings[1].allowed == "114 (64.4%) makes the column 177"
    assert findings[1].where.line == 4


def test_known_values_are_a_denominator():
    assert (
        codes(
            ("Ki-67", "", "", "0.05"),
            ("≤20", "45 (25.6%)", "26 (16.6%)", ""),
            (">20", "131 (74.4%)", "131 (83.4%)", ""),
        )
        == []
    )


def test_an_unknown_row_must_make_the_group_whole():
    rows = ("Ki-67", "", "", ""), ("≤20", "45", "26", ""), (">20", "131", "131", "")
    assert codes(*rows, ("Unknown", "18", "20", "")) == []
    assert codes(*rows, ("Unknown", "18", "21", "")) == ["P203"]


def test_several_sites_per_patient_are_no_fault():
    assert (
        codes(
            ("Sites", "", "", ""),
            ("Bone", "120 (61.9%)", "99 (55.9%)", ""),
            ("Liver", "90 (46.4%)", "80 (45.2%)", ""),
        )
        == []
    )


def test_last_digit_adjusted_is_a_note():
    head = ("", "All (n = 555)")
    found = sq.recheck(
        grid(("Ki-67", ""), ("≤20", "103 (18.6)"), (">20", "389 (70.1)"), ("unknown", "63 (11.3)"), head=head)
    )
    assert [(finding.code, finding.severity) for finding in found] == [("P202", "note")]


def test_a_footnote_may_define_the_joint_row():
    head = ("", "All (n = 555)")
    margins = (
        ("ER^b^", ""),
        ("Positive", "353"),
        ("Negative", "202"),
        ("PgR", ""),
        ("Positive", "258"),
        ("Negative", "297"),
    )
    joint = ("Both positive", "244"), ("ER or PgR positive", "109"), ("Both negative", "202")
    assert codes(*margins, ("Subtype", ""), *joint, head=head, notes="") == ["P210"]
    defined = "^a^ PgR alone counts as negative."
    assert codes(*margins, ("Subtype^a^", ""), *joint, head=head, notes=defined) == []
    assert codes(*margins, ("Subtype", ""), *joint, head=head) == []  # a format without footnotes
    right = ("Both positive", "244"), ("ER or PgR positive", "123"), ("Both negative", "188")
    assert codes(*margins, ("Subtype", ""), *right, head=head, notes="") == []


@pytest.mark.parametrize(
    ("ratio", "p", "expected"),
    [
        ("1.79 (1.23–2.61)", "0.002", []),
        ("1.23 (1.00–1.67)", "0.049", ["P403"]),
        ("1.29 (1.00–1.67)", "0.049", []),
        ("1.79 (1.23–2.61)", "0.02", ["P404"]),
        ("2.79 (1.23–2.61)", "0.002", ["P402"]),
        ("1.79 (2.61–1.23)", "0.002", ["P401"]),
        ("0.05 (0.01–0.30)", "0.001", []),
        ("1.5 (0.8–NR)", "0.2", []),
    ],
)
def test_ratios(ratio, p, expected):
    assert codes(("Arm B", ratio, p), head=("", "HR (95% CI)", "p value")) == expected


def test_other_levels_of_confidence():
    assert codes(("Arm B", "1.50 (1.14–1.98)", "0.016"), head=("", "HR (90% CI)", "p value")) == []
    assert codes(("Arm B", "1.50 (1.14–1.98)", "0.016"), head=("", "HR (95% CI)", "p value")) == ["P404"]


def test_each_ratio_has_the_p_value_to_its_right():
    head = (
        "",
        "Univariate – HR (95% CI)",
        "Univariate – p",
        "Multivariable – HR (95% CI)",
        "Multivariable – p",
    )
    row = ("Arm B", "1.79 (1.23–2.61)", "0.002", "1.10 (0.75–1.61)", "0.62")
    assert codes(row, head=head) == []
    assert codes((*row[:2], "0.62", row[3], "0.002"), head=head) == ["P404", "P404"]


def test_whole_numbers_beside_percentages_are_no_counts():
    rows = (
        ("Sex", "", "", ""),
        ("Female", "100 (51.5%)", "90 (50.8%)", ""),
        ("Male", "94 (48.5%)", "87 (49.2%)", ""),
    )
    assert codes(*rows, ("CA-125, U/ml", "35", "40", "0.7")) == []
    assert codes(*rows, ("Brain", "35 (18.0%)", "40 (22.6%)", "0.7")) == ["P301"]


def test_percentages_of_their_own_sum_belong_together():
    rows = (
        ("Grade", "", "", ""),
        ("G1", "20 (11.1%)", "30 (18.2%)", ""),
        ("G2", "100 (55.6%)", "75 (45.5%)", ""),
    )
    assert codes(*rows, ("G3", "60 (33.3%)", "60 (36.4%)", "")) == []
    assert codes(*rows, ("G3", "60 (33.3%)", "60 (46.4%)", "")) == ["P201"]


def test_a_row_that_no_longer_fits_its_groups_stands_alone():
    rows = (
        ("Grade", "", "", "0.13"),
        ("G1", "20 (11.1%)", "30 (18.2%)", ""),
        ("G2", "160 (88.9%)", "135 (81.8%)", ""),
    )
    assert codes(*rows, ("Brain metastases", "35 (18.0%)", "40 (22.6%)", "")) == ["P301"]  # 0.06
    right = ("Grade", "", "", "0.06"), *rows[1:]
    assert codes(*right, ("Brain metastases", "35 (18.0%)", "40 (22.6%)", "")) == []


# documents


def test_html_spans_superscripts_and_notes():
    text = """<p>before</p><table><caption>Table 1 (N = 371)</caption>
    <thead><tr><th rowspan="2">X</th><th colspan="2">Arms</th></tr>
    <tr><th>A (n&nbsp;=&nbsp;194)</th><th>B</th></tr></thead>
    <tr><td>Ki-67<sup>a</sup></td><td>45</td><td>26</td></tr></table><p><sup>a</sup> Of the known.</p><table></table>"""
    first, second = html_grids(text)
    assert first.rows[0] == ("X", "Arms", "Arms")
    assert first.rows[2] == ("Ki-67^a^", "45", "26")
    assert (first.heads, first.caption) == (2, "Table 1 (N = 371)")
    assert first.lines[2] == 4
    assert "^a^ Of the known." in (first.notes or "")
    assert second.rows == ()


def test_csv_leaves_out_full_numbers_and_comments():
    read = csv_grid("# Simulated\ngroup,Item,A (n = 2),A (n = 2): value\nSex,Female,1 (50.0%),1\n", "t")
    assert read.rows == (("Item", "A (n = 2)"), ("Female", "1 (50.0%)"))
    assert read.lines == (2, 3)


def word(path, rows, caption="Table 1 Characteristics"):
    made = Word()
    made.add_paragraph(caption)
    table = made.add_table(rows=len(rows), cols=len(rows[0]))
    for i, row in enumerate(rows):
        for j, text in enumerate(row):
            table.cell(i, j).text = text
    note = made.add_paragraph()
    note.add_run("a").font.superscript = True
    note.add_run("Of the known.")
    made.save(str(path))


def test_docx(tmp_path):
    rows = [
        HEAD,
        ("Visceral", "", "", "0.11"),
        ("Yes", "133 (68.6%)", "135 (76.3%)", ""),
        ("No", "61 (31.4%)", "62 (35.0%)", ""),
    ]
    path = tmp_path / "paper.docx"
    word(path, rows)
    (read,) = read_grids(path)
    assert read.caption == "Table 1 Characteristics"
    assert read.heads == 1
    assert read.notes == "^a^Of the known."
    assert [finding.code for finding in sq.recheck(path)] == ["P203", "P301"]


def test_frames():
    pandas = pytest.importorskip("pandas")
    rows = [("Visceral", "", ""), ("Yes", "133 (68.6%)", "135 (76.3%)"), ("No", "61 (31.4%)", "52 (23.7%)")]
    frame = pl.DataFrame(rows, schema=["", "A (n = 194)", "B (n = 177)"], orient="row")
    assert [finding.code for finding in sq.recheck(frame)] == ["P203", "P201"]
    assert [finding.code for finding in sq.recheck(pandas.DataFrame(rows, columns=list(frame.columns)))] == [
        "P203",
        "P201",
    ]


def test_what_was_checked_is_told(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        'x,A (n = 4),p value\nSex,,\nMale,2 (50%),\nFemale,2 (50%),\n"Age, median (range)",5 (1-9),0.3\n',
        "utf-8",
    )
    assert (
        checked(read_document(path))
        == "1 of 1 tables with counts: 1 characteristics, 0 with a p-value; 0 ratios; 0 medians"
    )


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.pdf", b"%PDF", "P101"),
        ("a.docx", b"no zip", "P101"),
        ("a.toml", b"= 1", "P101"),
        ("a.html", b"\xff\xfe", "P101"),
        ("a.html", b"<p>no table</p>", "P102"),
    ],
)
def test_unreadable_documents(tmp_path, name, content, code):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        sq.recheck(tmp_path / name)
    assert caught.value.findings[0].code == code


# the verb, and its codes


def verb(capsys, *arguments):
    with pytest.raises(SystemExit) as done:
        main(["recheck", *map(str, arguments)])
    return done.value.code, capsys.readouterr().out


def test_verb(tmp_path, capsys):
    path = tmp_path / "a.html"
    row = "<table><tr><th>x</th><th>HR (95% CI)</th><th>p</th></tr><tr><td>B</td><td>{}</td><td>0.002</td></tr></table>"
    path.write_text(row.format("1.79 (1.23–2.61)"), "utf-8")
    code, out = verb(capsys, path)
    assert code == 0
    assert "1 ratios" in out
    path.write_text(row.format("2.79 (1.23–2.61)"), "utf-8")
    code, out = verb(capsys, path, "--json")
    assert code == 1
    assert [finding["code"] for finding in json.loads(out)] == ["P402"]
    assert verb(capsys, tmp_path / "none.html")[0] == 2


def test_every_code_is_explained():
    pages = [*Path(room.__path__[0]).glob("*.py"), Path(documents.__file__)]
    used = set(re.findall(r'"(P\d{3})"', "".join(page.read_text("utf-8") for page in pages)))
    assert used == {code for code in catalogue() if re.fullmatch(r"P\d{3}", code)}
    manual = (Path(__file__).parents[2] / "docs" / "recheck.md").read_text("utf-8")
    assert {code for code in used if code not in manual} == set()
