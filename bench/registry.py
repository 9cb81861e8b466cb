"""A registry of any size, invented and seeded: patients, treatments (about ten a patient), progressions, follow-up.

HER2-flavoured, for measuring speed and memory only: lines follow one another with exponential lengths, each drug of a
line is one or two records. Nothing clinical is meant by it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

LINES = (
    ("trastuzumab", "docetaxel", "pertuzumab"),
    ("trastuzumab emtansine", "letrozole"),
    ("capecitabine", "lapatinib"),
    ("trastuzumab", "vinorelbine"),
    ("trastuzumab deruxtecan",),
)
MEAN_DAYS = np.array([380.0, 260.0, 200.0, 150.0, 150.0])

STUDY = """
[study]
title = "T-DM1 after trastuzumab with or without pertuzumab"
question = "Does T-DM1 work less well after pertuzumab?"
simulated = true
data_cut = "2024-12-31"
attribution = "Every patient is invented, for measuring."

[sources.patients]
role = "patients"
file = "patients.parquet"
[sources.patients.columns]
patient = { required = true }
centre = {}
age = { type = "integer", minimum = 18, maximum = 110, unit = "years" }
er_percent = { type = "integer", minimum = 0, maximum = 100 }
metastatic = { type = "date", required = true }

[sources.treatments]
role = "treatments"
file = "treatments.parquet"
[sources.treatments.columns]
patient = { required = true }
drug = { required = true }
start = { type = "date", required = true }
end = { type = "date" }

[sources.progressions]
role = "events"
file = "progressions.parquet"
[sources.progressions.columns]
patient = { required = true }
day = { type = "date", required = true }

[sources.follow_up]
role = "follow_up"
file = "follow_up.parquet"
[sources.follow_up.columns]
patient = { required = true }
last_contact = { type = "date" }
status = { type = "category", levels = ["alive", "dead"] }
death = { type = "date" }

[anchors.metastatic]
fields = "patients.metastatic"
[anchors.progression]
stage = "course"
fields = "progressions.day"
[anchors.death]
stage = "end"
pick = "latest"
fields = "follow_up.death"
status = { fields = "follow_up.status", value = "dead" }
[anchors.last_contact]
stage = "end"
pick = "latest"
fields = "follow_up.last_contact"

[lines]
rules = "her2-abc"
index = "metastatic"

[biomarkers.er_status]
rule = "er"
variable = "er_percent"

[covariates.age]
label = "Age"
per = 10
[covariates.er]
label = "Oestrogen receptor"
variable = "er_status"

[[cohort]]
name = "T-DM1 in line 2"
where = "line_of(trastuzumab_emtansine) == 2"

[sequences]
label = "First line"
[[sequences.groups]]
name = "T"
where = "not line[1] has pertuzumab"
[[sequences.groups]]
name = "P+T"
where = "line[1] has pertuzumab"

[endpoints.os]
label = "Overall survival"
origin = "metastatic.date"
events = [{ at = "death.date" }]
censor = [{ at = "last_contact.date" }]

[endpoints.pfs2]
label = "Progression-free survival, line 2"
line = 2
origin = "line[2].start"
events = [{ at = "progression.date" }, { at = "death.date" }]
censor = [{ at = "last_contact.date" }]

[[analyses]]
id = "characteristics"
kind = "describe"
title = "Characteristics"
variables = ["age", "er"]
[[analyses]]
id = "os"
kind = "curves"
title = "Overall survival"
endpoint = "os"
[[analyses]]
id = "pfs2"
kind = "curves"
title = "Progression-free survival, line 2"
endpoint = "pfs2"
[[analyses]]
id = "cox-os"
kind = "cox"
title = "Cox models of overall survival"
endpoint = "os"
variables = ["sequence", "age", "er"]
"""


def write_registry(directory: Path, patients: int, seed: int = 1) -> Path:
    """Write the registry of so many patients and its study file into `directory`; the study file's path."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    names = pl.select(pl.format("P{}", pl.int_range(patients).cast(pl.String).str.zfill(9))).to_series()
    metastatic = rng.integers(14_600, 19_000, patients)  # days since 1970: 2009 to 2022
    late = rng.random(patients) < np.clip(
        (metastatic - 15_800) / 1500, 0.02, 0.9
    )  # pertuzumab comes into use
    length = rng.exponential(MEAN_DAYS, (patients, 5)).astype(int) + 21
    pause = rng.integers(5, 40, (patients, 5))
    starts = (
        metastatic[:, None] + 15 + np.cumsum(np.c_[np.zeros(patients, int), (length + pause)[:, :-1]], axis=1)
    )
    survival = metastatic + 30 + rng.exponential(1700, patients).astype(int)
    last = np.minimum(survival, 20_088)  # 2024-12-31
    given = starts < last[:, None]
    parts, progressions = [], []
    for line, drugs in enumerate(LINES):
        who = np.flatnonzero(given[:, line])
        begin = starts[who, line]
        end = np.minimum(begin + length[who, line], last[who])
        progressions.append((who[end < last[who]], end[end < last[who]]))
        for drug in drugs:
            took = late[who] if drug == "pertuzumab" else np.ones(len(who), bool)
            w, a, b = who[took], begin[took], end[took]
            half = a + (b - a) // 2
            if drug in ("docetaxel", "letrozole", "vinorelbine", "lapatinib"):
                parts.append((w, a, b, drug))
            else:
                parts += [(w, a, half, drug), (w[b > half], half[b > half] + 1, b[b > half], drug)]
    frame = pl.concat(
        [
            pl.DataFrame({"at": w, "start": a, "end": b}).with_columns(drug=pl.lit(drug))
            for w, a, b, drug in parts
        ]
    ).filter(pl.col("end") >= pl.col("start"))
    frame = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    dated = [pl.col(c).cast(pl.Int32).cast(pl.Date) for c in ("start", "end")]
    frame.select(names[frame["at"]].alias("patient"), "drug", *dated).write_parquet(
        directory / "treatments.parquet"
    )
    grown = pl.concat([pl.DataFrame({"at": w, "day": d}) for w, d in progressions])
    grown.select(
        names[grown["at"]].alias("patient"), pl.col("day").cast(pl.Int32).cast(pl.Date)
    ).write_parquet(directory / "progressions.parquet")
    people = pl.DataFrame(
        {
            "patient": names,
            "centre": pl.Series(rng.integers(1, 46, patients)).cast(pl.String),
            "age": rng.integers(28, 86, patients),
            "er_percent": rng.choice([0, 1, 10, 60, 90], patients),
            "metastatic": pl.Series(metastatic).cast(pl.Int32).cast(pl.Date),
        }
    )
    people.write_parquet(directory / "patients.parquet")
    dead = survival <= 20_088
    pl.DataFrame(
        {
            "patient": names,
            "last_contact": pl.Series(last).cast(pl.Int32).cast(pl.Date),
            "status": np.where(dead, "dead", "alive"),
            "death": pl.Series(np.where(dead, survival, 0)).cast(pl.Int32).cast(pl.Date),
        }
    ).with_columns(pl.when(pl.col("status") == "dead").then("death").alias("death")).write_parquet(
        directory / "follow_up.parquet"
    )
    study = directory / "study.toml"
    study.write_text(STUDY, "utf-8")
    return study
