"""Files in the styles of plate readers, each through a study file: what is read, and what is said of the rest."""

import csv
import io

import pytest

import sequela as sq
from sequela.core.errors import DataError
from sequela.records.grids import clock, decimal_point, find_grids, well_name
from sequela.records.kinetics import find_reads
from sequela.walk.bench import walk_bench

STUDY = """
[study]
wing = "bench"
title = "Plates"
question = "Is it read?"

[agents.drug]
[cultures.A]

[assays.mtt]
kind = "viability"
file = "{file}"
arrangement = "{arrangement}"
agent = "drug"
dose_unit = "uM"
{more}

[[analyses]]
kind = "dose_response"
id = "curve"
title = "Curve"
assay = "mtt"
fixed = {{ e0 = 1 }}
"""
ROWS, COLUMNS = range(1, 9), range(1, 13)
VALUES = {
    (r, c): round(0.08 + (1.2 / (1 + 0.02 * c**2) if r > 1 else 0) + 0.001 * r, 3)
    for r in ROWS
    for c in COLUMNS
}
LETTERS = "ABCDEFGH"
LAYOUT = '[[fill]]\nwells = "A1:A12"\nrole = "blank"\n[[fill]]\nwells = "B1:H12"\nculture = "A"\n' + "".join(
    f'[[fill]]\nwells = "B{c}:H{c}"\nculture = "A"\ndose = {c - 1}\n' for c in COLUMNS
)


def body(values=VALUES, *, point=".", letters=True, tail=()):
    """The rows of a plate, each with its letter unless there are none."""
    return [
        [
            *([LETTERS[r - 1]] if letters else []),
            *(str(values[r, c]).replace(".", point) for c in COLUMNS),
            *tail,
        ]
        for r in ROWS
    ]


def head(title="", pad=0):
    return [title, *(f"{c:0{pad}d}" for c in COLUMNS)]


