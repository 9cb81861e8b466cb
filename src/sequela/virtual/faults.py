"""Invented studies with one fault planted, and clean ones: records and a study file, for trying out the audit.

The clean world: 400 patients begin line 1 between 2008 and 2016, arms allotted by a coin, neither better; they
progress, begin T-DM1, die, are lost now and then, and are seen until the end of 2018; the age of 3 % is unknown. A
fault changes one thing, in the world, in the records or in the study file.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Real = NDArray[Any]

MONTH: Final = 30.4375
FIRST, LAST, CUT = 2008.0, 2016.0, 2019.0
TWO_ARMS: Final = {"T": "not line[1] has pertuzumab", "P+T": "line[1] has pertuzumab"}
EARNED: Final = {
    "no T-DM1": "not any line has trastuzumab_emtansine",
    "T-DM1": "any line has trastuzumab_emtansine",
}
REACHED: Final = "line[2] has trastuzumab_emtansine"


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """n invented patients; times in months from line 1, `begun` in calendar years.

    Attributes:
        arm: 1 for pertuzumab and trastuzumab, 0 for trastuzumab.
        progression, death: infinite where they never come; `toxicity` a stop of line 1, as a rule never.
        lost: last contact, were the patient to live and the study to go on.
        wait: from progression to line 2.
        age, er: covariates, not a number where unknown; `centre` 0 to 15.
        frailty: multiplied into the hazards.
    """

    begun: Real
    arm: Real
    progression: Real
    toxicity: Real
    death: Real
    lost: Real
    wait: Real
    age: Real
    er: Real
    centre: Real
    frailty: Real

    @property
    def seen(self) -> Real:
        """Month in which observation ends, dead or alive."""
        return np.minimum(np.minimum(self.death, self.lost), 12 * (CUT - self.begun))


@dataclass(frozen=True, slots=True)
class Asked:
    """What the study file asks.

    Attributes:
        groups: the arms by expression.
        cohort: a criterion, or none.
        origin: of overall survival; `entry` where observation starts later.
        pfs: whether progression-free survival in line 1 is compared too.
        variables: of the Cox analysis besides the arms; none: no Cox analysis.
        enter: which of them enter the model.
        within: the covariate whose levels the arms are compared in.
        curves: further times that overall survival is compared, within one level each.
    """

    groups: Mapping[str, str] = field(default_factory=lambda: TWO_ARMS)
    cohort: str = ""
    origin: str = "line[1].start"
    entry: str = ""
    pfs: bool = False
    variables: tuple[str, ...] = ("age",)
    enter: str = "all"
    within: str = ""
    curves: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted fault.

    Attributes:
        name: in words.
        codes: the checks of which at least one has to warn or fail.
        world: from a generator to the patients.
        asked: the study file.
    """

    name: str
    codes: tuple[str, ...]
    world: Callable[[np.random.Generator], World]
    asked: Asked = Asked()


def clean(
    rng: np.random.Generator, n: int = 400, hazard: float = 0.035, frailty: float = 0.0, before: float = 0.0
) -> World:
    """The world without a fault.

    Args:
        rng: the generator.
        n: patients.
        hazard: of death, a month, after progression.
        frailty: variance of a Gamma frailty that progression and death share.
        before: hazard of death before progression.
    """
    z = rng.gamma(1 / frailty, frailty, n) if frailty else np.ones(n)
    progression = rng.exponential(1 / (0.07 * z))
    early, late = rng.exponential(1 / np.maximum(before * z, 1e-9)), rng.exponential(1 / (hazard * z))
    death = np.where(early < progression, early, progression + late)
    age = np.where(rng.random(n) < 0.03, np.nan, rng.normal(58, 11, n).clip(20, 95).round())
    return World(
        rng.uniform(FIRST, LAST, n), rng.integers(0, 2, n), np.where(early < progression, np.inf, progression),
        np.full(n, np.inf), death, rng.exponential(400, n), rng.uniform(0.3, 1.0, n), age,
        rng.integers(0, 100, n).astype(float), rng.integers(0, 16, n), z,
    )  # fmt: skip


def dying_early(rng: np.random.Generator) -> World:
    """Some die before they progress."""
    return clean(rng, before=0.01)


def no_pertuzumab_before(year: float) -> Callable[[np.random.Generator], World]:
    """Pertuzumab is given from a year on, and then nearly always."""

    def world(rng: np.random.Generator) -> World:
        one = clean(rng, 600)
        return replace(one, arm=((one.begun > year) & (rng.random(600) < 0.9)).astype(int))

    return world


