"""The catalogue: every rule is broken by its own example, and says so in the same words of a file and of a form."""

from collections import Counter
from datetime import date

import numpy as np
import polars as pl
import pytest

from sequela.clinic.checks import SEARCHES, broken, rules
from sequela.clinic.checks.chance import apart, at_least, held, rank_sum
from sequela.clinic.checks.identifiers import key, pattern
from sequela.clinic.checks.meanings import concepts, normal
from sequela.clinic.checks.twins import candidates, pairs_alike
from sequela.records.profile import reason
from tests.conftest import TODAY

STATED = [code for code, rule in rules().items() if rule.rows]


def row(example):
    """An example as one row of a sheet: dates as days."""
    return pl.DataFrame(
        {name: [(v - date(1970, 1, 1)).days if isinstance(v, date) else v] for name, v in example.items()}
        or {"patient": ["P1"]}
    )


def test_the_catalogue_is_as_large_as_it_says():
    assert len(rules()) >= 60
    assert {rule.scope for rule in rules().values()} == {"cell", "row", "patient", "registry", "centre"}
    assert {rule.severity for rule in rules().values()} == {"error", "warning", "note"}


@pytest.mark.parametrize("code", rules())
def test_a_rule_is_whole(code):
    rule = rules()[code]
    assert bool(rule.rows) != (code in SEARCHES)
    assert bool(rule.broken) == bool(rule.rows)
    assert rule.message and rule.allowed and rule.remedy and rule.text and rule.field
    assert isinstance(rule.example, str) == (code in SEARCHES)


@pytest.mark.parametrize("code", STATED)
def test_an_example_breaks_its_rule_and_silence_does_not(code):
    rule = rules()[code]
    example = row(rule.example)
    assert broken(rule, example).height == 1
    if example.width > 1:  # what nobody has said yet breaks nothing
        silent = example.select(pl.lit(None, kind).alias(name) for name, kind in example.schema.items())
        assert broken(rule, silent).height == 0


@pytest.mark.parametrize("code", STATED)
def test_a_rule_speaks_of_columns_that_its_sheet_can_have(code, sepher):
    """A misspelt column would never be there, and the rule never be asked."""
    from sequela.clinic.checks import Records
    from sequela.clinic.checks.laid import lay

    rule = rules()[code]
    records = Records(
        sepher.study, sepher.tables, sepher.registry, sepher.lines.sequences, sepher.dictionary, TODAY
    )
    known = set(lay(records).sheets[rule.rows].frame.columns)
    # What the example study does not have, and the sheets make from other studies.
    known |= {
        "birth",
        "sex",
        "menopause",
        "performance",
        "age_gap",
        "dose",
        "dose_median",
        "response",
        "last_progression",
        "last_start",
        "her2",
    }
    assert set(rule.condition.meta.root_names()) <= known
    assert {*rule.needs, *rule.any, *rule.shows} <= known


def test_fields_are_known_by_what_they_are_called():
    found = concepts(
        ["er_percent", "DataNascita", "her2_ihc", "her2_fish", "bone_only", "sesso", "PgR", "unrelated"]
    )
    assert found == {
        "er": "er_percent", "birth": "DataNascita", "her2_ihc": "her2_ihc", "her2_ish": "her2_fish",
        "bone_only": "bone_only", "sex": "sesso", "pgr": "PgR",
    }  # fmt: skip


def test_words_are_read_in_one_way():
    said = [
        ("sex", ["M", "Donna", "?"], ["male", "female", None]),
        ("her2_ish", ["amplified", "not amplified", "not done", "negativo"], [True, False, None, False]),
        ("her2_ihc", ["0", "1+", "3+", "n.a."], [0.0, 1.0, 3.0, None]),
        ("grade", ["G1", "high"], [1.0, 3.0]),
        ("de_novo", ["yes", "no", "perhaps"], [True, False, None]),
    ]
    for concept, words, meant in said:
        values = normal(concept, pl.Series(words))
        assert values is not None
        assert values.to_list() == meant
    assert [reason(word) for word in ("PD", "Tossicità: toxicity", "exitus", "wish")] == [
        "progression",
        "toxicity",
        "death",
        "wish",
    ]


def test_identifiers_are_compared_without_signs():
    texts = pl.DataFrame({"p": ["P-007", "p7", "P7 ", "P70", "A-1-1", "A-11", "١"]})
    keys = texts.select(key(pl.col("p")))["p"].to_list()
    assert keys[0] == keys[1] == keys[2] == "p-7"
    assert len(set(keys[3:])) == 4
    assert texts.select(pattern(pl.col("p")))["p"].to_list()[0] == "A-9"


