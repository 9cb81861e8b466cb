"""The benchmark's page: what is measured twice is merged, what was not measured is a dash."""

import json
from pathlib import Path

from bench.survival_page import aims, known, page, slower, table


def found(own: float, r: float) -> dict:
    return {
        "sequela": {"seconds": [own, own, 9.0], "memory": 4.0, "data": 8.0},
        "R survival": {"seconds": [r], "memory": 16.0},
        "limit": {"seconds": [own / 4], "data": 8.0},
    }


def test_rows_ratios_and_shares() -> None:
    lines = table({"km": {"1000000": found(0.01, 1.2), "555": found(0.002, 0.001)}}).splitlines()
    first, second = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:])
    assert first == ["Kaplan-Meier, whole days", "555", "2.00 (1/2.0)", "1.00", "–", "–", "–", "0.50", ""]
    assert second[1:4] == ["1,000,000", "10.0 (120×)", "1,200"]
    assert second[-1] == "50 % / 200 %"


def test_aims_say_what_was_missed() -> None:
    told = aims({"km": {"1000000": found(0.01, 1.2)}, "cox_10": {"1000000": found(0.1, 2.0)}})
    assert "120× | reached" in told
    assert "25× | 20× | missed by 20 %" in told
    told = slower({"km": {"555": found(0.002, 0.001), "10000": found(0.01, 0.1)}})
    assert "R survival is faster than Sequela in:\n  - Kaplan-Meier, whole days, at n = 555\n" in told
    assert "lifelines: in no cell." in told


def test_the_page_is_made_from_what_was_merged(tmp_path: Path) -> None:
    path = tmp_path / "survival.json"
    assert known(path) == {}
    path.write_text(json.dumps({"km": {"555": found(0.001, 0.002)}}))
    assert "{{" not in page(known(path), 8, 70)
