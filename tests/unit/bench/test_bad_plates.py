"""Bad input of the bench: each has its finding, its place, and nothing is averaged in silence."""

import csv
import io

import numpy as np
import pytest

import sequela as sq
from sequela.core.errors import DataError, StudyError
from sequela.study.bench_images import spelt
from sequela.walk.bench import walk_bench

STUDY = """
[study]
wing = "bench"
title = "Plates"
question = "Does it work?"

[agents.drug]
molar_mass = 1000
target = "X"

[agents.old]
target = "X"
molar_mass = 2000

[cultures.A]
[cultures.B]

[assays.viability]
kind = "viability"
file = "wells.csv"
agent = "drug"
dose_unit = "uM"
{more}

[[analyses]]
kind = "compare"
id = "at-one"
title = "At one"
assay = "viability"
dose = 1.0
{analysis}
"""
HEADER = ("experiment", "plate", "well", "culture", "role", "dose", "value")


def wells(experiments=3, *, blank=0.1, change=None):
    """Plates of blanks, controls and two doses for cultures A and B, as rows that `change` may spoil."""
    rows = []
    for e in range(1, experiments + 1):
        for row, culture in (("B", "A"), ("C", "B")):
            for column, dose in enumerate((0, 0, 1, 1, 10, 10), 2):
                signal = 1.0 if dose == 0 else (0.6 if culture == "A" else 0.8) / (1 if dose == 1 else 2)
                value = blank + signal * (1 + 0.02 * ((e * 7 + column * 3) % 5 - 2))
                rows.append([str(e), f"p{e}", f"{row}{column}", culture, "", str(dose), f"{value:.4f}"])
        rows += [[str(e), f"p{e}", f"A{column}", "", "blank", "", f"{blank:.4f}"] for column in (2, 3, 4)]
    return change(rows) if change else rows


def study(tmp_path, rows, more="", analysis="", header=HEADER):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([header, *rows])
    (tmp_path / "wells.csv").write_text(out.getvalue(), encoding="utf-8")
    (tmp_path / "study.toml").write_text(STUDY.format(more=more, analysis=analysis), encoding="utf-8")
    return sq.Study.read(tmp_path)


def codes(protocol):
    return {finding.code for finding in walk_bench(protocol).findings}


def unused(protocol):
    frame = walk_bench(protocol).frames["viability"]
    return frame.filter(frame["unused"].is_not_null())


def put(place, column, value):
    def change(rows):
        rows[place][HEADER.index(column)] = value
        return rows

    return change


def test_clean_plates_have_no_finding_and_the_ratio_comes_out(tmp_path):
    protocol = study(tmp_path, wells())
    assert codes(protocol) == set()
    (one,) = sq.run(protocol).contents[0].comparisons.recommended
    assert one.n == (3, 3)
    assert one.readings == (6, 6)
    assert one.effect.value == pytest.approx(0.8 / 0.6, rel=0.02)


@pytest.mark.parametrize(
    ("column", "value", "code", "lost"),
    [
        ("value", "", "B201", 1),
        ("dose", "-1", "B202", 1),
        ("well", "Z9", "B203", 1),
        ("well", "A13", "B203", 1),
        ("well", "B3", "B204", 2),
        ("role", "control", "B205", 1),
        ("culture", "", "B207", 1),
        ("culture", "C", "B210", 1),
    ],
)
def test_a_row_that_cannot_be_used_is_counted_with_its_line(tmp_path, column, value, code, lost):
    protocol = study(tmp_path, wells(change=put(2, column, value)))
    found = [finding for finding in walk_bench(protocol).findings if finding.code == code]
    assert len(found) == lost
    assert {finding.where.line for finding in found} <= {3, 4}
    assert found[0].severity == "error"
    assert unused(protocol).height == lost


def test_a_saturated_signal_is_not_used(tmp_path):
    protocol = study(tmp_path, wells(change=put(0, "value", "4.0")), more="ceiling = 3.5")
    assert codes(protocol) >= {"B206"}
    assert unused(protocol)["value"].to_list() == [4.0]