def arm_by_age(rng: np.random.Generator) -> World:
    """The older are hardly ever given pertuzumab, the younger nearly always."""
    one = clean(rng)
    return replace(one, arm=(rng.random(400) < np.where(one.age > 58, 0.04, 0.96)).astype(int))


def immature(rng: np.random.Generator) -> World:
    """One arm is followed for a year."""
    one = clean(rng)
    return replace(one, lost=np.where(one.arm == 1, np.minimum(one.lost, rng.uniform(6, 14, 400)), one.lost))


def long_lived(rng: np.random.Generator) -> World:
    """Most are alive at the data cut."""
    return clean(rng, hazard=0.002)


def centre_decides(rng: np.random.Generator) -> World:
    """Each centre has its own habit."""
    one = clean(rng)
    return replace(one, arm=(rng.random(400) < rng.choice([0.1, 0.9], 16)[one.centre]).astype(int))


def centre_apart(rng: np.random.Generator) -> World:
    """In one large centre nobody lives long."""
    one = clean(rng)
    centre = np.where(rng.random(400) < 0.12, 0, one.centre)
    return replace(one, centre=centre, death=np.where(centre == 0, one.death / 4, one.death))


def few_events(rng: np.random.Generator) -> World:
    """Forty patients, most of them alive."""
    return clean(rng, 40, hazard=0.012)


def missing_by_arm(rng: np.random.Generator) -> World:
    """Age is often unknown in one arm, and hardly ever in the other."""
    one = clean(rng)
    return replace(one, age=np.where(rng.random(400) < np.where(one.arm == 1, 0.25, 0.03), np.nan, one.age))


def missing_by_centre(rng: np.random.Generator) -> World:
    """Two centres and the early years hardly record age; the arms are alike."""
    one = clean(rng)
    careless = (one.centre < 3) | (one.begun < 2009)
    return replace(one, age=np.where(rng.random(400) < np.where(careless, 0.6, 0.02), np.nan, one.age))


def changing_hazards(rng: np.random.Generator) -> World:
    """One arm dies late and all at once."""
    one = clean(rng)
    return replace(one, death=np.where(one.arm == 1, 30 * rng.weibull(4, 400), one.death))


def other_ends(rng: np.random.Generator) -> World:
    """One arm stops for toxicity far more often."""
    one = clean(rng)
    stop = rng.uniform(0.5, 6, 400)
    toxic = (rng.random(400) < np.where(one.arm == 1, 0.35, 0.05)) & (stop < one.progression)
    return replace(one, toxicity=np.where(toxic, stop, np.inf))


def filled_in(rng: np.random.Generator) -> World:
    """Progressions carry the day of the change of drug."""
    return replace(clean(rng), wait=np.zeros(400))


def dependent_entry(rng: np.random.Generator) -> World:
    """Who progresses late lives long after it."""
    one = clean(rng)
    return replace(one, death=one.progression + rng.exponential(8 + 1.5 * one.progression))


