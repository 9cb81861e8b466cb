"""Estimates against R survival 3.5 and cmprsk 2.2: recorded on our own data, and live on data that R ships."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.truth.estimates_replay import differences, read, replay

HERE = Path(__file__).parent
SCRIPT = HERE / "estimates_reference.R"
ITERATIVE = ("frailty", "lognormal", "loglogistic", "weibull", "exponential")


def recorded(path: Path) -> dict[str, np.ndarray]:
    text = json.loads(path.read_text())
    return {
        name: np.array([np.nan if x is None else x for x in values], float) for name, values in text.items()
    }


def check(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> None:
    for name, distance in differences(ours, theirs).items():
        limit = 1e-6 if name.startswith(ITERATIVE) or name.endswith("/p") else 1e-8
        assert distance < limit, f"{name}: {distance:.1e} from R"


def test_every_recorded_result_is_replayed() -> None:
    theirs = recorded(HERE / "estimates_reference.json")
    ours = replay(read(HERE / "estimates_trial.csv"))
    aside = {"tau", "aj/times", "turnbull"}  # inputs of the comparison; R stops Turnbull's EM early
    assert set(theirs) - aside == set(ours)


def test_recorded_results() -> None:
    check(replay(read(HERE / "estimates_trial.csv")), recorded(HERE / "estimates_reference.json"))


def r_is_complete() -> bool:
    if shutil.which("Rscript") is None:
        return False
    probe = 'q(status = !all(sapply(c("survival", "cmprsk"), requireNamespace, quietly = TRUE)))'
    return subprocess.run(["Rscript", "-e", probe], check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("name", ["lung", "ovarian", "pbc", "veteran", "colon"])
def test_live_r(name: str, tmp_path: Path) -> None:
    if not r_is_complete():
        pytest.skip("R with survival and cmprsk is not installed")
    results, data = tmp_path / "r.json", tmp_path / "data.csv"
    subprocess.run(["Rscript", str(SCRIPT), name, str(results), str(data)], check=True, capture_output=True)
    check(replay(read(data)), recorded(results))
