"""p-values as printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sequela.core.wording import STYLES, p_phrase, p_value


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.5, "0.50"),
        (0.1, "0.10"),
        (0.0996, "0.10"),
        (0.0994, "0.099"),
        (0.049, "0.049"),
        (0.0496, "0.050"),
        (0.00096, "0.001"),
        (0.00094, "0.0009"),
        (0.0001, "0.0001"),
        (0.00009, "<0.0001"),
        (0.996, ">0.99"),
        (float("nan"), "–"),
    ],
)
def test_a_p_value_as_printed(p: float, text: str) -> None:
    assert p_value(p) == text


@pytest.mark.parametrize(
    ("style", "text"),
    [("lancet", "p = 0·013"), ("jama", "P = .013"), ("nejm", "P = 0.013"), ("bmc", "p = 0.013")],
)
def test_house_styles(style: str, text: str) -> None:
    assert p_phrase(0.013, STYLES[style]) == text


@given(st.floats(0.0001, 0.99))
def test_the_printed_value_is_near_and_never_zero(p: float) -> None:
    printed = float(p_value(p))
    assert printed > 0
    assert abs(printed - p) <= (0.005 if printed >= 0.1 else 0.0005) + 1e-12
