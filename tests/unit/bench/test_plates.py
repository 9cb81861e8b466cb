"""Plates, layouts, growth, invasion and GR: by hand, and the same plate however it is written."""

import csv
import io
import math

import numpy as np
import polars as pl
import pytest

from sequela.bench.exposures import convert
from sequela.bench.growth import rates, slope
from sequela.bench.invasion import inserts
from sequela.bench.layouts import read_layout
from sequela.bench.plates import normalised, quality
from sequela.bench.readouts import growth_inhibition
from sequela.bench.tables import FIELDS, observed
from sequela.core.errors import DataError
from sequela.core.estimate import Estimate
from sequela.estimates.doseresponse import dose_response, growth_rate_inhibition, mean_curve
from sequela.records.grids import SHAPES, find_grids, well_name, well_place
from sequela.report.stars import SCHEMES, in_words, stars
from sequela.study.bench import Assay, Plates

GRID = [["Reader", "X"], ["Date", "2026-01-01"], [], ["", *map(str, range(1, 13))]]
SIGNALS = {
    (row, column): round(0.05 * row + 0.01 * column, 4) for row in range(1, 9) for column in range(1, 13)
}


def rows(**columns):
    """A frame of wells with every field, null where it is not given."""
    n = len(next(iter(columns.values())))
    base = {name: columns.get(name, [None] * n) for name in (*FIELDS, "row", "column", "unused")}
    types = {
        "dose": pl.Float64,
        "hours": pl.Float64,
        "value": pl.Float64,
        "row": pl.Int64,
        "column": pl.Int64,
        "replicate": pl.Int64,
    }
    frame = pl.DataFrame(base, schema={name: types.get(name, pl.String) for name in base}, strict=False)
    return frame.with_columns(pl.lit("x.csv").alias("_file"), pl.int_range(1, n + 1).alias("_line"))


def grid(first="", cells=SIGNALS, height=8):
    width = max(column for _, column in cells)
    head = [first, *map(str, range(1, width + 1))]
    return [
        head,
        *(
            [well_name(r, 1)[0], *(str(cells.get((r, c), "")) for c in range(1, width + 1))]
            for r in range(1, height + 1)
        ),
    ]


def text(lines, sign=","):
    out = io.StringIO()
    csv.writer(out, delimiter=sign, lineterminator="\n").writerows(lines)
    return out.getvalue()


def test_wells_have_names():
    assert well_place("B07") == (2, 7)
    assert well_name(16, 24) == "P24"
    assert [well_place(name) for name in ("", "7B", "Q1", "B")] == [None] * 4


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_a_plate_is_found_below_what_stands_above_it(sign):
    lines = [line.split(sign) for line in text([*GRID[:3], *grid(), [], ["End"]], sign).splitlines()]
    (found,) = find_grids(lines, 96)
    assert found.above == ("Reader X", "Date 2026-01-01")
    assert len(found.cells) == 96
    assert found.cells[2, 7] == (str(SIGNALS[2, 7]), 6)


def test_two_plates_below_each_other_and_384_wells():
    big = {(row, column): row * column for row in range(1, 17) for column in range(1, 25)}
    assert len(find_grids(grid(cells=big, height=16), 384)[0].cells) == SHAPES[384][0] * SHAPES[384][1]
    assert [one.title for one in find_grids([*grid("a"), [], *grid("b")], 96)] == ["a", "b"]
    assert find_grids(grid(cells=big, height=16), 96)[0].cells.keys() == SIGNALS.keys()


LAYOUT = {(2, column): {"culture": "A", "dose": str(column - 2)} for column in range(2, 6)} | {
    (1, 1): {"role": "blank"}
}


def write_layout(path):
    if path.suffix == ".toml":
        fills = [f'[[fill]]\nwells = "B{c}"\nculture = "A"\ndose = {c - 2}\n' for c in range(2, 6)]
        path.write_text('[[fill]]\nwells = "A1"\nrole = "blank"\n' + "".join(fills), encoding="utf-8")
        return
    lines = []
    for field in ("culture", "dose", "role"):
        cells = {place: held.get(field, "") for place, held in LAYOUT.items()}
        lines += [*grid(field, {**dict.fromkeys(SIGNALS, ""), **cells}), []]
    if path.suffix == ".xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for line in lines:
            book.active.append([int(cell) if str(cell).isdigit() else cell or None for cell in line])
        book.save(path)
    else:
        path.write_text(text(lines), encoding="utf-8")


