"""Worked by hand, or printed in textbooks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sequela.core.outcome import Times
from sequela.estimates.bands import (
    band,
    bridge_probability,
    completeness,
    conditional,
    landmark,
    stay_probability,
)
from sequela.estimates.comparisons import (
    binomial_interval,
    chi_square,
    fisher,
    kappa,
    mann_whitney,
    mcnemar,
    standardised_difference,
    t_test,
)
from sequela.estimates.competing import aalen_johansen
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier, nelson_aalen, reverse_kaplan_meier
from sequela.estimates.groupwise import rectangle_probability, rmst_difference
from sequela.estimates.multiplicity import adjust
from sequela.estimates.states import occupation
from sequela.estimates.tests import log_rank
from sequela.estimates.turnbull import turnbull

# Remission of leukaemia under 6-mercaptopurine and placebo (Freireich et al., Blood 1963), weeks.
MERCAPTOPURINE = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
RELAPSED = [1] * 9 + [0] * 12
PLACEBO = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
REMISSION = Times(MERCAPTOPURINE + PLACEBO, RELAPSED + [1] * 21, unit="week")
ARM = np.array([0] * 21 + [1] * 21)


def test_kaplan_meier_of_remission() -> None:
    curve = kaplan_meier(REMISSION, ARM)["0"]
    printed = {
        6: (0.857, 0.0764),
        7: (0.807, 0.0869),
        10: (0.753, 0.0963),
        13: (0.690, 0.1068),
        22: (0.538, 0.1282),
    }
    for week, (survival, se) in printed.items():
        found = curve.at(week)
        assert found.value == pytest.approx(survival, abs=5e-4)
        assert found.se == pytest.approx(se, abs=1e-4)
    assert curve.median().value == 23
    assert math.isnan(curve.quantile(0.6).value)
    assert curve.quantile(0.6).reason == "quantile 0.6 not reached"


def test_kaplan_meier_in_fractions() -> None:
    curve = kaplan_meier(Times([1, 2, 3, 4, 5], [1, 0, 1, 1, 0]))
    assert curve.survival == pytest.approx([4 / 5, 4 / 5, 8 / 15, 4 / 15, 4 / 15])
    greenwood = 1 / (5 * 4) + 1 / (3 * 2)
    assert curve.se[2] == pytest.approx(8 / 15 * math.sqrt(greenwood))
    assert curve.at_risk.tolist() == [5, 4, 3, 2, 1]
    area = curve.rmst(4)
    assert area.value == pytest.approx(1 + 2 * 4 / 5 + 8 / 15)
    right = [1.6 + 8 / 15, 8 / 15]  # areas to the right of the events at 1 and 3
    assert area.se == pytest.approx(math.sqrt(right[0] ** 2 / 20 + right[1] ** 2 / 6))


def test_delayed_entry_by_hand() -> None:
    # at 2: rows 1, 2 are at risk (row 3 enters at 2, after it); at 5: rows 2, 3
    curve = kaplan_meier(Times([2, 5, 7], [1, 1, 0], entry=[0, 1, 2]))
    assert curve.at_risk.tolist() == [2, 2, 1]
    assert curve.survival == pytest.approx([1 / 2, 1 / 4, 1 / 4])


def test_median_on_a_flat_stretch_is_its_middle() -> None:
    times = Times([1, 2, 3, 6], [1, 1, 0, 1])
    assert kaplan_meier(times).survival[1] == 0.5
    assert kaplan_meier(times).median().value == 4  # S is 0.5 from 2 until 6
    assert kaplan_meier(times, convention="spss").median().value == 2


def test_nelson_aalen_in_fractions() -> None:
    curve = nelson_aalen(Times([1, 2, 3], [1, 0, 1]))
    assert curve.hazard == pytest.approx([1 / 3, 1 / 3, 4 / 3])
    assert curve.hazard_se[-1] == pytest.approx(math.sqrt(1 / 9 + 1))


def test_median_follow_up_turns_events_into_censorings() -> None:
    curve = reverse_kaplan_meier(Times([1, 2, 3, 4], [0, 1, 0, 0]))
    assert curve.survival == pytest.approx([3 / 4, 3 / 4, 3 / 8, 0])
    assert curve.median().value == 3


def test_log_rank_of_remission() -> None:
    test = log_rank(REMISSION, ARM)
    assert test.statistic == pytest.approx(16.793, abs=5e-4)
    assert test.expected == pytest.approx([19.25, 10.75], abs=5e-3)
    assert test.df == 1


@pytest.mark.parametrize(
    ("ties", "coef", "se"), [("breslow", 1.509, 0.410), ("efron", 1.572, 0.412), ("exact", 1.628, 0.433)]
)
def test_cox_of_remission(ties: str, coef: float, se: float) -> None:
    model = cox(REMISSION, {"placebo": ARM}, ties=ties)
    assert model.coef[0] == pytest.approx(coef, abs=6e-4)
    assert model.se[0] == pytest.approx(se, abs=6e-4)


def test_cox_with_two_events_in_closed_form() -> None:
    # risk sets {0, 1, 1}, {0, 1}, {0}: events x = 1 at the first, 0 at the second
    model = cox(Times([1, 2, 3], [1, 1, 0]), np.array([1.0, 0.0, 1.0]))
    r = math.exp(model.coef[0])
    assert 1 - 2 * r / (1 + 2 * r) - r / (1 + r) == pytest.approx(0, abs=1e-12)


def test_aalen_johansen_in_fractions() -> None:
    curves = aalen_johansen(Times([1, 2, 3, 4], [1, 2, 0, 1]))
    assert curves[1].probability == pytest.approx([1 / 4, 1 / 4, 1 / 4, 1 / 4 + 1 / 2])
    assert curves[2].probability == pytest.approx([0, 1 / 4, 1 / 4, 1 / 4])


def test_occupation_of_a_chain() -> None:
    # four patients: line 1 for all; two go on to line 2 at 2, one of them dies at 5; one dies in line 1 at 3
    found = occupation(
        [0, 0, 0, 0, 2, 2], [2, 2, 3, 6, 5, 6], ["1", "1", "1", "1", "2", "2"],
        ["2", "2", "death", None, "death", None],
        states=["1", "2", "death"], ids=[0, 1, 2, 3, 0, 1],
    )  # fmt: skip
    assert found.probability[-1] == pytest.approx([1 / 4, 1 / 4, 1 / 2])
    assert found.at(4)["2"].value == pytest.approx(1 / 2)
    assert found.mean_time("1", 5).value == pytest.approx(2 + 1 / 2 + 2 / 4)


def test_turnbull_by_hand() -> None:
    # (0, 2], (1, 3], (1, open): the innermost interval is (1, 2]; all its mass maximises the likelihood
    found = turnbull([0, 1, 1], [2, 3, np.inf])
    assert found.left.tolist() == [1] and found.right.tolist() == [2]
    assert found.at(1).value == pytest.approx(1) and found.at(2).value == pytest.approx(0)
    assert math.isnan(found.at(1.5).value) and "between 1 and 2" in (found.at(1.5).reason or "")


def test_bands_have_the_published_critical_values() -> None:
    # Kolmogorov's 1.3581 on the whole bridge
    assert bridge_probability(1.358098639, 1.0) == pytest.approx(0.95, abs=1e-8)
    assert stay_probability(1.959963985, 0.0) == pytest.approx(0.95, abs=2e-3)  # a single time: pointwise
    curve = kaplan_meier(REMISSION, ARM)["1"]
    wide = band(curve, "equal-precision", "log")
    inner = kaplan_meier(REMISSION, ARM, interval="log")["1"]
    rows = np.isin(inner.time, wide.time)
    assert (wide.lower < inner.lower[rows]).all()


def test_conditional_landmark_and_completeness() -> None:
    times = Times([2, 4, 6, 8], [1, 1, 1, 0])
    assert conditional(kaplan_meier(times), 3).at(3).value == pytest.approx((1 / 4) / (3 / 4))
    later = landmark(times, 3)
    assert later.exit.tolist() == [1, 3, 5] and len(later) == 3
    assert completeness(Times([5, 10], [0, 1]), [10, 30]).value == pytest.approx(15 / 20)


def test_rmst_difference_is_the_difference_of_areas() -> None:
    found = rmst_difference(REMISSION, ARM, 20)["difference"]
    curves = kaplan_meier(REMISSION, ARM)
    assert found.value == pytest.approx(curves["1"].rmst(20).value - curves["0"].rmst(20).value)


def test_adjusted_p_values() -> None:
    p = [0.01, 0.04, 0.03, 0.2]
    assert adjust(p, "bonferroni") == pytest.approx([0.04, 0.16, 0.12, 0.8])
    assert adjust(p, "holm") == pytest.approx([0.04, 0.09, 0.09, 0.2])
    assert adjust(p, "hochberg") == pytest.approx([0.04, 0.08, 0.08, 0.2])
    assert adjust(p, "bh") == pytest.approx([0.04, 0.04 * 4 / 3, 0.04 * 4 / 3, 0.2])


def test_independent_normals_fill_a_square() -> None:
    assert rectangle_probability(np.eye(2), 1.959963985) == pytest.approx(0.95**2, abs=1e-5)


def test_counts() -> None:
    table = [[10, 20], [30, 5]]
    assert chi_square(table).statistic == pytest.approx(65 * (10 * 5 - 20 * 30) ** 2 / (30 * 35 * 40 * 25))
    assert fisher([[3, 1], [1, 3]]).p == pytest.approx(34 / 70)  # the lady tasting tea, two-sided
    assert mcnemar([[5, 9], [2, 7]]).statistic == pytest.approx(49 / 11)
    assert kappa([[20, 5], [10, 15]]).value == pytest.approx(0.4)
    assert binomial_interval(0, 10).upper == pytest.approx(1 - 0.025 ** (1 / 10))


def test_two_samples() -> None:
    assert mann_whitney([1, 2], [3, 4]).p == pytest.approx(2 / 6)
    assert t_test([1, 2, 3], [2, 3, 4], equal_variance=True).statistic == pytest.approx(-1 / math.sqrt(2 / 3))
    assert standardised_difference([1, 2, 3, 2, 3, 4], [0, 0, 0, 1, 1, 1]).value == pytest.approx(1)
    assert (
        standardised_difference(["a", "a", "b", "b"], [0, 0, 1, 1]).reason == "no variation inside the groups"
    )
