"""Dose-response through a study file: models, intervals, robust fits, tests of whole curves, and their sidecar."""

import csv
import io
import json
import math
from typing import get_args

import numpy as np
import pytest

import sequela as sq
from sequela.core.errors import StudyError
from sequela.estimates.doseresponse import FORMS, compare_mixed
from sequela.study.bench import CurveModel
from sequela.study.bench_names import parameters

STUDY = """
[study]
wing = "bench"
title = "Curves"
question = "Does it shift?"

[agents.drug]
[cultures.A]
[cultures.B]

[assays.wells]
kind = "viability"
file = "wells.csv"
agent = "drug"
dose_unit = "uM"

[[analyses]]
kind = "dose_response"
id = "curves"
title = "Curves"
assay = "wells"
quantity = "ec50"
fixed = {{ e0 = 1 }}
{more}
"""
DOSES = (0, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)


def study(path, more="", *, days=4, shift=3.0, named=True):
    """Two cultures on the same days, three wells a dose, locations a factor apart."""
    rng = np.random.default_rng(3)
    rows = [("experiment", "plate", "culture", "dose", "value")]
    for day in range(days):
        moved = rng.normal(0, 0.3)
        for culture, factor in (("A", 1.0), ("B", shift)):
            location = 0.05 * factor * math.exp(moved + rng.normal(0, 0.1))
            for dose in DOSES:
                for _ in range(3):
                    value = 1000 * (0.2 + 0.8 / (1 + (dose / location) ** 1.3) + rng.normal(0, 0.03))
                    name = str(day + 1) if named else ""
                    rows.append((name, f"p{day}{culture}", culture, str(dose), f"{value:.2f}"))
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    (path / "wells.csv").write_text(out.getvalue(), encoding="utf-8")
    (path / "study.toml").write_text(STUDY.format(more=more), encoding="utf-8")
    return sq.Study.read(path)


def test_the_study_file_knows_every_model():
    assert set(get_args(CurveModel)) == set(FORMS)


def test_profile_intervals_by_default_and_the_others_by_a_key(tmp_path):
    widths = {}
    for name in ("", "delta", "bootstrap"):
        more = f'interval = "{name}"' if name else ""
        (content,) = sq.run(study(tmp_path, more)).contents
        first = dict(content.fitted[0].parameters)["EC50"]
        assert f"ll4, {name or 'profile'}" in first.method
        widths[name] = math.log(first.upper / first.lower)
    assert widths["delta"] == pytest.approx(widths[""], rel=0.2)
    assert widths["bootstrap"] == pytest.approx(widths[""], rel=0.3)
    assert len(set(widths.values())) == 3


def test_every_curve_has_its_row(tmp_path):
    result = sq.run(study(tmp_path), out=tmp_path / "out")
    table = result.tables["curves-parameters"]
    assert [row.label for row in table.rows] == [f"{c}, {e}" for c in "AB" for e in "1234"]
    one = result.contents[0].fitted[0]
    assert one.wells == 24
    assert one.r_squared > 0.95
    assert one.residual_sd == pytest.approx(0.03, rel=0.5)
    assert (tmp_path / "out" / "tables" / "curves-parameters.csv").is_file()


def test_tables_hold_plain_numbers(tmp_path):
    sq.run(study(tmp_path, 'curve_tests = ["mixed", "parallelism"]', named=False), out=tmp_path / "out")
    for path in (tmp_path / "out").rglob("*.csv"):
        assert "np.float" not in path.read_text("utf-8"), path


def test_a_robust_fit_withstands_a_wild_well(tmp_path):
    protocol = study(tmp_path, "robust = true")
    lines = (tmp_path / "wells.csv").read_text("utf-8").splitlines()
    for place in (10, 13, 17):  # one of the three wells of three doses of the first curve
        lines[place] = lines[place].rsplit(",", 1)[0] + ",2900"
    (tmp_path / "wells.csv").write_text("\n".join(lines), encoding="utf-8")
    (content,) = sq.run(protocol).contents
    assert dict(content.fitted[0].parameters)["EC50"].value == pytest.approx(0.05, rel=0.6)
    assert "robust" in dict(content.fitted[0].parameters)["EC50"].method
    (plain,) = sq.run(sq.Study.read(_without(tmp_path, "robust = true"))).contents
    assert plain.fitted[0].r_squared < 0.5


