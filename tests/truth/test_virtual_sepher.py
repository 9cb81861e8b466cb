"""The simulated cohort against the printed tables, recomputed from the records alone."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.special import chdtrc

from sequela.core.outcome import Times
from sequela.estimates.cox import cox
from sequela.estimates.curves import kaplan_meier
from sequela.estimates.tests import log_rank
from sequela.virtual.sepher import DATA_CUT, SEED, Cohort, draw

MONTH = 365.25 / 12
T_DM1 = {"T-DM1", "Kadcyla", "trastuzumab emtansine", "ado-trastuzumab emtansine"}
PERTUZUMAB = {"pertuzumab", "Perjeta", "Pertuzumab"}
TAXANES = {
    "docetaxel",
    "Taxotere",
    "Docetaxel",
    "paclitaxel",
    "Taxol",
    "Paclitaxel",
    "nab-paclitaxel",
    "Abraxane",
}
ENDOCRINE = {
    "letrozole", "Femara", "anastrozole", "Arimidex", "exemestane", "Aromasin", "fulvestrant", "Faslodex",
    "tamoxifen",
}  # fmt: skip


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return draw(np.random.default_rng(SEED))


def lines(rows: list[dict]) -> list[list[dict]]:
    """Lines of one patient: one opens with a drug that starts more than 28 days after the last one opened."""
    found: list[list[dict]] = []
    for row in sorted(rows, key=lambda r: r["start_date"]):
        late = not found or (row["start_date"] - found[-1][0]["start_date"]).days > 28
        swap = bool(found) and row["drug"] in TAXANES and any(r["drug"] in TAXANES for r in found[-1])
        if late and not swap:
            found.append([row])
        else:
            found[-1].append(row)
    return found


def course(patient: dict, treatments: list[dict], progressions: list[date], end: dict) -> dict:
    """What the study asks of one patient."""
    drugs = [
        r for r in treatments if r["start_date"] >= patient["metastatic_date"] and r["drug"] not in ENDOCRINE
    ]
    found = lines(drugs)
    t_dm1 = next(i for i, line in enumerate(found, 1) if any(r["drug"] in T_DM1 for r in line))
    dual = any(r["drug"] in PERTUZUMAB for r in found[0])
    group = 5 if t_dm1 == 1 else 1 + 2 * dual + (t_dm1 > 2)
    dead, last = end["status"] == "dead", end["last_contact_date"]
    out = {
        "patient": patient["patient"],
        "group": group,
        "t_dm1": t_dm1,
        "dead": dead,
        "dual": dual,
        "lines": len(found),
    }
    out["os"] = (last - patient["metastatic_date"]).days
    out["os_t_dm1"] = (last - found[t_dm1 - 1][0]["start_date"]).days
    for k in (1, 2):
        if len(found) >= k:
            out[f"pfs{k}"], out[f"pfs{k}_event"] = progression_free(found, k - 1, progressions, dead, last)
    return out


def progression_free(
    found: list[list[dict]], k: int, progressions: list[date], dead: bool, last: date
) -> tuple[int, bool]:
    """Days from a line's start to progression, stop for toxicity or death, before the next line starts."""
    start = found[k][0]["start_date"]
    until = found[k + 1][0]["start_date"] if k + 1 < len(found) else date.max
    stops = [r for r in found[k] if r["end_date"] == max((q["end_date"] or date.max) for q in found[k])]
    ends = [d for d in progressions if start < d <= until]
    ends += [r["end_date"] for r in stops if r["stop_reason"] == "toxicity"]
    ends += [last] if dead and last <= until else []
    return ((min(ends) - start).days, True) if ends else ((last - start).days, False)


@pytest.fixture(scope="module")
def people(cohort: Cohort) -> pl.DataFrame:
    """Patients with what follows from their records."""
    treatments = cohort.treatments.partition_by("patient", as_dict=True)
    progressions = cohort.progressions.partition_by("patient", as_dict=True)
    last = {
        r["patient"]: r for r in cohort.follow_up.sort("last_contact_date", maintain_order=True).to_dicts()
    }
    courses = []
    for patient in cohort.patients.to_dicts():
        key = (patient["patient"],)
        days = progressions[key]["date"].to_list() if key in progressions else []
        courses.append(course(patient, treatments[key].to_dicts(), days, last[key[0]]))
    dfi = (pl.col("metastatic_date") - pl.col("surgery_date")).dt.total_days() / MONTH
    return cohort.patients.join(pl.DataFrame(courses), on="patient").with_columns(dfi.alias("dfi"))