def test_wells_left_out_by_hand_keep_their_reason_and_make_no_finding(tmp_path):
    rows = [[*row, "bubble" if place == 2 else ""] for place, row in enumerate(wells())]
    protocol = study(tmp_path, rows, header=(*HEADER, "exclude"))
    assert codes(protocol) == set()
    assert unused(protocol)["unused"].to_list() == ["excluded: bubble"]


def test_a_plate_without_its_control_is_not_lent_another_s(tmp_path):
    protocol = study(
        tmp_path, [row for row in wells() if not (row[1] == "p1" and row[3] == "B" and row[5] == "0")]
    )
    (found,) = [finding for finding in walk_bench(protocol).findings if finding.code == "B230"]
    assert (found.where.culture, found.where.field, found.found) == ("B", "p1", "4 wells")
    (one,) = sq.run(protocol).contents[0].comparisons.recommended
    assert one.n == (2, 2)  # pairs that are left
    assert "3 shared experiments" in one.effect.reason


def test_plates_of_one_name_have_their_own_controls(tmp_path):
    def spoiled(rows):
        for row in rows:
            if row[0] == "2":
                row[6] = f"{0.1 + 3 * (float(row[6]) - 0.1):.4f}"  # another day, a brighter reader
            row[1] = "p"
        return rows

    protocol = study(tmp_path, wells(change=spoiled))
    assert codes(protocol) == set()
    frame = walk_bench(protocol).frames["viability"]
    relative = frame.filter((frame["culture"] == "A") & (frame["dose"] == 1))["relative"]
    assert relative.to_list() == pytest.approx([0.6] * 6, rel=0.08)

    def without(rows):
        return [row for row in spoiled(rows) if not (row[0] == "3" and row[3] == "A" and row[5] == "0")]

    (finding,) = [
        one for one in walk_bench(study(tmp_path, wells(change=without))).findings if one.code == "B230"
    ]
    assert (finding.where.culture, finding.found) == ("A", "4 wells")


def test_a_plate_of_two_experiments_shares_blanks_that_name_none(tmp_path):
    def shared(rows):
        for row in rows:
            row[1] = "p1"
            row[2] = f"{chr(ord(row[2][0]) + 2 * (int(row[0]) - 1))}{row[2][1:]}"
            row[0] = row[0] if row[4] != "blank" else ""
        return rows

    assert "B231" not in codes(study(tmp_path, wells(2, change=shared)))


def test_a_plate_that_is_copied_is_no_second_experiment(tmp_path):
    rows = wells()
    copied = [[("2" if row[0] == "2" else row[0]), *row[1:6], other[6] if row[0] == "2" else row[6]]
              for row, other in zip(rows, rows[:15] * 3, strict=True)]  # fmt: skip
    protocol = study(tmp_path, copied)
    findings = [one for one in walk_bench(protocol).findings if one.code == "B245"]
    assert [finding.severity for finding in findings] == ["error", "error"]
    assert findings[0].found == "15 readings of p1 of experiment 1, the same as p2 of experiment 2"
    assert unused(protocol).height == 30


@pytest.mark.parametrize(
    ("dates", "passages", "said"),
    [
        (("1 May", "1 May", "8 May"), ("", "", ""), "experiments 1, 2 on 1 May of A, B"),
        (("1 May", "1 May", "8 May"), ("12", "12", "12"), "experiments 1, 2 on 1 May, passage 12 of A, B"),
        (("1 May", "1 May", "8 May"), ("12", "13", "14"), None),
        (("1 May", "4 May", "8 May"), ("12", "12", "12"), None),
        (("", "", ""), ("12", "12", "12"), None),
    ],
)
def test_experiments_of_one_day(tmp_path, dates, passages, said):
    rows = [[*row, dates[int(row[0]) - 1], passages[int(row[0]) - 1]] for row in wells()]
    protocol = study(tmp_path, rows, header=(*HEADER, "date", "passage"))
    findings = [one for one in walk_bench(protocol).findings if one.code == "B215"]
    assert [one.found for one in findings] == ([said] if said else [])
    assert unused(protocol).is_empty()