FAULTS: Final = (
    Fault("immortal time: the arm is earned after the clock has started", ("GT002",), dying_early,
          Asked(groups=EARNED)),
    Fault("delayed entry ignored", ("A102",), dying_early, Asked(cohort=REACHED)),
    Fault("a criterion is settled after the clock has started", ("GT001",), clean, Asked(cohort=REACHED)),
    Fault("a covariate is settled after the clock has started", ("GT003",), clean,
          Asked(variables=("age", "pfs1_length"))),
    Fault("right truncation: only patients whose first line has failed", ("A112",), clean,
          Asked(cohort=REACHED, pfs=True)),
    Fault("entry depends on survival", ("A103",), dependent_entry, Asked(cohort=REACHED, entry="line[2].start")),
    Fault("windows of entry do not overlap", ("A111",), no_pertuzumab_before(2013), Asked(cohort=REACHED)),
    Fault("the calendar decides the arm", ("A121",), no_pertuzumab_before(2013)),
    Fault("too few comparators in the common period", ("A123",), no_pertuzumab_before(2012)),
    Fault("a covariate decides the arm", ("A122",), arm_by_age),
    Fault("one arm is followed for a year only", ("A131",), immature),
    Fault("medians beyond follow-up", ("A132",), long_lived),
    Fault("progression-free survival ends differently by arm", ("A141",), other_ends, Asked(pfs=True, variables=())),
    Fault("progression dated by the change of drug", ("A142",), filled_in, Asked(pfs=True, variables=())),
    Fault("the centre decides the arm", ("A151",), centre_decides),
    Fault("one centre is apart", ("A152",), centre_apart),
    Fault("few events for each coefficient", ("A161",), few_events, Asked(variables=("age", "er"))),
    Fault("aliased covariates", ("A162",), clean, Asked(variables=("age", "pertuzumab"))),
    Fault("covariates chosen by p", ("A163",), clean, Asked(variables=("age", "er"), enter="p <= 0.05")),
    Fault("many tests, none named", ("A171",), clean, Asked(curves=8)),
    Fault("subgroups without an interaction", ("A172",), clean, Asked(within="receptor")),
    Fault("missing more often in one arm", ("A181",), missing_by_arm),
    Fault("missing by centre and calendar", ("A181",), missing_by_centre),
    Fault("hazards are not proportional", ("A191",), changing_hazards),
    Fault("groups too small to compare", ("A192",), lambda r: clean(r, 30)),
)  # fmt: skip
CLEAN: Final = (
    Fault("clean: overall survival and a Cox model", (), clean),
    Fault("clean: overall and progression-free survival", (), clean, Asked(pfs=True, variables=())),
)


def records(one: World) -> dict[str, pl.DataFrame]:
    """The world as a registry would export it: patients, treatments, progressions, follow-up (ISO dates)."""
    start = np.round((one.begun - 1970) * 365.25)
    n, seen = len(start), one.seen
    name = np.array([f"V{i:04d}" for i in range(n)])
    end1 = np.minimum(one.progression + one.wait / 2, one.toxicity)
    start2 = np.where(one.progression < one.toxicity, one.progression + one.wait, one.toxicity + 0.7)

    def days(months: Real) -> Real:
        return (start + np.round(np.where(np.isfinite(months), months, 0) * MONTH)).astype(np.int64)

    def rows(at: NDArray[np.bool_], **columns: Any) -> pl.DataFrame:
        made = {
            key: value if isinstance(value, str) else pl.Series(value).filter(pl.Series(at))
            for key, value in columns.items()
        }
        return pl.DataFrame({"patient": name[at], **made})

    stop = np.where(one.toxicity < one.progression, "toxicity", "progression")
    stop = np.where(end1 > seen, "ongoing", stop)
    first = [
        rows(one.arm >= k, drug=drug, start=days(np.zeros(n)), end=_known(days(end1), end1 <= seen), stop=stop)
        for drug, k in (("docetaxel", 0), ("trastuzumab", 0), ("pertuzumab", 1))
    ]  # fmt: skip
    second = rows(
        start2 < seen, drug="T-DM1", start=days(start2), end=days(np.minimum(start2 + 8, seen)), stop="other"
    )
    unknown = np.isnan(one.age)
    age = np.where(unknown, 0, one.age)
    patients = pl.DataFrame(
        {
            "patient": name,
            "centre": [f"centre {k + 1:02d}" for k in one.centre],
            "age": _known(age.astype(int), ~unknown),
            "er": one.er.astype(int),
            "metastatic": days(np.zeros(n)) - 10,
        }
    )
    died = one.death <= seen
    follow_up = pl.DataFrame(
        {
            "patient": name,
            "last_contact": days(seen),
            "status": np.where(died, "dead", "alive"),
            "death": _known(days(seen), died),
        }
    )
    progressed = (one.progression <= seen) & (one.progression < one.toxicity)
    return {
        "patients": _dated(patients, "metastatic"),
        "treatments": _dated(pl.concat([*first, second]), "start", "end"),
        "progressions": _dated(rows(progressed, day=days(one.progression)), "day"),
        "follow_up": _dated(follow_up, "last_contact", "death"),
    }


def _known(values: Real, known: NDArray[np.bool_]) -> pl.Series:
    """The values, null where they are not known."""
    return pl.DataFrame({"value": values, "known": known}).select(pl.when("known").then("value")).to_series()