def counts(frame: pl.DataFrame, expression: pl.Expr) -> dict:
    return dict(frame.group_by(expression.alias("level")).len().iter_rows())


ER, PGR = pl.col("er_percent") >= 1, pl.col("pgr_percent") >= 1
SUBTYPE = pl.when(ER & PGR).then(pl.lit("both")).when(ER | PGR).then(pl.lit("one")).otherwise(pl.lit("none"))
PRINTED_SUBTYPE = (
    pl.when(ER & PGR).then(pl.lit("both")).when(ER).then(pl.lit("one")).otherwise(pl.lit("none"))
)
KI67 = (
    pl.when(pl.col("ki67_percent") > 20)
    .then(pl.lit("high"))
    .when(pl.col("ki67_percent") <= 20)
    .then(pl.lit("low"))
)

TABLE_2 = [
    (ER, {False: 202, True: 353}),
    (PGR, {False: 297, True: 258}),
    (KI67, {"low": 103, "high": 389, None: 63}),
    (pl.col("grade"), {"G1": 6, "G2": 148, "G3": 339, None: 62}),
    (PRINTED_SUBTYPE, {"both": 244, "one": 109, "none": 202}),
    (SUBTYPE, {"both": 244, "one": 123, "none": 188}),
    (pl.col("de_novo"), {"no": 398, "yes": 157}),
    (pl.col("visceral"), {"yes": 397, "no": 157, None: 1}),
    (pl.col("bone_only"), {"yes": 25, "no": 530}),
    (pl.col("brain"), {"yes": 155, "no": 400}),
    (pl.col("metastatic_sites").clip(upper_bound=3), {1: 397, 2: 85, 3: 73}),
    (pl.col("t_dm1").clip(upper_bound=4), {1: 25, 2: 371, 3: 96, 4: 63}),
    (pl.col("group"), {1: 194, 2: 148, 3: 177, 4: 11, 5: 25}),
]


@pytest.mark.parametrize(
    ("expression", "expected"), TABLE_2, ids=lambda v: "" if isinstance(v, dict) else str(v)[:40]
)
def test_table_2(people: pl.DataFrame, expression: pl.Expr, expected: dict) -> None:
    assert counts(people, expression) == expected


def test_table_2_early_disease(people: pl.DataFrame) -> None:
    early = people.filter(pl.col("de_novo") == "no")
    assert counts(early, pl.col("neoadjuvant_or_adjuvant_treatment")) == {"yes": 363, "no": 35}
    assert counts(early, pl.col("adjuvant_trastuzumab")) == {"yes": 212, "no": 186}


def test_table_2_disease_free_interval(people: pl.DataFrame) -> None:
    medians = dict(people.group_by("group").agg(pl.col("dfi").median()).iter_rows())
    assert medians == pytest.approx({1: 40, 2: 53, 3: 47, 4: 28, 5: 17}, abs=0.05)


def test_age(people: pl.DataFrame) -> None:
    assert (people["age"].min(), people["age"].median(), people["age"].max()) == (26, 54, 87)
    days = (people["metastatic_date"] - people["birth_date"]).dt.total_days()
    assert ((days / 365.25).floor() == people["age"]).all()


def test_45_centres_of_uneven_size(people: pl.DataFrame) -> None:
    sizes = people.group_by("centre").len()["len"]
    assert sizes.len() == 45
    assert sizes.max() > 3 * sizes.median()


