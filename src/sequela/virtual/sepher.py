"""A simulated cohort of the shape of the SePHER study: 555 invented patients, as raw records.

No patient of this cohort exists. What is printed in Bon et al., J Exp Clin Cancer Res 2020;39:279 is met in
two ways:

- exactly: the sequence groups (194, 148, 177, 11, 25), the T-DM1 line (25, 371, 96, 63), every count of
  Tables 2 and 3, the median and range of age, the medians of the disease-free interval
  (`sequela.virtual.margins` lists where the paper contradicts itself and what was chosen);
- nearly: the medians of overall and progression-free survival, because they come out of a multi-state
  process with a drug calendar (`sequela.virtual.courses`) whose constants were searched for them, and of
  one seed chosen for closeness.

Covariates lean on the frailty, never on the treatment. With `null=True` no hazard contains an effect of
pertuzumab.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from sequela.core.units import DAYS_PER_MONTH, DAYS_PER_YEAR
from sequela.virtual import margins
from sequela.virtual.courses import NO_EFFECT, Calendar, Courses, Hazards, fill
from sequela.virtual.drugs import spell
from sequela.virtual.episodes import History, Life, history

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

SEED: Final = 772
PATIENTS: Final = 555
CENTRES: Final = 45
DATA_CUT: Final = "2018-12-31"
# Cells are ten times the sequence group plus the T-DM1 line, 4 for the fourth and later.
CELLS: Final = {12: 194, 32: 177, 23: 89, 24: 59, 43: 7, 44: 4, 51: 25}
STRATUM: Final = {1: 0, 3: 1, 2: 2, 4: 2, 5: 3}

VISIT_DAYS: Final = 63
MISSED: Final = 1 / 12
_SITES: Final = ("visceral", "bone", "brain", "nodes", "local")
_METHODS: Final = ("CT", "MRI", "PET", "bone scan", "clinical")


@dataclass(frozen=True, slots=True, eq=False)
class Cohort:
    """Records of invented patients, as a registry would export them (see docs/virtual.md for the columns).

    Attributes:
        patients: one row a patient.
        treatments: one row a drug episode, adjuvant ones included.
        progressions: one row a progression.
        follow_up: one row a visit; the latest counts.
        visits: one row a visit at which progression was looked for.
        seed: the seed of the generator, None when it was not made from one integer.
        null: whether pertuzumab has no effect anywhere.
    """

    patients: pl.DataFrame
    treatments: pl.DataFrame
    progressions: pl.DataFrame
    follow_up: pl.DataFrame
    visits: pl.DataFrame
    seed: int | None
    null: bool

    @property
    def frames(self) -> dict[str, pl.DataFrame]:
        """The five tables by name."""
        names = ("patients", "treatments", "progressions", "follow_up", "visits")
        return {name: getattr(self, name) for name in names}


def draw(rng: np.random.Generator, *, null: bool = False) -> Cohort:
    """Draw the cohort.

    Args:
        rng: a fresh generator, `np.random.default_rng(SEED)` for the cohort that the documentation describes.
        null: no effect of pertuzumab on any hazard; everything else as before.
    """
    hazards = replace(Hazards(), effects=NO_EFFECT) if null else Hazards()
    courses = fill(rng, CELLS, hazards, Calendar())
    courses = courses.take(rng.permutation(PATIENTS))
    patients = _patients(rng, courses)
    lives = _lives(courses, patients)
    histories = [history(rng, life) for life in lives]
    parts = _treatments(rng, histories), _progressions(rng, histories), _follow_up(rng, lives)
    # Drawn last, so that no other record changes with them.
    visits = _visits(rng, histories, lives)
    treatments, progressions, follow_up, seen = (_dated(part, patients) for part in (*parts, visits))
    return Cohort(patients, treatments, progressions, follow_up, seen, _seed(rng), null)


def _seed(rng: np.random.Generator) -> int | None:
    entropy = getattr(rng.bit_generator.seed_seq, "entropy", None)
    return entropy if isinstance(entropy, int) else None


# ---------------------------------------------------------------- patients


def _patients(rng: np.random.Generator, courses: Courses) -> pl.DataFrame:
    group = courses.group
    stratum = np.array([STRATUM[int(g)] for g in group])
    lean = np.log(courses.frailty)
    lean = (lean - lean.mean()) / lean.std()
    history_columns, dfi = _early_disease(rng, group, stratum)
    metastatic = np.rint((courses.diagnosed - 1970.0) * DAYS_PER_YEAR).astype(np.int64)
    age = margins.ages(rng, PATIENTS)
    operated = np.isfinite(dfi)
    surgery = metastatic - np.rint(np.where(operated, dfi, 0.0) * DAYS_PER_MONTH).astype(np.int64)
    wait = rng.integers(14, 60, PATIENTS) + 150 * (rng.random(PATIENTS) < 0.3)
    without = np.where(
        history_columns["de_novo"] == "yes",
        metastatic - rng.integers(0, 21, PATIENTS),
        metastatic - rng.integers(400, 2000, PATIENTS),
    )
    return pl.DataFrame(
        {
            "patient": [f"P{i + 1:03d}" for i in range(PATIENTS)],
            "centre": margins.centres(rng, PATIENTS, CENTRES),
            "birth_date": _dates(
                metastatic
                - np.rint((age + rng.uniform(0.02, 0.98, PATIENTS)) * DAYS_PER_YEAR).astype(np.int64)
            ),
            "age": age,
            "diagnosis_date": _dates(np.where(operated, surgery - wait, without)),
            "surgery_date": pl.Series(np.where(operated, surgery, 0))
            .cast(pl.Int32)
            .cast(pl.Date)
            .set(pl.Series(~operated), None),
            "metastatic_date": _dates(metastatic),
            **history_columns,
            **_tumour(rng, stratum, lean),
            **_metastases(rng, stratum, lean),
        }
    )


def _dates(days: Integers) -> pl.Series:
    return pl.Series(days).cast(pl.Int32).cast(pl.Date)


def _yes(chosen: NDArray[np.bool_]) -> NDArray[np.str_]:
    return np.where(chosen, "yes", "no")


def _early_disease(
    rng: np.random.Generator, group: Integers, stratum: Integers
) -> tuple[dict[str, NDArray[Any]], NDArray[np.float64]]:
    """De novo and adjuvant columns, and the disease-free interval (nan without a surgery date)."""
    de_novo, treated, trastuzumab, operated = margins.early_disease(rng, stratum)
    dfi = np.full(group.size, np.nan)
    for one in margins.DFI_MEDIAN:
        rows = np.flatnonzero((group == one) & operated)
        dfi[rows] = margins.disease_free_intervals(rng, one, rows.size)
    columns = {
        "de_novo": _yes(de_novo),
        "neoadjuvant_or_adjuvant_treatment": _yes(treated),
        "adjuvant_trastuzumab": _yes(trastuzumab),
    }
    return columns, dfi


def _tumour(rng: np.random.Generator, stratum: Integers, lean: NDArray[np.float64]) -> dict[str, Any]:
    hormone = margins.spread(rng, stratum, margins.HORMONE)
    proliferation = margins.spread(rng, stratum, margins.KI67)
    grade = margins.spread(rng, stratum, margins.GRADE, 0.3 * lean)
    n = stratum.size
    er = np.where(np.isin(hormone, ("both", "er")), np.clip(np.rint(100 * rng.beta(3.0, 1.0, n)), 1, 100), 0)
    pgr = np.where(
        np.isin(hormone, ("both", "pgr")), np.clip(np.rint(100 * rng.beta(1.1, 1.0, n)), 1, 100), 0
    )
    ki67 = np.where(proliferation == "low", rng.integers(5, 21, n), np.rint(21 + 69 * rng.beta(1.3, 2.5, n)))
    strong = rng.random(n) < 0.85
    return {
        "er_percent": er.astype(np.int64), "pgr_percent": pgr.astype(np.int64),
        "her2_ihc": np.where(strong, "3+", "2+"), "her2_fish": np.where(strong, "not done", "amplified"),
        "ki67_percent": pl.Series(ki67.astype(np.int64)).set(pl.Series(proliferation == "unknown"), None),
        "grade": _known(grade),
    }  # fmt: skip


def _known(levels: NDArray[np.str_]) -> pl.Series:
    return pl.Series([None if level == "unknown" else str(level) for level in levels], dtype=pl.String)


def _metastases(rng: np.random.Generator, stratum: Integers, lean: NDArray[np.float64]) -> dict[str, Any]:
    visceral, sites, bone_only, brain = margins.metastases(rng, stratum, 0.5 * lean)
    many = 3 + np.minimum(rng.geometric(0.6, stratum.size) - 1, 2)
    number = np.where(sites == "1", 1, np.where(sites == "2", 2, many))
    return {
        "visceral": _known(visceral),
        "bone_only": _yes(bone_only),
        "brain": _yes(brain),
        "metastatic_sites": number,
    }


# ---------------------------------------------------------------- courses as records


def _lives(courses: Courses, patients: pl.DataFrame) -> list[Life]:
    """Every course in whole days from metastatic diagnosis."""
    day = {
        name: _days(getattr(courses, name))
        for name in ("start", "progression", "bridge", "t_dm1", "t_dm1_end", "death", "seen")
    }
    starts, ends = _days(courses.others), _days(courses.others_end)
    reached = np.isfinite(courses.others)
    surgery = (patients["surgery_date"] - patients["metastatic_date"]).dt.total_days().to_list()
    marks = zip(
        patients["neoadjuvant_or_adjuvant_treatment"],
        patients["adjuvant_trastuzumab"],
        patients["er_percent"],
        strict=True,
    )
    return [
        Life(
            surgery[i], treated == "yes", trastuzumab == "yes", er >= 1, int(courses.first_line[i]) == 1,
            others=tuple(zip(starts[i][reached[i]].tolist(), ends[i][reached[i]].tolist(), strict=True)),
            line=int(courses.line[i]), **{name: int(values[i]) for name, values in day.items()},
        )
        for i, (treated, trastuzumab, er) in enumerate(marks)
    ]  # fmt: skip


def _days(months: NDArray[np.float64]) -> Integers:
    return np.rint(np.where(np.isfinite(months), months, 0.0) * DAYS_PER_MONTH).astype(np.int64)


def _treatments(rng: np.random.Generator, histories: Iterable[History]) -> pl.DataFrame:
    rows = [
        (i, spell(rng, episode.agent), episode.start, episode.end, episode.reason)
        for i, past in enumerate(histories)
        for episode in sorted(past.episodes, key=lambda e: (e.start, e.agent))
    ]
    schema = {
        "row": pl.Int32,
        "drug": pl.String,
        "start_date": pl.Int32,
        "end_date": pl.Int32,
        "stop_reason": pl.String,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def _progressions(rng: np.random.Generator, histories: Iterable[History]) -> pl.DataFrame:
    rows = [
        (i, day, _pick(rng, _SITES), _pick(rng, _METHODS))
        for i, past in enumerate(histories)
        for day in sorted(past.progressions)
    ]
    return pl.DataFrame(
        rows, schema={"row": pl.Int32, "date": pl.Int32, "site": pl.String, "method": pl.String}, orient="row"
    )


def _pick(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    """The first words are the commoner ones."""
    return words[min(int(rng.geometric(0.4)) - 1, len(words) - 1)]


def _follow_up(rng: np.random.Generator, lives: Iterable[Life]) -> pl.DataFrame:
    """Up to two earlier visits alive, then the last contact."""
    rows: list[tuple[int, int, str, int | None]] = []
    for i, life in enumerate(lives):
        earlier = sorted({int(day) for day in rng.integers(life.t_dm1, life.last, int(rng.integers(0, 3)))})
        rows.extend((i, day, "alive", None) for day in earlier)
        dead = life.death <= life.seen
        rows.append((i, life.last, "dead" if dead else "alive", life.death if dead else None))
    schema = {"row": pl.Int32, "last_contact_date": pl.Int32, "status": pl.String, "death_date": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _visits(rng: np.random.Generator, histories: Iterable[History], lives: Iterable[Life]) -> pl.DataFrame:
    """Every nine weeks or so until the last contact, one in twelve missed; each progression has a visit of its own."""
    rows: list[tuple[int, int]] = []
    for i, (past, life) in enumerate(zip(histories, lives, strict=True)):
        first = min((episode.start for episode in past.episodes if episode.start >= 0), default=0)
        due = np.arange(first + VISIT_DAYS, life.last, VISIT_DAYS)
        came = (due + rng.integers(-7, 8, due.size))[rng.random(due.size) > MISSED]
        days = {int(day) for day in came if day <= life.last} | set(past.progressions)
        rows.extend((i, day) for day in sorted(days))
    return pl.DataFrame(rows, schema={"row": pl.Int32, "date": pl.Int32}, orient="row")


def _dated(frame: pl.DataFrame, patients: pl.DataFrame) -> pl.DataFrame:
    """Patient identifiers for row numbers, dates for days from metastatic diagnosis."""
    origin = pl.col("metastatic_date").cast(pl.Int32).alias("origin")
    people = (
        patients.select("patient", origin).with_row_index("row").with_columns(pl.col("row").cast(pl.Int32))
    )
    days = [name for name in frame.columns if name == "date" or name.endswith("_date")]
    joined = frame.join(people, on="row", how="left", maintain_order="left")
    dated = joined.with_columns([(pl.col(name) + pl.col("origin")).cast(pl.Date) for name in days])
    return dated.select("patient", *[name for name in frame.columns if name != "row"])
