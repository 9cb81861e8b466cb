"""The mixed model of dose-response curves against R's nlme (recorded), and what it must leave unchanged."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sequela.core.errors import UsageError
from sequela.estimates.doseresponse import FORMS, compare_mixed, fitting
from sequela.estimates.doseresponse.curves import collapse, split
from sequela.estimates.doseresponse.effects import mixed_effects

R = json.loads((Path(__file__).parent / "mixed_curves_reference.json").read_text("utf-8"))
DOSE, RESPONSE, CULTURE, DAY = (np.array(R["data"][k]) for k in ("dose", "response", "culture", "experiment"))
EVERY = np.ones(len(DOSE), bool)
UNEVEN = ~((CULTURE == "B") & (DAY == "2")) & ~((CULTURE == "A") & (DAY == "4") & (DOSE > 0.2))


def fit(keep, random, *, nested, restricted):
    wells = split(DOSE[keep], RESPONSE[keep], CULTURE[keep], DAY[keep])
    means = collapse(wells)
    curves = fitting.batch(FORMS["ll4"], means.dose, means.y, means.weight, {})
    group = np.array(["AB".index(one.group) for one in wells])
    day = np.array([int(one.experiment) - 1 for one in wells]) if nested else np.arange(len(wells))
    start, pure = fitting.fit(curves).theta[[0, -1]], float(means.pure.sum())
    return mixed_effects(curves, start, pure, int(keep.sum()), group, day, random, restricted=restricted)


CASES = [
    ("t", EVERY, ("ec50",), False),
    ("ct", EVERY, ("einf", "ec50"), False),
    ("nested_t", EVERY, ("ec50",), True),
    ("uneven_ct", UNEVEN, ("einf", "ec50"), False),
]


@pytest.mark.parametrize("kind", ["ml", "reml"])
@pytest.mark.parametrize(("name", "keep", "random", "nested"), CASES)
def test_the_mixed_curves_equal_nlme(kind, name, keep, random, nested):
    told = R[f"{kind}_{name}"]
    found = fit(keep, random, nested=nested, restricted=kind == "reml")
    se = np.sqrt(np.diag(found.covariance)).reshape(2, 4).T.ravel()
    assert found.beta.T.ravel() == pytest.approx(told["fixed"], abs=5e-6)
    assert se == pytest.approx(told["se"], rel=1e-5)
    assert [*found.sd.values(), found.residual_sd] == pytest.approx(told["sd"], rel=1e-5)
    assert found.log_likelihood == pytest.approx(told["log_likelihood"][0], abs=1e-4)


def compared(dose=DOSE, response=RESPONSE, **more):
    return compare_mixed(dose, response, CULTURE, DAY, **{"quantity": "ec50", **more})


def test_the_ratio_of_locations_is_that_of_the_fixed_effects():
    """With one random location: exp(t_B - t_A) of nlme's fit, its error from the covariance of both."""
    found = compared(random=("ec50",))
    low, high = R["reml_nested_t"]["fixed"][-2:]
    assert found.contrasts[0].value == pytest.approx(math.exp(high - low), rel=1e-5)
    assert found.values["A"].value == pytest.approx(math.exp(low), rel=1e-5)
    assert found.df[0] == pytest.approx(4.0)  # two groups on five shared days: (2 - 1)(5 - 1)
    assert found.contrasts[0].lower < 0.84 / 0.42 < found.contrasts[0].upper


def test_swapped_groups_turn_the_ratio_round():
    one, other = compared(), compared(reference="B")
    assert other.contrasts[0].value == pytest.approx(1 / one.contrasts[0].value, rel=1e-6)
    assert other.contrasts[0].p == pytest.approx(one.contrasts[0].p, rel=1e-4)


def test_units_and_the_order_of_wells_change_nothing_else():
    one, scaled = compared(quantity="ic50"), compared(1000 * DOSE, 70 * RESPONSE, quantity="ic50")
    order = np.random.default_rng(1).permutation(len(DOSE))
    other = compare_mixed(DOSE[order], RESPONSE[order], CULTURE[order], DAY[order], reference="A")
    assert scaled.values["A"].value == pytest.approx(1000 * one.values["A"].value, rel=1e-4)
    for found in (scaled, other):
        assert found.contrasts[0].value == pytest.approx(one.contrasts[0].value, rel=1e-4)
        assert found.contrasts[0].p == pytest.approx(one.contrasts[0].p, rel=1e-2)


def test_differences_of_responses():
    found = compared(quantity="emax", fixed={"e0": 1.0}).contrasts[0]
    assert found.name == "B − A"
    assert found.lower < 0.1 < found.upper


def test_curves_without_scatter_between_days_are_one_fit_of_all_wells():
    """Days that are copies of each other: no variance, and the standard error of the separate pooled fits."""
    part = (DAY == "1") & (CULTURE == "A")
    dose, response = np.tile(DOSE[part], 6), np.tile(RESPONSE[part], 6)
    by, day = np.repeat(["a", "b"], 72), np.tile(np.repeat(["1", "2", "3"], 24), 2)
    found = compare_mixed(dose, response, by, day, "ec50")
    assert set(found.effects.sd.values()) == {0.0}
    assert found.contrasts[0].value == pytest.approx(1.0, abs=1e-6)


def test_no_answer_has_a_reason():
    two = (DAY == "1") | (DAY == "2")
    found = compare_mixed(DOSE[two], RESPONSE[two], CULTURE[two], DAY[two])
    assert "3 experiments a side" in found.contrasts[0].reason
    few = (DOSE == 0) | (DOSE == 1)
    assert "too few doses" in compare_mixed(DOSE[few], RESPONSE[few], CULTURE[few], DAY[few]).reason
    noise = 0.9 + np.random.default_rng(2).normal(0, 0.05, len(DOSE))
    flat = compare_mixed(DOSE, np.where(CULTURE == "A", RESPONSE, noise), CULTURE, DAY)
    assert "no effect of dose" in flat.contrasts[0].reason


def test_curves_that_are_flat_on_some_days_lean_on_the_others():
    """On one of five days B shows nothing: one value a day would drop it, the model keeps it with its weight."""
    rng = np.random.default_rng(4)
    lost = (CULTURE == "B") & (DAY == "2")
    response = np.where(lost, 0.95 + rng.normal(0, 0.05, len(DOSE)), RESPONSE)
    found = compared(response=response)
    assert found.reason is None
    assert found.contrasts[0].lower < 2 < found.contrasts[0].upper
    assert found.effects.sd["curve", "einf"] > compared().effects.sd["curve", "einf"]


def test_a_group_that_cannot_be_in_the_model_does_not_spoil_the_others():
    dose, response = np.tile(DOSE, 2), np.tile(RESPONSE, 2)
    by = np.concatenate([CULTURE, np.where(CULTURE == "A", "C", "D")])
    keep = (by != "C") | (np.tile(DAY, 2) < "3")
    keep &= by != "D"
    found = compare_mixed(dose[keep], response[keep], by[keep], np.tile(DAY, 2)[keep], "ec50")
    alone = compared()
    assert found.contrasts[0].value == alone.contrasts[0].value
    assert "C has 2" in found.contrasts[1].reason
    assert found.effects is not None


@pytest.mark.parametrize(
    "wrong",
    [{"quantity": "slope"}, {"model": "ll9"}, {"random": ("top",)}, {"random": ()}, {"reference": "C"}],
)
def test_wrong_arguments(wrong):
    with pytest.raises(UsageError, match="E210"):
        compared(**wrong)