def test_a_replicate_that_is_there_twice(tmp_path):
    rows = [["1", "A", str(dose), str(number), "1.0"] for dose in (0, 1) for number in (1, 2)]
    protocol = study(
        tmp_path, [*rows, rows[3]], header=("experiment", "culture", "dose", "replicate", "value")
    )
    findings = [one for one in walk_bench(protocol).findings if one.code == "B208"]
    assert [finding.where.line for finding in findings] == [5, 6]
    assert unused(protocol).height == 2
    unnamed = study(
        tmp_path, [row[1:] for row in [*rows, *rows]], header=("culture", "dose", "replicate", "value")
    )
    assert "B208" not in codes(unnamed)  # of days that nobody named


def test_controls_and_blanks_that_are_swapped(tmp_path):
    def swap(rows):
        for row in rows:
            if row[1] == "p2" and row[4] == "blank":
                row[6] = "1.3"
        return rows

    protocol = study(tmp_path, wells(change=swap))
    assert "B232" in codes(protocol)
    assert set(unused(protocol)["plate"]) == {"p2"}


def test_a_turned_plate_is_named(tmp_path):
    """Doses over the columns, three rows a culture; the second plate is read upside down."""
    rows = []
    for e in (1, 2, 3):
        for r in range(1, 9):
            for c in range(1, 13):
                place = (r, c) if e != 2 else (9 - r, 13 - c)
                signal = 0.1 + 1 / (1 + 0.3 * (place[1] - 1) ** 2) + 0.01 * ((r * 5 + c * 3 + e) % 4)
                name = f"{'ABCDEFGH'[r - 1]}{c}"
                rows.append([str(e), f"p{e}", name, "A" if r < 5 else "B", "", str(c - 1), f"{signal:.4f}"])
    found = [finding for finding in walk_bench(study(tmp_path, rows)).findings if finding.code == "B244"]
    assert [finding.where.field for finding in found] == ["p2"]


def test_units_that_disagree_are_converted_or_refused(tmp_path):
    rows = [[*row, "ng/ml" if row[5] == "10" else "uM"] for row in wells()]
    for row in rows:
        row[5] = "10000" if row[5] == "10" else row[5]
    protocol = study(tmp_path, rows, header=(*HEADER, "dose_unit"))
    walked = walk_bench(protocol)
    assert "B214" in {finding.code for finding in walked.findings}
    assert sorted(walked.frames["viability"]["dose"].drop_nulls().unique()) == [
        0.0,
        1.0,
        10.0,
    ]  # 10,000 ng/ml / 1,000 g/mol
    text = (tmp_path / "study.toml").read_text("utf-8").replace("molar_mass = 1000\n", "")
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    refused = sq.Study.read(tmp_path)
    assert "B213" in codes(refused)
    assert set(unused(refused)["dose_unit"]) == {"ng/ml"}


@pytest.mark.parametrize("unit", ["µM", "μM", "um", "umol/l", " uM "])
def test_units_are_known_by_their_other_spellings(tmp_path, unit):
    rows = [[*row, unit] for row in wells()]
    assert not codes(study(tmp_path, rows, header=(*HEADER, "dose_unit"))) & {"B213", "B214"}
    assert [spelt(other) for other in ("µg/mL", "mcg/ml", "mg/L", "g/l", "nmol/L", "M", "mM", "mm", "cells")] == [
        "ug/ml", "ug/ml", "ug/ml", "mg/ml", "nM", "M", "mM", "mm", "cells"
    ]  # fmt: skip
    text = (tmp_path / "study.toml").read_text(encoding="utf-8").replace('"uM"', f'"{unit}"')
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    assert sq.Study.read(tmp_path).bench.assays["viability"].dose_unit == "uM"


def test_one_experiment_only_is_shown_and_not_tested(tmp_path):
    protocol = study(tmp_path, wells(1))
    assert "B212" in codes(protocol)
    (content,) = sq.run(protocol).contents
    (one,) = content.comparisons.recommended
    assert one.effect.value == pytest.approx(0.8 / 0.6, rel=0.03)
    assert "needs 3" in one.effect.reason
    assert content.groups[1].above == ""


