"""Invented treatments of HER2-positive advanced breast cancer at any size: ten records a patient, shuffled, seeded."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

PER_PATIENT = 10
AGENTS = (
    "capecitabine", "denosumab", "docetaxel", "eribulin", "gemcitabine", "lapatinib", "letrozole", "nab_paclitaxel",
    "paclitaxel", "pertuzumab", "trastuzumab", "trastuzumab_deruxtecan", "trastuzumab_emtansine", "tucatinib",
    "vinorelbine", "zoledronic_acid",
)  # fmt: skip
_CODE = {agent: code for code, agent in enumerate(AGENTS)}
BLOCK = 1_000_000  # patients drawn at a time


def records(rng: np.random.Generator, patients: int) -> pl.DataFrame:
    """Columns `patient`, `agent`, `start`, `end` (days; null: ongoing), rows in no order."""
    parts = [_block(rng, min(BLOCK, patients - first)) for first in range(0, patients, BLOCK)]
    agent, start, end = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    patient = np.repeat(rng.permutation(patients).astype(np.int64), PER_PATIENT)
    order = rng.permutation(len(start))
    frame = pl.DataFrame(
        {"patient": patient[order], "agent": agent[order], "start": start[order], "end": end[order]}
    )
    return frame.with_columns(
        pl.col("agent").replace_strict(dict(enumerate(AGENTS)), return_dtype=pl.String),
        pl.when(pl.col("end") >= 0).then(pl.col("end")),
    )


def _block(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Agent, start and end (-1: ongoing) of `n` patients, ten rows each."""

    def days(low: int, high: int) -> np.ndarray:
        return rng.integers(low, high + 1, n)

    def stay(mean: float) -> np.ndarray:
        return 21 + np.ceil(rng.exponential(mean, n)).astype(np.int64)

    def pause() -> np.ndarray:
        return np.where(rng.random(n) < 0.1, days(121, 400), days(1, 80))

    first = days(0, 3650)
    stay1, stay2, stay3 = stay(450), stay(200), stay(180)
    second = first + stay1 + pause()
    third = second + stay2 + pause()
    fourth = third + stay3 + pause()
    lapatinib = rng.random(n) < 0.3
    slots = (
        (_one(rng, n, "paclitaxel", "docetaxel", "nab_paclitaxel"), first + days(0, 7), days(63, 168)),
        (_one(rng, n, "trastuzumab"), first, stay1 // 2),
        (_one(rng, n, "trastuzumab"), first + stay1 // 2 + days(1, 30), stay1 // 2),
        (_one(rng, n, "pertuzumab", "pertuzumab", "letrozole", "vinorelbine"), first + days(0, 40), stay1),
        (_one(rng, n, "zoledronic_acid", "denosumab"), first + days(0, 200), days(200, 700)),
        (_one(rng, n, "docetaxel", "paclitaxel"), first + days(30, 90), days(1, 60)),
        (np.where(lapatinib, _CODE["lapatinib"], _CODE["trastuzumab_emtansine"]), second, stay2),
        (np.where(lapatinib, _CODE["capecitabine"], _CODE["letrozole"]), second + days(0, 21), stay2),
        (_one(rng, n, "tucatinib", "vinorelbine", "trastuzumab"), third, stay3),
        (_one(rng, n, "trastuzumab_deruxtecan", "eribulin", "gemcitabine"), fourth, stay(150)),
    )
    reached = rng.choice(3, n, p=(0.4, 0.3, 0.3))  # how far: the records after stay with trastuzumab
    agent = np.stack([slot[0] for slot in slots], axis=1).astype(np.int8)
    start = np.stack([slot[1] for slot in slots], axis=1).astype(np.int32)
    end = start + np.stack([slot[2] for slot in slots], axis=1).astype(np.int32)
    for later in (8, 9):
        stays = reached < later - 7
        agent[stays, later] = _CODE["trastuzumab"]
        start[stays, later] = start[stays, 2] + 30 * (later - 7)
        end[stays, later] = start[stays, later] + 30
    end[:, -1] = np.where(rng.random(n) < 0.3, -1, end[:, -1])
    return agent.ravel(), start.ravel(), end.ravel()


def _one(rng: np.random.Generator, n: int, *agents: str) -> np.ndarray:
    """One of the agents for each patient."""
    return np.array([_CODE[agent] for agent in agents])[rng.integers(0, len(agents), n)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("patients", type=float)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=20261123)
    asked = parser.parse_args()
    made = records(np.random.default_rng(asked.seed), int(asked.patients))
    made.write_parquet(asked.out, row_group_size=BLOCK)


if __name__ == "__main__":
    main()