# Level → (trastuzumab arm, pertuzumab arm), and the printed p. None: the printed counts do not give it
# (subtype 0.57, disease-free interval 0.10, metastatic at diagnosis 0.05: 0.04, or 0.05 with continuity
# correction).
TABLE_3 = [
    (PGR, {True: (91, 85), False: (103, 92)}, 0.83),
    (ER, {True: (132, 114), False: (62, 63)}, 0.46),
    (KI67, {"low": (45, 26), "high": (131, 131)}, 0.05),
    (PRINTED_SUBTYPE, {"both": (87, 81), "one": (45, 33), "none": (62, 63)}, None),
    (SUBTYPE, {"both": (87, 81), "one": (49, 37), "none": (58, 59)}, 0.57),
    (pl.col("de_novo"), {"no": (147, 117), "yes": (47, 60)}, None),
    (pl.col("metastatic_sites") > 1, {False: (142, 117), True: (52, 60)}, 0.14),
    (pl.col("neoadjuvant_or_adjuvant_treatment"), {"yes": (128, 109), "no": (66, 68)}, 0.38),
    (pl.col("adjuvant_trastuzumab"), {"yes": (76, 63), "no": (118, 114)}, 0.48),
    (pl.col("visceral"), {"yes": (133, 135), "no": (60, 42)}, 0.11),
    (pl.col("dfi") >= 36, {False: (66, 47), True: (75, 67)}, None),
]


@pytest.mark.parametrize(("expression", "expected", "p"), TABLE_3, ids=[str(i) for i in range(len(TABLE_3))])
def test_table_3(people: pl.DataFrame, expression: pl.Expr, expected: dict, p: float | None) -> None:
    arms = [counts(people.filter(pl.col("group") == group), expression) for group in (1, 3)]
    table = {level: tuple(arm.get(level, 0) for arm in arms) for level in expected}
    assert table == expected
    if p is not None:
        assert round(chi_square_p(np.array(list(table.values()))), 2) == p


def chi_square_p(observed: np.ndarray) -> float:
    expected = np.outer(observed.sum(1), observed.sum(0)) / observed.sum()
    return float(chdtrc(observed.shape[0] - 1, ((observed - expected) ** 2 / expected).sum()))


def months(people: pl.DataFrame, time: str, event: str) -> Times:
    return Times(people[time].to_numpy() / MONTH, people[event].to_numpy().astype(int), unit="month")


def median(people: pl.DataFrame, time: str, event: str, group: int | None = None) -> float:
    chosen = people if group is None else people.filter(pl.col("group") == group)
    return float(kaplan_meier(months(chosen, time, event)).median().value)


PRINTED_MEDIANS = [
    ("os", "dead", 1, 74), ("os", "dead", 3, 52), ("os", "dead", None, 73), ("os_t_dm1", "dead", 1, 34),
    ("pfs1", "pfs1_event", 1, 10), ("pfs1", "pfs1_event", 3, 11),
    ("pfs2", "pfs2_event", 1, 10), ("pfs2", "pfs2_event", 3, 6),
]  # fmt: skip


@pytest.mark.parametrize(("time", "event", "group", "printed"), PRINTED_MEDIANS)
def test_medians_come_near_the_printed_ones(
    people: pl.DataFrame, time: str, event: str, group: int | None, printed: float
) -> None:
    assert median(people, time, event, group) == pytest.approx(printed, rel=0.08)


def test_median_observed_follow_up(people: pl.DataFrame) -> None:
    assert people["os"].median() / MONTH == pytest.approx(41, rel=0.05)


def test_overall_survival_of_the_two_arms(people: pl.DataFrame) -> None:
    arms = people.filter(pl.col("group").is_in([1, 3]))
    dual = (arms["group"] == 3).to_numpy().astype(float)
    assert log_rank(months(arms, "os", "dead"), dual).p < 0.01
    assert float(np.exp(cox(months(arms, "os", "dead"), dual[:, None]).coef[0])) == pytest.approx(
        1.79, abs=0.05
    )
    assert log_rank(months(arms, "os_t_dm1", "dead"), dual).p > 0.5
    assert log_rank(months(arms, "pfs2", "pfs2_event"), dual).p < 0.05


def test_dates_are_in_order(cohort: Cohort, people: pl.DataFrame) -> None:
    last = people.select(
        "patient", (pl.col("metastatic_date") + pl.duration(days="os")).alias("last"), "metastatic_date"
    )
    assert (people["birth_date"] < people["diagnosis_date"]).all()
    assert (people["diagnosis_date"] <= people["metastatic_date"]).all()
    operated = people.filter(pl.col("surgery_date").is_not_null())
    assert ((operated["surgery_date"] < operated["metastatic_date"]) & (operated["de_novo"] == "no")).all()
    rows = cohort.treatments.join(last, on="patient")
    assert (rows["start_date"] <= rows["end_date"].fill_null(rows["last"])).all()
    assert (rows["end_date"].fill_null(rows["last"]) <= rows["last"]).all()
    before = rows.filter(pl.col("start_date") < pl.col("metastatic_date"))
    assert (before["end_date"] < before["metastatic_date"]).all()
    found = cohort.progressions.join(last, on="patient")
    assert ((found["date"] > found["metastatic_date"]) & (found["date"] <= found["last"])).all()
    assert cohort.follow_up["last_contact_date"].max() <= date.fromisoformat(DATA_CUT)