def test_stars_are_refused_where_experiments_are_not_named(tmp_path):
    protocol = study(tmp_path, [row[1:] for row in wells()], header=HEADER[1:])
    assert "B211" in codes(protocol)
    (content,) = sq.run(protocol).contents
    assert content.comparisons.recommended[0].effect.reason.startswith("experiments are not named")
    assert [group.above for group in content.groups] == ["", ""]


def test_experiments_may_be_said_by_plate(tmp_path):
    rows = [row[1:] for row in wells()]
    protocol = study(tmp_path, rows, more='experiments = {p1 = "1", p2 = "2", p3 = "3"}', header=HEADER[1:])
    assert codes(protocol) == set()


def test_several_times_are_not_mixed(tmp_path):
    rows = [[*row, "24" if row[0] == "1" else "48"] for row in wells()]
    with pytest.raises(DataError, match="B260"):
        sq.run(study(tmp_path, rows, header=(*HEADER, "hours")))


def test_a_dose_that_nobody_gave(tmp_path):
    text = STUDY.replace("dose = 1.0", "dose = 2.0")
    study(tmp_path, wells())
    (tmp_path / "study.toml").write_text(text.format(more="", analysis=""), encoding="utf-8")
    with pytest.raises(DataError, match="B261"):
        sq.run(sq.Study.read(tmp_path))


def test_washout_and_rivals(tmp_path):
    more = '[[assays.viability.medium]]\nculture = "B"\nagents = "old"\ndose = 100\nunit = "ug/ml"\n'
    study(tmp_path, wells())
    text = STUDY.replace(
        "[cultures.B]", '[cultures.B]\nhistory = [{{ agents = "old", dose = 1, unit = "uM", days = 60 }}]'
    )
    (tmp_path / "study.toml").write_text(text.format(more="", analysis=""), encoding="utf-8")
    assert codes(sq.Study.read(tmp_path)) == {"B220"}
    (tmp_path / "study.toml").write_text(text.format(more=more, analysis=""), encoding="utf-8")
    (found,) = [one for one in walk_bench(sq.Study.read(tmp_path)).findings if one.code == "B221"]
    assert found.found == "100 ug/ml = 5e+04 nM"  # 100 ug/ml / 2,000 g/mol


@pytest.mark.parametrize(
    ("more", "analysis", "code"),
    [
        ('arrangement = "grid"', "", "S131"),
        ('layout = "x.csv"', "", "S131"),
        ("", 'response = "invasion"', "S132"),
        ("", 'cultures = ["A", "Bee"]', "S107"),
        ("", 'test = "anova"', "S105"),
        ('dose_units = "uM"', "", "S103"),
    ],
)
def test_a_study_file_that_means_nothing(tmp_path, more, analysis, code):
    with pytest.raises(StudyError, match=code):
        study(tmp_path, wells(), more=more, analysis=analysis)


def test_a_file_without_the_column_says_which_assay(tmp_path):
    rows = [row[:-1] for row in wells()]
    with pytest.raises(DataError) as fault:
        walk_bench(study(tmp_path, rows, header=HEADER[:-1]))
    (finding,) = fault.value.findings
    assert finding.code == "R107"
    assert "value" in str(finding)
    assert "[sources." not in str(finding)


def test_a_mapped_field_that_does_not_exist(tmp_path):
    with pytest.raises(DataError, match="B101"):
        walk_bench(study(tmp_path, wells(), more='columns = { vlaue = "value" }'))


def test_one_culture_may_be_said_by_the_assay(tmp_path):
    rows = [[*row[:3], *row[4:]] for row in wells() if row[3] != "B"]
    header = (*HEADER[:3], *HEADER[4:])
    protocol = study(tmp_path, rows, more='culture = "A"', header=header)
    assert codes(protocol) == set()
    frame = walk_bench(protocol).frames["viability"]
    assert set(frame.filter(frame["role"] != "blank")["culture"]) == {"A"}
    assert frame.filter(frame["role"] == "blank")["culture"].null_count() == 9
    with pytest.raises(StudyError, match="S107"):
        study(tmp_path, rows, more='culture = "Z"', header=header)


