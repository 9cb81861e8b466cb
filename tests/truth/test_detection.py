"""Whole studies with one planted fault, and clean ones, through the real audit."""

import numpy as np
import pytest
from bench.detection import alarms, detected, verdicts
from scipy.stats import f_oneway

from sequela.audit.centres import exposure_p
from sequela.audit.data import Clock
from sequela.audit.outliers import apart, expected_events
from sequela.virtual.faults import CLEAN, FAULTS, records, study_file

LOUD = ("warn", "fail")
TESTS = {
    "A131",
    "A141",
    "A151",
    "A152",
    "A181",
    "A182",
    "A191",
}  # tests at 5 %, or all centres or covariates together


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(fault.codes))
def test_a_planted_fault_is_found(fault):
    found = verdicts(fault, 1)
    assert any(found[code] in LOUD for code in fault.codes), found


@pytest.mark.parametrize("fault", CLEAN, ids=lambda fault: fault.name)
def test_a_clean_study_has_no_fail_and_warns_of_nothing_but_chance(fault):
    for seed in range(3):
        found = verdicts(fault, seed)
        assert "fail" not in found.values(), found
        assert {code for code, one in found.items() if one == "warn"} <= TESTS, found


def test_every_check_of_the_audit_has_a_planted_fault():
    planted = {code for fault in FAULTS for code in fault.codes}
    assert planted | {"A101"} == set(verdicts(CLEAN[0], 0)) - {"A143"}


def test_records_are_those_of_the_world():
    one = CLEAN[0].world(np.random.default_rng(1))
    made = records(one)
    assert made["patients"].height == 400 == made["follow_up"].height
    assert made["follow_up"]["status"].to_list().count("dead") == int((one.death <= one.seen).sum())
    assert made["treatments"].filter(made["treatments"]["drug"] == "pertuzumab").height == one.arm.sum()
    assert "fault" not in study_file(CLEAN[0].asked)


def clock(exit, event, arm=None):
    n = len(exit)
    return Clock(
        "OS",
        ("A", "B"),
        np.zeros(n, int) if arm is None else arm,
        np.array(exit, float),
        np.array(event),
        np.zeros(n),
    )


def test_expected_events_by_hand():
    """Exits 1, 2, 3, 4, dead at 1 and 3: the cumulative hazard is 1/4 from 1 on and 1/4 + 1/2 from 3 on."""
    found = expected_events(clock([1, 2, 3, 4], [True, False, True, False]))
    assert found == pytest.approx([0.25, 0.25, 0.75, 0.75])
    assert found.sum() == pytest.approx(2)  # expected and observed agree over all


def test_exposure_over_centres_is_the_f_test():
    rng = np.random.default_rng(5)
    arm, centre = rng.integers(0, 2, 120).astype(float), rng.choice(["a", "b", "c"], 120, p=[0.2, 0.3, 0.5])
    expected = f_oneway(*(arm[centre == name] for name in "abc")).pvalue
    assert exposure_p(arm, centre) == pytest.approx(expected)
    assert np.isnan(exposure_p(np.ones(120), centre))
    assert exposure_p((centre == "a").astype(float), centre) == 0


def test_a_centre_apart_is_named():
    rng = np.random.default_rng(3)
    centre = np.repeat([f"c{k}" for k in range(10)], 30)
    life = rng.exponential(np.where(centre == "c4", 5, 20))
    one = clock(np.minimum(life, 30), life < 30)
    assert apart(one, centre).verdict == "warn" and "c4" in apart(one, centre).sentence
    assert apart(one, np.full(300, "")).verdict == "not applicable"


@pytest.mark.slow
def test_many_seeds():
    for fault in FAULTS:
        assert detected(fault, 20)[0] >= 0.9, fault.name
    for code, counts in alarms(100).items():
        applies = sum(counts.values()) - counts["not applicable"]
        assert counts["fail"] <= 0.01 * applies, code
        assert counts["warn"] <= 0.1 * applies, code  # 5 % and more than three standard errors