def _without(path, key):
    text = (path / "study.toml").read_text("utf-8").replace(key, "")
    (path / "study.toml").write_text(text, encoding="utf-8")
    return path


def test_bounds_hold(tmp_path):
    (content,) = sq.run(study(tmp_path, "bounds = { einf = [0.25, 0.5] }")).contents
    low = [dict(one.parameters)["At infinite dose"].value for one in content.fitted]
    assert min(low) >= 0.25


def test_a_parameter_that_the_model_does_not_have(tmp_path):
    for model, form in FORMS.items():
        assert parameters(model) == form.names
    with pytest.raises(StudyError, match="S136") as fault:
        study(tmp_path, "bounds = { eif = [0, 1] }")
    assert "did you mean `einf`?" in str(fault.value)


def test_whole_curves_are_compared_beside_the_experiments(tmp_path):
    more = 'curve_tests = ["mixed", "extra_sum_of_squares", "parallelism"]'
    result = sq.run(study(tmp_path, more), out=tmp_path / "out")
    mixed, shift, parallel = result.contents[0].tested
    assert mixed.effect.lower < 3 < mixed.effect.upper
    assert mixed.adjusted == pytest.approx(mixed.p)
    assert shift.p < 1e-6
    assert "wells are not independent" in shift.warning
    assert math.isnan(shift.adjusted)
    assert parallel.effect.value == pytest.approx(3, rel=0.25)
    told = json.loads((tmp_path / "out" / "data" / "curves-tests.json").read_text("utf-8"))
    assert [one["test"].split(":")[0] for one in told["curve_tests"]] == [
        mixed.test,
        *["extra sum of squares"] * 2,
    ]
    assert told["curve_tests"][0]["p"] == mixed.p
    rows = result.tables["curves-curve-tests"].rows
    assert len(rows) == 3
    assert "Stars" not in [column.label for column in result.tables["curves-curve-tests"].columns]


def test_the_mixed_model_of_the_study_is_that_of_the_library(tmp_path):
    result = sq.run(study(tmp_path, 'curve_tests = ["mixed"]'))
    frame = result.walk.frames["wells"]
    found = compare_mixed(
        frame["dose"], frame["relative"], frame["culture"], frame["experiment"], "ec50", fixed={"e0": 1.0}
    )
    assert result.contents[0].tested[0].effect.value == pytest.approx(found.contrasts[0].value, rel=1e-9)


def test_curves_that_are_not_parallel_have_no_relative_potency(tmp_path):
    protocol = study(tmp_path, 'curve_tests = ["parallelism"]')
    lines = [line.split(",") for line in (tmp_path / "wells.csv").read_text("utf-8").splitlines()]
    for line in lines[1:]:
        if line[2] == "B":
            line[4] = f"{600 + 0.4 * float(line[4]):.2f}"
    (tmp_path / "wells.csv").write_text("\n".join(map(",".join, lines)), encoding="utf-8")
    (tested,) = sq.run(protocol).contents[0].tested
    assert tested.p < 0.001
    assert "not parallel" in tested.effect.reason


@pytest.mark.parametrize(("days", "named", "said"), [(2, True, "3 experiments"), (3, False, "not named")])
def test_no_mixed_model_without_experiments(tmp_path, days, named, said):
    (content,) = sq.run(study(tmp_path, 'curve_tests = ["mixed"]', days=days, named=named)).contents
    (tested,) = content.tested
    assert math.isnan(tested.p)
    assert said in tested.warning


def test_a_model_that_does_not_exist_is_an_error_of_the_study(tmp_path):
    with pytest.raises(StudyError, match="S105"):
        study(tmp_path, 'model = "ll9"')
