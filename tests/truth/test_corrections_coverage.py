"""Coverage of the corrections in simulated worlds; docs/corrections.md holds 500 runs of each."""

import pytest
from bench.corrections import EFFECT, row, simulate

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("effect", [0.0, EFFECT])
def test_treatment_that_starts_later(effect):
    found = {method: row(method, answers) for method, answers in simulate("immortal", effect, 200).items()}
    assert (
        found["ever treated, from the origin"][3] < 0.1
    )  # immortal time: the true ratio is hardly ever covered
    for method in ("treatment as it changes", "landmark at 6"):
        _, _, bias, covered, _, lost = found[method]
        assert abs(bias) < 0.06, method
        assert 0.9 <= covered <= 0.99, method
        assert lost == 0


@pytest.mark.parametrize("effect", [0.0, EFFECT])
def test_confounders_are_weighed_and_standardised_away(effect):
    found = {method: row(method, answers) for method, answers in simulate("confounded", effect, 40).items()}
    assert found["as asked, no correction"][3] < 0.6
    for method, (_, _, bias, covered, _, lost) in found.items():
        if method != "as asked, no correction":
            assert abs(bias) < (0.6 if method.startswith("standardised") else 0.12), method
            assert covered >= 0.84, method
            assert lost == 0


@pytest.mark.parametrize("effect", [0.0, EFFECT])
def test_imputation_keeps_its_level(effect):
    found = {method: row(method, answers) for method, answers in simulate("holes", effect, 60).items()}
    for method, (_, _, bias, covered, _, _) in found.items():
        if method.startswith("imputed, smcfcs"):
            assert abs(bias) < 0.1, method
            assert covered >= 0.86, method