def test_tails_are_those_of_the_textbook():
    assert at_least(2, 3, 0.5) == pytest.approx(0.5)
    # Fisher's tea: 3 of 4 against 1 of 4; one tail 17/70, twice that.
    assert apart(3, 4, 1, 4) == pytest.approx(34 / 70)
    assert apart(4, 4, 0, 4) == pytest.approx(2 / 70)
    # R 4.2: wilcox.test(c(1,2,3,10), c(4,5,6,7,8,9), exact=FALSE, correct=FALSE)$p.value = 0.2008
    values = np.array([1, 2, 3, 10, 4, 5, 6, 7, 8, 9], float)
    assert rank_sum(values, np.arange(10) < 4) == pytest.approx(0.2008, abs=5e-5)
    assert held([0.004, 0.5, 0.001]) == [0, 2]
    assert held([0.006, 0.5, 0.001]) == [2]


@pytest.fixture(scope="module")
def registry_of_strangers():
    rng = np.random.default_rng(1)
    n = 800
    index = rng.integers(14000, 17500, n)
    return pl.DataFrame(
        {
            "_i": np.arange(n, dtype=np.uint32), "patient": [f"P{i}" for i in range(n)], "centre": rng.choice(["A", "B"], n),
            "birth": index - rng.integers(12000, 28000, n), "index": index, "diagnosis": index - rng.integers(0, 2000, n),
            "first_start": index + rng.integers(5, 60, n), "er": rng.integers(0, 100, n), "grade": rng.integers(1, 4, n),
        }
    )  # fmt: skip


def test_strangers_are_no_twins_and_a_twin_is_found(registry_of_strangers):
    people = registry_of_strangers
    assert pairs_alike(people) == []
    twin = people[[17]].with_columns(
        pl.lit(800, pl.UInt32).alias("_i"),
        pl.lit("X").alias("patient"),
        pl.col("diagnosis") + 12,
        pl.col("er") + 1,
    )
    ((i, j, bits, words),) = pairs_alike(pl.concat([people, twin]))
    assert (i, j) == (17, 800)
    assert bits > 25
    assert words == "the same birth, index, first start, grade; other er"


def test_blocks_are_the_pairs_that_share_a_day(registry_of_strangers):
    people = registry_of_strangers.head(150)
    days = people.select("birth", "index", "diagnosis", "first_start").rows()
    slow = {
        (i, j)
        for j in range(150)
        for i in range(j)
        if any(a == b for a, b in zip(days[i], days[j], strict=True))
    }
    assert set(candidates(people).rows()) == slow


def test_a_form_is_told_what_the_file_is_told(tmp_path):
    """Rows of one patient typed into forms get the findings that `sequela check` gives them, in the same words."""
    import sequela as sq
    from sequela.walk.forms import check_forms
    from sequela.walk.path import walk
    from tests.unit.test_checks import FILES, PLANTED, STUDY

    asked = {code for code, rule in rules().items() if rule.scope in ("cell", "row", "patient")} | {
        "R201",
        "R202",
        "R203",
    }
    compared: Counter[str] = Counter()
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    for code, name, old, new, who, _ in PLANTED.values():
        if code not in asked:
            continue
        for other, text in FILES.items():
            (tmp_path / other).write_text(text.replace(old, new) if other == name else text, encoding="utf-8")
        study = sq.Study.read(tmp_path)
        table = [f for f in walk(study, today=date(2021, 1, 1)).findings if f.where.patient == who]
        forms = {}
        for source, declared in study.sources.items():
            cells = pl.read_csv(tmp_path / declared.file[0], infer_schema=False).filter(
                pl.col("patient") == who
            )
            forms[source] = cells.rows(named=True)
        typed = check_forms(study, forms, today=date(2021, 1, 1))
        said = [
            (f.code, f.severity, f.message, f.found, f.allowed, f.remedy, f.where.field)
            for f in table
            if f.code in asked
        ]
        assert sorted(said, key=str) == sorted(
            ((f.code, f.severity, f.message, f.found, f.allowed, f.remedy, f.where.field) for f in typed),
            key=str,
        )
        compared.update(f.code for f in table)
    assert len(compared) >= 15


def test_a_form_that_is_hardly_begun_has_no_finding(sepher_study):
    from sequela.walk.forms import check_forms

    form = {"patients": [{"patient": "P1", "centre": "C01", "metastatic": "2015-03-02"}]}
    codes = {finding.code for finding in check_forms(sepher_study, form, today=TODAY)}
    assert codes <= {"C317", "C346"}  # no treatment yet, nobody has seen the patient again
