"""Rows are ordered by patient, start and agent, the earlier row first, however their numbers are packed."""

import numpy as np
import polars as pl
import pytest

from sequela.clinic.folding import coded


@pytest.mark.parametrize(
    ("n", "patients", "days"),
    [
        (900, 300, 200),  # everything fits into one number
        (900, 5_000, 2**31),  # with holes
        (900, 2**60, 200),  # numbers of patients that say nothing but who is who
        (70_000, 70_000, 2**32 - 1),  # no room for the row's place
        (1, 1, 1),
    ],
)
@pytest.mark.parametrize("text", [False, True])
def test_order_is_that_of_a_stable_sort(n, patients, days, text):
    rng = np.random.default_rng(n)
    start = rng.integers(0, days, n) - 2**31
    frame = pl.DataFrame(
        {
            "row": np.arange(n),
            "patient": rng.integers(0, patients, n) + 11,
            "agent": rng.choice(list("dacb"), n),
            "start": start.astype(np.int32),
            "end": None,
        },
        schema_overrides={"end": pl.Int32},
    ).with_columns(pl.col("patient").cast(pl.String if text else pl.Int64))
    found = coded(frame)
    right = frame.sort("patient", "start", "agent", maintain_order=True)
    assert found.rows.row.tolist() == right["row"].to_list() == found.order.tolist()
    assert found.rows.start.tolist() == right["start"].to_list()
    assert [found.agents[code] for code in found.rows.agent] == right["agent"].to_list()
    assert found.patients[found.patient].to_list() == right["patient"].to_list()
    assert found.patients.to_list() == sorted(set(frame["patient"]))
    sizes = right.group_by("patient", maintain_order=True).len()["len"]
    assert np.diff(found.rows.offset).tolist() == sizes.to_list()


def test_rows_in_order_stay():
    frame = pl.DataFrame(
        {
            "row": [0, 1, 2],
            "patient": ["a", "a", "b"],
            "agent": ["x", "x", "x"],
            "start": [0, 5, 1],
            "end": [1, 6, 2],
        }
    )
    assert coded(frame).rows.row.tolist() == [0, 1, 2]