def test_running_numbers_are_names_of_wells(tmp_path):
    def change(rows):
        for n, row in enumerate(rows):
            row[2] = str(n + 1)
        return rows

    assert codes(study(tmp_path, wells(change=change))) == set()


def test_a_plate_that_no_file_has(tmp_path):
    rows = [row[1:] for row in wells()]
    more = 'experiments = {p1 = "1", p2 = "2", p33 = "3"}'
    protocol = study(tmp_path, rows, more=more, header=HEADER[1:])
    (found,) = [finding for finding in walk_bench(protocol).findings if finding.code == "B107"]
    assert "did you mean `p3`?" in found.message
    assert "B211" in codes(protocol)


@pytest.mark.parametrize("value", ["0", "-3"])
def test_a_start_of_the_dose_that_is_no_dose(tmp_path, value):
    """Dose 0 is the untreated; a negative one is named and not used, with its line."""
    protocol = study(tmp_path, wells(change=put(2, "dose", value)))
    bad = [finding for finding in walk_bench(protocol).findings if finding.code == "B202"]
    assert [finding.where.line for finding in bad] == ([] if value == "0" else [4])
    frame = walk_bench(protocol).frames["viability"]
    assert frame["role"][2] == ("control" if value == "0" else "sample")


def curves(*, exchanged):
    """Four plates of two lines whose EC50 differ fourfold, and on the second the lines in each other's wells."""
    rng, rows = np.random.default_rng(3), []
    for e in "1234":
        for line, culture in enumerate("AB"):
            seen = 1 - line if exchanged and e == "2" else line
            for column, dose in enumerate((0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10), 2):
                value = (0.3 + 0.7 / (1 + dose / (0.1, 0.4)[seen])) * rng.normal(1, 0.02)
                rows += [[e, f"p{e}", f"{place}{column}", culture, "", str(dose), f"{value:.4f}"]
                         for place in ("BC", "DE")[line]]  # fmt: skip
    return rows


def test_two_cultures_that_are_exchanged_on_a_plate(tmp_path):
    assert "B246" not in codes(study(tmp_path, curves(exchanged=False)))
    protocol = study(tmp_path, curves(exchanged=True))
    (finding,) = [one for one in walk_bench(protocol).findings if one.code == "B246"]
    assert (finding.severity, finding.where.field) == ("warning", "p2")
    assert "with A and B exchanged" in finding.found
    assert unused(protocol).is_empty()  # said, and nothing done


def test_an_analysis_with_nothing_to_read_says_why(tmp_path):
    rows = [row for row in wells() if row[5] != "0"]
    with pytest.raises(DataError) as fault:
        sq.run(study(tmp_path, rows))
    first, last = fault.value.findings[0], fault.value.findings[-1]
    assert (first.code, last.code) == ("B230", "B261")
    assert first.found == "4 wells; and 5 more: see `sequela check`"


def test_layouts_that_are_swapped_between_plates(tmp_path):
    """Wells of two plates exchanged: controls are no longer above the blanks, on that plate alone."""
    rows = []
    for e in (1, 2, 3):
        for row in range(8):
            for column in range(1, 13):
                blank = (column <= 2) if e != 2 else (column > 10)
                dose = 0 if 2 < column < 6 else column - 5
                signal = 0.05 if blank else 1.05 / (1 + max(dose, 0))
                said = column <= 2  # the layout of plates 1 and 3, for all
                name = f"{'ABCDEFGH'[row]}{column}"
                rows.append([str(e), f"p{e}", name, "" if said else "A", "blank" if said else "", "" if said else str(max(dose, 0)), f"{signal:.3f}"])  # fmt: skip
    walked = walk_bench(study(tmp_path, rows))
    named = {(finding.code, str(finding.where.field)) for finding in walked.findings}
    assert ("B240", "p2") in named or ("B232", "p2") in named
    assert not {field for code, field in named if code in ("B232", "B240")} - {"p2"}