@pytest.mark.parametrize("suffix", ["csv", "toml", "xlsx"])
def test_a_layout_is_the_same_however_it_is_written(tmp_path, suffix):
    path = tmp_path / f"layout.{suffix}"
    write_layout(path)
    assert read_layout(path, 96, tuple(FIELDS)) == LAYOUT


def test_a_range_of_wells_and_later_fills(tmp_path):
    path = tmp_path / "layout.toml"
    path.write_text(
        '[[fill]]\nwells = ["A1:B3", "H12"]\nculture = "A"\n[[fill]]\nwells = "B2"\nculture = "B"\n',
        encoding="utf-8",
    )
    held = read_layout(path, 96, tuple(FIELDS))
    assert len(held) == 7
    assert (held[2, 2], held[8, 12]) == ({"culture": "B"}, {"culture": "A"})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("none.csv", None),
        ("a.csv", "1,2\n"),
        ("b.csv", text(grid("colour"))),
        ("c.toml", '[[fill]]\nwells = "A1:Z9"\nculture = "A"\n'),
        ("d.toml", '[[fill]]\nwells = "A1"\ncolour = "red"\n'),
        ("e.toml", "fill = "),
    ],
)
def test_a_layout_that_cannot_be_used(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="B103"):
        read_layout(tmp_path / name, 96, tuple(FIELDS))


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_grid_and_rows_give_the_same_wells(tmp_path, suffix):
    write_layout(tmp_path / "layout.csv")
    if suffix == "csv":
        (tmp_path / "p1.csv").write_text(text([*GRID[:3], *grid()]), encoding="utf-8")
    else:
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for line in [*GRID[:3], *grid()]:
            book.active.append(
                [float(cell) if str(cell).replace(".", "").isdigit() else cell or None for cell in line]
            )
        book.save(tmp_path / "p1.xlsx")
    told = {
        "kind": "viability",
        "file": f"p1.{suffix}",
        "arrangement": "grid",
        "layout": "layout.csv",
        "experiments": {"p1": "1"},
    }
    found = observed("v", Assay.model_validate(told), Plates(), tmp_path)
    assert found.plates["p1"][0] == "Reader X"
    cells = {
        (row, column): value
        for row, column, value in found.frame.select("row", "column", "value").iter_rows()
    }
    assert cells == pytest.approx({place: SIGNALS[place] for place in LAYOUT})
    assert found.frame.filter(row=2, column=2)["role"].to_list() == ["control"]
    assert set(found.frame["experiment"]) == {"1"}
    long = [["plate", "well", "culture", "dose", "role", "value", "experiment"]]
    long += [
        [
            "p1",
            well_name(*place),
            held.get("culture", ""),
            held.get("dose", ""),
            held.get("role", ""),
            SIGNALS[place],
            1,
        ]
        for place, held in LAYOUT.items()
    ]
    (tmp_path / "long.csv").write_text(text(long), encoding="utf-8")
    other = observed("v", Assay.model_validate({"kind": "viability", "file": "long.csv"}), Plates(), tmp_path)
    names = ["plate", "well", "culture", "dose", "role", "value", "experiment", "row", "column"]
    assert other.frame.select(names).sort("well").rows() == found.frame.select(names).sort("well").rows()