def test_stop_reasons_agree_with_the_dates(cohort: Cohort) -> None:
    rows = cohort.treatments
    assert ((rows["stop_reason"] == "ongoing") == rows["end_date"].is_null()).all()
    deaths = cohort.follow_up.filter(pl.col("status") == "dead").select("patient", "death_date")
    died = rows.filter(pl.col("stop_reason") == "death").join(deaths, on="patient", how="left")
    assert (died["end_date"] == died["death_date"]).all()
    assert died.height > 10
    assert rows.filter(pl.col("end_date").is_null()).join(deaths, on="patient", how="semi").is_empty()


def test_status_is_recorded_once_and_last(cohort: Cohort) -> None:
    last = cohort.follow_up.group_by("patient").agg(pl.all().sort_by("last_contact_date").last())
    dead = last.filter(pl.col("status") == "dead")
    assert (dead["death_date"] == dead["last_contact_date"]).all()
    assert cohort.follow_up.filter(pl.col("status") == "dead").height == dead.height
    assert last.filter(pl.col("status") == "alive")["death_date"].null_count() == 555 - dead.height


def test_drugs_are_given_when_available(cohort: Cohort) -> None:
    for names, available in ((T_DM1, date(2013, 10, 18)), (PERTUZUMAB, date(2013, 12, 31))):
        starts = cohort.treatments.filter(pl.col("drug").is_in(list(names)))["start_date"]
        assert starts.min() >= available


def test_adjuvant_drugs_for_those_who_had_them(cohort: Cohort) -> None:
    early = cohort.treatments.join(cohort.patients, on="patient").filter(
        pl.col("start_date") < pl.col("metastatic_date")
    )
    treated = cohort.patients.filter(pl.col("neoadjuvant_or_adjuvant_treatment") == "yes")
    assert set(early["patient"]) == set(treated["patient"])
    trastuzumab = early.filter(pl.col("drug").is_in(["trastuzumab", "Trastuzumab", "Herceptin"]))
    assert set(trastuzumab["patient"]) == set(
        treated.filter(pl.col("adjuvant_trastuzumab") == "yes")["patient"]
    )


def test_t_dm1_first_follows_early_relapse(cohort: Cohort, people: pl.DataFrame) -> None:
    relapsed = people.filter(pl.col("group") == 5).select("patient", "metastatic_date")
    stops = cohort.treatments.filter(pl.col("drug").is_in(["trastuzumab", "Trastuzumab", "Herceptin"])).join(
        relapsed, on="patient"
    )
    adjuvant = stops.filter(pl.col("end_date") < pl.col("metastatic_date"))
    assert adjuvant["patient"].n_unique() == 25
    assert ((adjuvant["metastatic_date"] - adjuvant["end_date"]) < timedelta(days=183)).all()


def test_her2_positive_as_asco_cap_2013(cohort: Cohort) -> None:
    positive = (pl.col("her2_ihc") == "3+") | (pl.col("her2_fish") == "amplified")
    assert cohort.patients.select(positive.all()).item()


def test_metastases_are_consistent(cohort: Cohort) -> None:
    bone = cohort.patients.filter(pl.col("bone_only") == "yes")
    assert bone.select("visceral", "brain", "metastatic_sites").unique().rows() == [("no", "no", 1)]
    alone = cohort.patients.filter((pl.col("brain") == "yes") & (pl.col("metastatic_sites") == 1))
    assert alone.filter(pl.col("visceral") == "yes").is_empty()


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("null", [False, True])
def test_counts_hold_for_every_seed(seed: int, null: bool) -> None:
    patients = draw(np.random.default_rng(seed), null=null).patients
    assert counts(patients, SUBTYPE) == {"both": 244, "one": 123, "none": 188}
    assert counts(patients, pl.col("brain")) == {"yes": 155, "no": 400}
    assert patients.filter(pl.col("de_novo") == "no", pl.col("surgery_date").is_null()).height == 9
