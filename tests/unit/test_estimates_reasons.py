"""What cannot be estimated is named; what cannot be used is refused with a remedy."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from sequela.core.errors import UsageError
from sequela.core.estimate import Estimate, estimates_frame
from sequela.core.outcome import Times
from sequela.estimates.bands import band
from sequela.estimates.comparisons import fisher, kruskal_wallis, t_test
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.design import design
from sequela.estimates.finegray import fine_gray
from sequela.estimates.frailty import frailty
from sequela.estimates.gray import gray
from sequela.estimates.groupwise import max_combo, pairwise
from sequela.estimates.outofcore import cox_blocks
from sequela.estimates.penalised import firth
from sequela.estimates.resampling import bootstrap, permutation_log_rank
from sequela.estimates.risk import risk_table
from sequela.estimates.selection import select
from sequela.estimates.tests import log_rank
from sequela.estimates.timeline import timeline


@pytest.fixture
def times() -> Times:
    rng = np.random.default_rng(1)
    return Times(rng.integers(1, 30, 80), rng.integers(0, 2, 80))


def test_separation_is_named_and_firth_mends_it() -> None:
    x = np.r_[np.zeros(10), np.ones(10)]
    times = Times(np.r_[np.arange(11, 21), np.arange(1, 11)], np.r_[np.zeros(10), np.ones(10)])
    model = cox(times, {"treated": x})
    assert (
        math.isnan(model.coef[0])
        and "separation" in model.reasons["treated"]
        and "to infinity" in model.reasons["treated"]
    )
    assert model.tests["wald"].reason and model.tests["likelihood_ratio"].p < 0.01
    assert math.isfinite(firth(times, {"treated": x}).coef[0])


def test_separation_leaves_the_other_coefficients(times: Times) -> None:
    rng = np.random.default_rng(2)
    age = rng.normal(size=80)
    never = np.zeros(80)
    never[np.flatnonzero(times.state == 0)[:5]] = 1  # five with no event among them
    model = cox(times, {"age": age, "never": never})
    without = cox(times.take(never == 0), age[never == 0])
    assert "minus infinity" in model.reasons["never"]
    assert model.coef[0] == pytest.approx(without.coef[0], abs=1e-4)


def test_aliased_and_constant_columns_are_named(times: Times) -> None:
    rng = np.random.default_rng(3)
    a = rng.normal(size=80)
    model = cox(times, {"a": a, "twice": 2 * a + 1, "same": np.ones(80)})
    assert model.reasons == {
        "twice": "aliased with the columns before it",
        "same": "no variation while at risk",
    }
    assert model.coef[0] == pytest.approx(cox(times, a).coef[0])
    assert model.tests["wald"].df == 1
    assert model.frame()["reason"].to_list()[1] == "aliased with the columns before it"


def test_rows_of_weight_zero_are_not_there(times: Times) -> None:
    x = np.random.default_rng(4).normal(size=80)
    weights = np.r_[np.zeros(40), np.ones(40)]
    half = cox(times.take(np.arange(40, 80)), x[40:])
    assert cox(times, x, weights=weights).coef == pytest.approx(half.coef, abs=1e-12)
    weighted = Times(times.exit, times.state, weights=weights)
    assert cox_blocks(lambda: [(weighted, x[:, None])], ("x",)).coef == pytest.approx(half.coef, abs=1e-12)


def test_a_model_without_columns_has_no_tests(times: Times) -> None:
    tests = cox(times, np.zeros((80, 0))).tests
    assert {test.reason for test in tests.values()} == {"no coefficient was estimated"}


def test_no_events() -> None:
    model = cox(Times([1, 2, 3], [0, 0, 0]), [1.0, 2.0, 3.0])
    assert model.reasons == {"x1": "no events"} and model.tests["score"].reason == "no events"
    assert log_rank(Times([1, 2], [0, 0]), [0, 1]).reason == "no events"
    assert kaplan_meier(Times([1, 2], [0, 0])).median().reason == "median not reached"


def test_values_beyond_follow_up_are_not_invented(times: Times) -> None:
    curve = kaplan_meier(Times([1, 2, 3], [1, 0, 0]))
    assert curve.at(4).reason == "beyond the last follow-up time"
    assert curve.rmst(4).reason == "tau lies beyond the last follow-up time"
    assert curve.at([0, 1.5])[1].value == pytest.approx(2 / 3)
    assert kaplan_meier(Times([1, 2], [1, 1])).at(9).value == 0


def test_limits_that_do_not_exist_are_explained() -> None:
    found = kaplan_meier(Times([1, 2], [0, 1]), interval="log-log").at(1)
    assert found.value == 1 and math.isnan(found.lower) and "no limits" in (found.reason or "")
    assert kaplan_meier(Times([1, 2], [0, 1])).at(1).lower == 1


def test_spss_convention() -> None:
    rng = np.random.default_rng(4)
    times = Times(rng.integers(1, 100, 200), rng.random(200) < 0.7)
    median = kaplan_meier(times, convention="spss").median()
    assert median.upper - median.value == pytest.approx(1.959964 * median.se, rel=1e-6)
    assert kaplan_meier(times, convention="spss").interval == "plain"


def test_rounding_twins_are_one_time() -> None:
    line = timeline(Times([0.1 + 0.2, 0.3, 0.5], [1, 1, 0]))
    assert line.exit.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda t: cox(t, np.r_[np.nan, np.ones(79)]), "E142"),
        (lambda t: cox(t, np.ones(3)), "E140"),
        (lambda t: cox(t, np.ones(80), ties="efrom"), "E150"),
        (lambda t: cox(t, np.ones(80), weights=-np.ones(80)), "E152"),
        (lambda t: cox(t, "x + y"), "E145"),
        (lambda t: log_rank(t, np.ones(80)), "E130"),
        (lambda t: log_rank(t, np.ones(7)), "E111"),
        (lambda t: log_rank(risk_table(Times([1, 2], [1, 1], weights=[1, 2]), [0, 1])), "E131"),
        (lambda t: kaplan_meier(risk_table(Times([3, 4], [1, 1], [1, 0])), robust=True), "E121"),
        (lambda t: kaplan_meier(t, interval="lag"), "E120"),
        (lambda t: design({"a": ["x", "y"]}, 2, reference={"a": "z"}), "E143"),
        (lambda t: design({"a": ["x", None]}, 2), "E142"),
        (lambda t: gray(Times([1, 2], [1, 1], weights=[1, 2]), [0, 1], rho=1), "E171"),
        (lambda t: fine_gray(Times([1, 2], [1, 2], [0, 1]), [0, 1], convention="cmprsk"), "E172"),
        (lambda t: fine_gray(Times([3, 2, 9, 9], [1, 2, 1, 0], [0, 0, 4, 5]), [0, 1, 0, 1]), "E173"),
        (lambda t: max_combo(t, np.arange(80) % 3), "E132"),
        (lambda t: fisher([[1.5, 2], [3, 4]]), "E162"),
    ],
)
def test_wrong_input_is_refused(times: Times, call, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        call(times)
    assert caught.value.findings[0].code == code


def test_columns_from_frames_and_formulas(times: Times) -> None:
    rng = np.random.default_rng(5)
    stage, age = rng.choice(["I", "II", "III"], 80), rng.normal(60, 9, 80)
    frame = pl.DataFrame({"age": age, "stage": stage})
    model = cox(times, frame)
    assert model.names == ("age", "stage: II", "stage: III")
    formula = cox(times, "age + C(stage)", data=frame)
    assert formula.coef == pytest.approx(model.coef)
    other = cox(times, frame, reference={"stage": "III"})
    assert other.names == ("age", "stage: I", "stage: II")
    assert other.coef[2] == pytest.approx(model.coef[1] - model.coef[2])
    interaction = cox(times, "age * C(stage)", data=frame)
    assert len(interaction.names) == 5


def test_sentences() -> None:
    assert (
        str(Estimate("HR", 1.79, lower=1.23, upper=2.61, p=0.002))
        == "HR 1.79, 95% CI 1.23 to 2.61, p = 0.002"
    )
    assert str(Estimate("median", math.nan, reason="median not reached")) == "median – (median not reached)"
    assert estimates_frame([Estimate("a", 1.0), Estimate("b", 2.0)]).height == 2


def test_averaged_curve_of_one_row_is_the_predicted_one(times: Times) -> None:
    x = np.random.default_rng(6).normal(size=(80, 2))
    model = cox(times, x)
    one, many = model.predict([0.5, -1.0]), model.average(np.tile([0.5, -1.0], (7, 1)))
    assert many.survival == pytest.approx(one.survival)
    assert many.variance == pytest.approx(one.variance)
    assert model.baseline().hazard == pytest.approx(model.predict([0, 0]).hazard)


def test_no_error_is_invented_for_robust_means(times: Times) -> None:
    weighted = Times(times.exit, times.state, weights=np.random.default_rng(3).uniform(0.5, 2, 80))
    curve = kaplan_meier(weighted)
    assert curve.method == "Kaplan-Meier, robust variance"
    table = kaplan_meier(risk_table(weighted))  # a table no longer knows its rows
    assert table.variance == pytest.approx(curve.variance)
    assert math.isnan(table.rmst(10).se) and "bootstrap" in (table.rmst(10).reason or "")
    assert kaplan_meier(weighted, robust=False).rmst(10).se > 0
    with pytest.raises(UsageError):
        band(curve)


def test_residuals_sum_to_nothing(times: Times) -> None:
    model = cox(times, np.random.default_rng(7).normal(size=(80, 2)))
    assert model.residuals("martingale").sum() == pytest.approx(0, abs=1e-9)
    assert model.residuals("score").sum(axis=0) == pytest.approx([0, 0], abs=1e-8)
    assert model.residuals("schoenfeld").sum(axis=0) == pytest.approx([0, 0], abs=1e-8)


def test_frailty_finds_what_was_put_in() -> None:
    rng = np.random.default_rng(8)
    centre = np.repeat(np.arange(30), 30)
    effect = rng.gamma(2, 1 / 2, 30)[centre]
    x = rng.normal(size=900)
    exit = np.ceil(rng.exponential(400 / (effect * np.exp(0.5 * x))))
    model = frailty(Times(np.minimum(exit, 700), exit <= 700), {"x": x}, centre)
    assert 0.2 < model.theta < 1.2 and model.tests["frailty"].p < 1e-6
    assert abs(model.coef[0] - 0.5) < 3 * model.se[0]


def test_resampling_is_seeded_and_by_cluster(times: Times) -> None:
    def median(rows: np.ndarray) -> float:
        return kaplan_meier(times.take(rows)).median().value

    draws = [
        bootstrap(median, 80, np.random.default_rng(9), 60, cluster=np.arange(80) // 4) for _ in range(2)
    ]
    assert (draws[0].lower, draws[0].upper) == (draws[1].lower, draws[1].upper)
    assert draws[0].lower <= draws[0].value <= draws[0].upper
    test = permutation_log_rank(times, np.arange(80) % 2, np.random.default_rng(10), 200)
    assert abs(test.p - log_rank(times, np.arange(80) % 2).p) < 0.12


def test_selection_counts_what_enters(times: Times) -> None:
    rng = np.random.default_rng(11)
    strong = -np.log(times.exit) + rng.normal(0, 0.2, 80)
    found = select(times, {"strong": strong, "noise": rng.normal(size=80)}, np.random.default_rng(12), 30)
    assert found.chosen[0] == "strong" and found.inclusion["strong"] == 1 and found.inclusion["noise"] < 0.5
    assert found.spread["strong"][0] < found.spread["strong"][2]


def test_pairs_are_adjusted_together(times: Times) -> None:
    group = np.arange(80) % 3
    raw, holm = pairwise(times, group, "none"), pairwise(times, group, "holm")
    assert set(raw) == {("0", "1"), ("0", "2"), ("1", "2")}
    assert all(holm[pair].p >= raw[pair].p for pair in raw)


def test_degenerate_comparisons_have_reasons() -> None:
    assert t_test([1], [2, 3]).reason and t_test([1, 1], [1, 1]).reason
    assert kruskal_wallis([1, 1, 1], [0, 0, 1]).reason == "all values are equal"
    assert fisher([[3, 4]]).reason
    assert fine_gray(Times([1, 2, 3], [2, 0, 2]), [1.0, 2, 3]).reasons == {"x1": "no events of cause 1"}