def test_a_file_without_a_plate(tmp_path):
    (tmp_path / "p.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    told = {"kind": "viability", "file": "p.csv", "arrangement": "grid", "layout": "layout.csv"}
    with pytest.raises(DataError, match="B102"):
        observed("v", Assay.model_validate(told), Plates(), tmp_path)


def test_relative_signal_by_hand():
    """(0.6 - 0.1) / (median(1.0, 1.1, 1.5) - 0.1) = 0.5."""
    frame = rows(plate=["p"] * 5, culture=["A"] * 4 + [None], role=["control"] * 3 + ["sample", "blank"],
                 dose=[0, 0, 0, 1, None], value=[1.0, 1.5, 1.1, 0.6, 0.1])  # fmt: skip
    found, findings = normalised(frame, "v")
    assert found["relative"][3] == pytest.approx(0.5)
    assert findings == ()


def test_z_prime_and_spread_by_hand():
    """Controls 1.0, 1.2, 0.8 (sd 0.2), blanks 0.1, 0.2, 0.0 (sd 0.1): 1 - 3 x 0.3 / 0.9 = 0; CV 20 %."""
    frame = rows(plate=["p"] * 6, culture=["A"] * 3 + [None] * 3, role=["control"] * 3 + ["blank"] * 3,
                 dose=[0, 0, 0, None, None, None], value=[1.0, 1.2, 0.8, 0.1, 0.2, 0.0])  # fmt: skip
    (one,), findings = quality(frame, Plates())
    assert one.z_prime == pytest.approx(0.0, abs=1e-12)
    assert one.cv == pytest.approx(0.2)
    assert {finding.code for finding in findings} == {"B240", "B241"}


def test_a_plate_read_many_times_is_named_once():
    frame = rows(plate=["p"] * 9, culture=["A"] * 9, role=["control"] * 9, dose=[0] * 9, hours=[0, 24, 48] * 3,
                 value=[1.0] * 3 + [2.0] * 3 + [3.0] * 3)  # fmt: skip
    _, findings = quality(frame, Plates())
    assert [(finding.code, finding.found) for finding in findings] == [
        ("B241", "coefficient of variation 50%, and at 2 more of its times")
    ]


def test_edges_and_trends_are_what_was_put_in():
    place = [(row, column) for row in range(1, 9) for column in range(1, 13)]
    edge = [1.2 if row in (1, 8) or column in (1, 12) else 1.0 for row, column in place]
    whole = {"plate": ["p"] * 96, "culture": ["A"] * 96, "role": ["control"] * 96, "dose": [0.0] * 96,
             "row": [r for r, _ in place], "column": [c for _, c in place]}  # fmt: skip
    (one,), findings = quality(rows(**whole, value=edge), Plates())
    assert one.edge == pytest.approx(0.2)
    assert "B242" in {finding.code for finding in findings}
    (one,), findings = quality(rows(**whole, value=[1 + 0.05 * (r - 4.5) for r, _ in place]), Plates())
    assert (one.rows, one.columns) == pytest.approx((0.35, 0.0), abs=1e-9)
    assert "B243" in {finding.code for finding in findings}


def test_growth_by_hand():
    """Doubling every 12 hours is 2 doublings a day; three times are needed; a count of 0 has no logarithm."""
    assert slope([0, 12, 24], [100, 200, 400]) == pytest.approx((2.0, 0.0, 100.0), abs=1e-9)
    frame = rows(culture=["A"] * 3 + ["B"] * 2 + ["C"] * 3, experiment=["1"] * 8, role=["sample"] * 8,
                 hours=[0, 12, 24, 0, 12, 0, 12, 24], value=[100, 200, 400, 1, 2, 5, 0, 5])  # fmt: skip
    a, b, c = rates(frame)
    assert (a.doublings, a.doubling_hours) == pytest.approx((2.0, 12.0))
    assert (b.reason, c.reason) == ("a rate needs 3 times, there are 2", "a count is 0 or less")
    assert math.isnan(b.doublings)


def test_the_slope_is_that_of_polyfit():
    rng = np.random.default_rng(5)
    hours = np.repeat([0.0, 24, 48, 72], 3)
    counts = 1000 * 2 ** (0.8 * hours / 24 + rng.normal(0, 0.1, 12))
    coefficients, covariance = np.polyfit(hours, np.log2(counts), 1, cov=True)
    assert slope(hours, counts) == pytest.approx(
        (24 * coefficients[0], 24 * math.sqrt(covariance[0, 0]), 2 ** coefficients[1])
    )


def test_invasion_by_hand():
    """Fields 10, 20 and 30 of one insert: 20; over 24 h at one doubling a day: 10."""
    frame = rows(
        culture=["A"] * 4,
        experiment=["1"] * 4,
        insert=["i", "i", "i", "j"],
        role=["sample"] * 4,
        value=[10, 20, 30, 7],
    )
    first, second = inserts(frame, {("A", "1"): 1.0}, 24)
    assert (first.fields, first.count, first.adjusted) == (3, 20.0, 10.0)
    assert (second.count, second.adjusted) == (7.0, 3.5)
    assert inserts(frame)[0].adjusted is None


def test_growth_rate_inhibition_is_that_of_the_estimates():
    frame = rows(culture=["A"] * 5, experiment=["1"] * 5, role=["start", "control", "sample", "sample", "sample"],
                 dose=[0, 0, 1, 2, 3], replicate=[0] * 5, value=[100, 400, 200, 100, 50]).with_columns(pl.col("value").alias("signal"))  # fmt: skip
    readings, findings = growth_inhibition(frame)
    assert readings.value.tolist() == pytest.approx([1.0, math.sqrt(2) - 1, 0.0, 2**-0.5 - 1])
    assert readings.value[1:].tolist() == pytest.approx(
        growth_rate_inhibition([200, 100, 50], 100, 400).tolist()
    )
    assert findings == ()
    still = frame.with_columns(
        pl.when(pl.col("role") == "control").then(90.0).otherwise("signal").alias("signal")
    )
    readings, findings = growth_inhibition(still)
    assert len(readings) == 0
    assert [finding.code for finding in findings] == ["B262"]


def test_units_by_hand():
    assert convert(1.0, "ug/ml", "nM", 148_781) == pytest.approx(6.7213, rel=1e-5)  # 1e-3 g/l / 148,781 g/mol
    assert convert(6.7213, "nM", "ug/ml", 148_781) == pytest.approx(1.0, rel=1e-5)
    assert convert(2.0, "uM", "nM") == pytest.approx(2000)
    assert convert(2.0, "uM", "ug/ml") is None


def test_the_area_over_and_the_mean_curve():
    """A step from 1 to 0 in the middle of the doses: the area over it is half; the band is that of Student."""
    doses = np.tile(np.logspace(-2, 2, 17), 3)
    names = np.repeat([*"123"], 17)
    shift = np.repeat([0.8, 1.0, 1.25], 17)
    values = 1 / (1 + (doses / shift) ** 8)
    fit = dose_response(doses, values, experiment=names, fixed={"e0": 1.0, "einf": 0.0})
    assert fit.aoc.value == pytest.approx(0.5, abs=0.005)
    assert fit.aoc.value == pytest.approx(1 - fit.auc.value)
    assert fit.dose_for(0.5).value == pytest.approx(1.0, rel=1e-6)  # the geometric mean
    assert fit.dose_for(0.5).n == 3
    middle, lower, upper = mean_curve(fit, np.array([1.0]))
    each = 1 / (1 + (1 / np.array([0.8, 1.0, 1.25])) ** 8)
    assert middle[0] == pytest.approx(each.mean(), rel=1e-6)
    assert upper[0] - lower[0] == pytest.approx(2 * 4.302653 * each.std(ddof=1) / math.sqrt(3), rel=1e-6)


def test_small_doses_print_with_enough_digits():
    assert str(Estimate("ec50", 0.0105441, unit="ug/ml")) == "ec50 0.0105 ug/ml"
    assert (
        str(Estimate("ec50", 2.6e-9, lower=2.5e-9, upper=2.71e-9))
        == "ec50 0.00000000260, 95% CI 0.00000000250 to 0.00000000271"
    )
    assert str(Estimate("ratio", 1.234)) == "ratio 1.23"


def test_stars_are_data_and_strict():
    assert [stars(p, "sepher") for p in (0.05, 0.0499, 0.001, 0.0009, 0.0001, 0.00009)] == [
        "ns",
        "*",
        "*",
        "**",
        "**",
        "***",
    ]
    assert [stars(p, "prism") for p in (0.009, 0.0009, 0.00009)] == ["**", "***", "****"]
    assert stars(math.nan, "usual") == stars(0.001, "none") == ""
    assert in_words("sepher") == "∗ p < 0.05, ∗∗ p < 0.001, ∗∗∗ p < 0.0001"
    assert all(list(limits) == sorted(limits) for limits in SCHEMES.values())