def lines(rows, sign):
    out = io.StringIO()
    csv.writer(out, delimiter=sign, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def study(path, name, text, more="", *, arrangement="grid", encoding="utf-8"):
    (path / name).write_text(text, encoding=encoding)
    return written(path, name, more, arrangement)


def written(path, name, more="", arrangement="grid"):
    (path / "layout.toml").write_text(LAYOUT, encoding="utf-8")
    more = f'{more}\nlayout = "layout.toml"' if arrangement == "grid" else more
    (path / "study.toml").write_text(
        STUDY.format(file=name, more=more, arrangement=arrangement), encoding="utf-8"
    )
    return sq.Study.read(path)


def signals(protocol):
    frame = walk_bench(protocol).frames["mtt"]
    return {(r, c): v for r, c, v in frame.select("row", "column", "value").iter_rows()}


def found(protocol, code):
    return [finding for finding in walk_bench(protocol).findings if finding.code == code]


GEN5 = [["Software Version", "3.11"], ["Plate Type", "96 WELL PLATE"], [], ["Results"], []]
TWO_LINES = [line for r in body() for line in ([*r, "570"], ["", *("0.05" for _ in COLUMNS), "630"])]
STYLES = {
    "two reads a row": (lines([*GEN5, head(), *TWO_LINES], "\t"), 'read = "570"', "utf-8"),
    "decimal commas": (lines([["User: me"], ["Raw Data (570)"], head(), *body(point=",")], ";"), "", "utf-8"),
    "decimal commas, quoted": (lines([["Prova"], head("<>"), *body(point=",")], ","), "", "utf-8"),
    "padded numbers": (lines([["Plate information"], [], head("", 2), *body()], ","), "", "utf-8"),
    "utf-16 with a temperature": (
        lines(
            [["##BLOCKS= 1"], ["Plate:", "p1", "1.3"], ["", *head("Temperature(°C)")],
             *(["", "23.5" if i == 0 else "", *row] for i, row in enumerate(body(letters=False))), ["~End"]],
            "\t",
        ),
        'encoding = "utf-16"',
        "utf-16",
    ),
    "a footer": (lines([head("Abs"), *body(), [], ["Autoloading range A1 - H12"], ["A note"]], ","), "", "utf-8"),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_a_plate_is_read_in_every_style(tmp_path, style):
    text, more, encoding = STYLES[style]
    assert signals(study(tmp_path, "p1.txt", text, more, encoding=encoding)) == pytest.approx(VALUES)


def test_which_of_two_wavelengths(tmp_path):
    low = dict.fromkeys(VALUES, 0.05)
    both = [["Raw Data (570)"], head(), *body(), [], ["Raw Data (630)"], head(), *body(low)]
    text = lines(both, ",")
    assert signals(study(tmp_path, "p1.csv", text, 'read = "570"')) == pytest.approx(VALUES)
    (warning,) = found(study(tmp_path, "p1.csv", text), "B104")
    assert "p1/1: Raw Data (570); p1/2: Raw Data (630)" in warning.found
    assert warning.where.file.endswith("p1.csv")
    with pytest.raises(DataError, match="B105") as fault:
        walk_bench(study(tmp_path, "p1.csv", text, 'read = "450"'))
    assert "Raw Data (570)" in fault.value.findings[0].allowed


def test_several_plates_that_are_named_are_no_fault(tmp_path):
    text = lines([["Plate 1"], head(), *body(), [], ["Plate 2"], head(), *body()], ",")
    protocol = study(tmp_path, "p.csv", text, 'experiments = { "p/1" = "1", "p/2" = "2" }')
    assert found(protocol, "B104") == []
    frame = walk_bench(protocol).frames["mtt"]
    assert frame.group_by("experiment").len().sort("experiment").rows() == [("1", 96), ("2", 96)]


@pytest.mark.parametrize("word", ["OVRFLW", "OVER", "#Sat", ">4.0", "*****"])
def test_a_saturated_well_is_named_and_not_used(tmp_path, word):
    values = {**VALUES, (3, 2): word}
    protocol = study(tmp_path, "p1.csv", lines([["Run"], head(), *body(values)], ","))
    (finding,) = found(protocol, "B206")
    assert finding.found == word
    assert (finding.where.line, finding.where.field) == (5, "p1 C2")
    assert found(protocol, "B201") == []
    frame = walk_bench(protocol).frames["mtt"]
    assert frame.filter(row=3, column=2)["unused"].to_list() == [
        "the signal is above the ceiling of the reader"
    ]
    assert len(sq.run(protocol).contents[0].curves[0].dose) == 83


def test_a_word_that_is_no_number_is_named(tmp_path):
    values = {**VALUES, (3, 2): "hello"}
    protocol = study(tmp_path, "p1.csv", lines([head(), *body(values)], ","))
    (finding,) = found(protocol, "R201")
    assert (finding.found, finding.where.line) == ("'hello'", 4)


WELLS = [(r, c) for r in ROWS for c in COLUMNS]


def kinetic(style):
    """Three reads, an hour apart, the n-th n times the plate."""
    hours = {0: 1, 1: 2, 2: 3}
    if style == "wells below each other":
        rows = [
            ["Cycle Nr.", "1", "2", "3"],
            ["Time [s]", "0", "3600", "7200"],
            ["Temp. [°C]", "37", "37", "37"],
        ]
        return [*rows, *([well_name(*w), *(f"{VALUES[w] * n:.4f}" for n in hours.values())] for w in WELLS)]
    if style == "wells side by side":
        rows = [["Time", "T° 570", *(well_name(*w) for w in WELLS)]]
        return [
            *rows,
            *([f"{h}:00:00", "37.0", *(f"{VALUES[w] * n:.4f}" for w in WELLS)] for h, n in hours.items()),
        ]
    rows = [["Plate:", "p1"], ["Time(hh:mm:ss)", *head("Temperature(°C)")]]
    for h, n in hours.items():
        for i, row in enumerate(body(letters=False)):
            start = [f"0{h}:00:00", "37.0"] if i == 0 else ["", ""]
            rows.append([*start, *(f"{float(v) * n:.4f}" for v in row)])
        rows.append([])
    return [*rows, ["~End"]]


@pytest.mark.parametrize("style", ["wells below each other", "wells side by side", "blocks"])
def test_reads_over_time_are_one_plate(tmp_path, style):
    protocol = study(tmp_path, "p1.txt", lines([["Kinetic"], [], *kinetic(style)], "\t"))
    frame = walk_bench(protocol).frames["mtt"]
    assert set(frame["plate"]) == {"p1"}
    assert sorted(frame["hours"].unique()) == [0.0, 1.0, 2.0]
    third = frame.filter(hours=2.0)
    values = {(r, c): v / 3 for r, c, v in third.select("row", "column", "value").iter_rows()}
    assert values == pytest.approx(VALUES, abs=1e-4)
    assert found(protocol, "B104") == found(protocol, "B204") == []
    with pytest.raises(DataError, match="B260"):
        sq.run(protocol)


def test_times_of_plates_may_be_said(tmp_path):
    text = lines([["0 h"], head(), *body(), [], ["72 h"], head(), *body()], ",")
    more = 'plate_hours = { "p/1" = 0, "p/2" = 72 }'
    frame = walk_bench(study(tmp_path, "p.csv", text, more)).frames["mtt"]
    assert frame.group_by("plate", "hours").len().sort("hours").rows() == [
        ("p/1", 0.0, 96),
        ("p/2", 72.0, 96),
    ]


def test_every_sheet_of_a_workbook(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for n, name in enumerate(("day 1", "day 2")):
        sheet = book.active if n == 0 else book.create_sheet()
        sheet.title = name
        for line in [["Mode", "Absorbance"], [], head("<>"), *body()]:
            sheet.append([float(c) if c.replace(".", "").isdigit() else c or None for c in line])
    book.save(tmp_path / "plates.xlsx")
    more = 'sheet = "*"\nexperiments = { "plates/day 1" = "1", "plates/day 2" = "2" }'
    frame = walk_bench(written(tmp_path, "plates.xlsx", more)).frames["mtt"]
    assert sorted(frame["plate"].unique()) == ["plates/day 1", "plates/day 2"]
    assert frame["experiment"].null_count() == 0


def test_wells_that_the_layout_does_not_explain(tmp_path):
    protocol = study(tmp_path, "p1.csv", lines([head(), *body()[:6]], ","))
    (tmp_path / "layout.toml").write_text(LAYOUT + '[[fill]]\nwells = "A1:A2"\n', encoding="utf-8")
    (missing,) = found(protocol, "B106")
    assert missing.found == "G1, G2, G3, G4, G5, G6, G7, G8, …"
    assert missing.message.startswith("24 wells of the layout")
    (tmp_path / "layout.toml").write_text(LAYOUT.replace("A1:A12", "A1:A9"), encoding="utf-8")
    extra = found(protocol, "B106")[0]
    assert (extra.found, extra.message[:2], extra.where.field) == ("A10, A11, A12", "3 ", "p1")


def test_rows_with_decimal_commas(tmp_path):
    rows = [["culture", "dose", "value"]]
    rows += [
        ["A", str(c - 1).replace(".", ","), f"{VALUES[r, c]}".replace(".", ",")] for r, c in WELLS if r > 1
    ]
    more = 'delimiter = ";"\ndecimal = ","'
    frame = walk_bench(study(tmp_path, "rows.csv", lines(rows, ";"), more, arrangement="long")).frames["mtt"]
    assert frame["value"].to_list() == pytest.approx([v for (r, _), v in VALUES.items() if r > 1])
    with pytest.raises(DataError, match="say `decimal"):
        walk_bench(study(tmp_path, "rows.csv", lines(rows, ";"), 'delimiter = ";"', arrangement="long"))


def test_a_table_below_lines_about_the_run(tmp_path):
    rows = [["Software", "3.11"], ["Reader", "X"], [], ["Well ID", "Conc", "570"]]
    rows += [["A", str(c - 1), f"{VALUES[r, c]}"] for r, c in WELLS if r > 1]
    text = lines([*rows, [], ["Well ID", "the end"]], ";").replace(".", ",")
    more = 'header_line = 4\ncolumns = { culture = "Well ID", dose = "Conc", value = "570" }'
    frame = walk_bench(study(tmp_path, "rows.csv", text, more, arrangement="long")).frames["mtt"]
    assert frame["value"].to_list() == pytest.approx([v for (r, _), v in VALUES.items() if r > 1])
    assert frame["_line"].to_list() == [*range(5, 5 + 84)]
    with pytest.raises(DataError, match="B108") as fault:
        walk_bench(study(tmp_path, "rows.csv", text, more.replace("4", "2"), arrangement="long"))
    assert fault.value.findings[0].found == "Reader, X"
    with pytest.raises(DataError, match="B101"):
        walk_bench(study(tmp_path, "rows.csv", text, more.replace("dose", "doze"), arrangement="long"))


def test_a_saturated_row(tmp_path):
    rows = [["culture", "dose", "value"], *(["A", "0", "1.0"] for _ in range(3)), ["A", "1", "OVRFLW"]]
    protocol = study(tmp_path, "rows.csv", lines(rows, ","), arrangement="long")
    (finding,) = found(protocol, "B206")
    assert (finding.found, finding.where.line) == ("OVRFLW", 5)


def test_small_parts():
    assert clock("1.06:30:00") == 30.5
    assert clock("0:05") == pytest.approx(5 / 60)
    assert clock("37.0") is None
    assert [decimal_point(text) for text in ("0,12", "-1,5e-3", "A,B", "1,2,3")] == [
        "0.12",
        "-1.5e-3",
        "A,B",
        "1,2,3",
    ]
    assert find_reads([["a", "b"], ["1", "2"]]) == []
    assert find_grids([["Cycle Nr.", "1", "2", "3", "4", "5", "6", "7"], ["Time [s]", "0", "1"]], 96) == []