def _dated(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    return frame.with_columns(pl.col(columns).cast(pl.Int32).cast(pl.Date))


def study_file(asked: Asked) -> str:
    """The study file of such records."""
    text = [_HEAD]
    if asked.cohort:
        text.append(f'[[cohort]]\nname = "asked for"\nwhere = "{asked.cohort}"\n')
    text.append('[sequences]\nlabel = "Treatment"\n')
    text += [
        f'[[sequences.groups]]\nname = "{name}"\nwhere = "{where}"\n' for name, where in asked.groups.items()
    ]
    entry = f'entry = "{asked.entry}"\n' if asked.entry else ""
    text.append(_OS.format(origin=asked.origin, entry=entry))
    text.append(_curves("os", "Overall survival", "os"))
    if asked.pfs:
        text += [_PFS, _curves("pfs", "Progression-free survival, line 1", "pfs1")]
    if asked.variables:
        names = ", ".join(f'"{name}"' for name in ("sequence", *asked.variables))
        text.append(
            f'[[analyses]]\nid = "cox"\nkind = "cox"\ntitle = "Cox model"\nendpoint = "os"\n'
            f'variables = [{names}]\nenter = "{asked.enter}"\n'
        )
    if asked.within:
        text.append(
            f'[[analyses]]\nid = "within"\nkind = "medians"\ntitle = "By subgroup"\nendpoints = ["os"]\n'
            f'within = "{asked.within}"\n'
        )
    for k in range(asked.curves):
        text.append(
            _curves(f"os-{k}", "Overall survival, a subset", "os") + f'where = "er_percent >= {8 * k}"\n'
        )
    return "\n".join(text)


def _curves(name: str, title: str, endpoint: str) -> str:
    return f'[[analyses]]\nid = "{name}"\nkind = "curves"\ntitle = "{title}"\nendpoint = "{endpoint}"\n'


def write(one: World, asked: Asked, directory: str | Path) -> Path:
    """Write the records and `study.toml`; the path of the latter.

    Raises:
        OSError: the directory cannot be written to.
    """
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    for name, frame in records(one).items():
        frame.write_csv(target / f"{name}.csv")
    path = target / "study.toml"
    path.write_text(study_file(asked), encoding="utf-8")
    return path


_HEAD: Final = """\
[study]
title = "An invented study"
question = "Does pertuzumab change survival in a world made by a coin?"
time = "dates"
simulated = true
data_cut = "2018-12-31"

[sources.patients]
role = "patients"
file = "patients.csv"
key = "patient"

[sources.patients.columns]
patient = { required = true }
centre = {}
age = { type = "integer" }
er_percent = { column = "er", type = "integer" }
metastatic = { type = "date" }

[sources.treatments]
role = "treatments"
file = "treatments.csv"

[sources.treatments.columns]
patient = { required = true }
drug = { required = true }
start = { type = "date", required = true }
end = { type = "date" }
stop_reason = { column = "stop", type = "category", levels = ["progression", "toxicity", "other", "ongoing"] }

[sources.progressions]
role = "events"
file = "progressions.csv"

[sources.progressions.columns]
patient = { required = true }
day = { type = "date" }

[sources.follow_up]
role = "follow_up"
file = "follow_up.csv"

[sources.follow_up.columns]
patient = { required = true }
last_contact = { type = "date" }
status = { type = "category", levels = ["alive", "dead"] }
death = { type = "date" }

[anchors.metastatic]
label = "diagnosis of metastatic disease"
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

[covariates.age]
label = "Age"
per = 10

[covariates.pertuzumab]
label = "Pertuzumab in line 1"
levels = [{ name = "no", where = "not line[1] has pertuzumab" }, { name = "yes", where = "line[1] has pertuzumab" }]

[covariates.er]
label = "Oestrogen receptor, %"
variable = "er_percent"

[covariates.receptor]
label = "Oestrogen receptor"
levels = [{ name = "low", where = "er_percent < 50" }, { name = "high", where = "er_percent >= 50" }]

[covariates.pfs1_length]
label = "Length of line 1"
value = "line[1].end - line[1].start"
"""

_OS: Final = """\
[endpoints.os]
label = "Overall survival"
origin = "{origin}"
events = [{{ at = "death.date", label = "death" }}]
censor = [{{ at = "last_contact.date", label = "last contact" }}]
{entry}"""

_PFS: Final = """\
[endpoints.pfs1]
label = "Progression-free survival, line 1"
line = 1
origin = "line[1].start"
events = [
  { at = "progression.date", label = "progression" },
  { at = "line[1].end", where = 'line[1] stopped for "toxicity"', label = "stopped for toxicity" },
  { at = "death.date", label = "death" },
]
censor = [{ at = "last_contact.date", label = "last contact" }]
"""
