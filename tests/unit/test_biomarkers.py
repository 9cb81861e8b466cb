"""Biomarkers of a study file: published rules read the patients' fields, each status with its reason."""

from datetime import date

import polars as pl
import pytest

import sequela as sq
from sequela.cli.examples import copy_template
from sequela.core.errors import DataError, StudyError
from sequela.walk.path import walk

RULES = """
[biomarkers.oestrogen]
rule = "er"
variable = "er_percent"

[biomarkers.progesterone]
rule = "pgr"
variable = "pgr_percent"

[biomarkers.growth]
rule = "ki67"
variable = "ki67_percent"
words = { low = "up to 20 %", high = "over 20 %" }

[biomarkers.her2]
rule = "her2-EDITION"
inputs = { ihc = "ihc", ish = "ish" }

[biomarkers.subtype]
rule = "ihc-subtype"
inputs = { er = "oestrogen", pgr = "progesterone", her2 = "her2", ki67 = "growth" }

[covariates.her2]
label = "HER2 status"
"""
COLUMNS = """
pgr_percent = { type = "integer", minimum = 0, maximum = 100 }
ki67_percent = { type = "number", minimum = 0, maximum = 100 }
ihc = { type = "category", levels = ["0", "1+", "2+", "3+"] }
ish = { type = "category", levels = ["Amplified", "not amplified", "not done"], settled = "metastatic" }
"""
# er, pgr, ki67, ihc, ish
PATIENTS = [
    (60, 0, 30, "3+", ""),
    (0, 0, 30, "2+", "Amplified"),
    (0, 0, "", "2+", "not amplified"),
    (0, 60, 20, "1+", ""),
    (90, "", 20.5, "0", "not done"),
    (90, 0, "", "1+", ""),
    (90, 0, 10, "2+", "not done"),
    (90, 0, 10, "", ""),
]


def made(directory, patients=PATIENTS, edition="2013", rules=RULES, columns=COLUMNS):
    copy_template(directory / "study")
    study = directory / "study" / "study.toml"
    people = [
        "patient,centre,age,er_percent,pgr_percent,ki67_percent,ihc,ish,visceral,diagnosis_date,metastatic_date"
    ]
    people += [
        f"P{i:02},C{i % 3 + 1},60,{','.join(map(str, row))},no,2015-01-01,2016-01-01"
        for i, row in enumerate(patients, 1)
    ]
    (study.parent / "data" / "patients.csv").write_text("\n".join(people))
    text = study.read_text().replace("\nvisceral = {", f"{columns}visceral = {{", 1)
    text = text.replace("[covariates.age]", rules.replace("EDITION", edition) + "\n[covariates.age]", 1)
    study.write_text(text.replace('["age", "er_status", "visceral"]', '["age", "her2"]', 1))
    return sq.Study.read(study)


def test_rules_read_fields_and_each_other(tmp_path):
    frame = walk(made(tmp_path), today=date(2026, 1, 1)).people.frame.sort("patient")
    assert frame["oestrogen"].to_list()[:3] == ["positive", "negative", "negative"]
    assert frame["growth"].to_list()[3:6] == ["up to 20 %", "over 20 %", None]
    assert frame["her2"].to_list() == [
        "positive",
        "positive",
        "negative",
        "negative",
        "negative",
        "negative",
        "equivocal",
        None,
    ]
    assert frame["subtype"].to_list() == [
        "HER2-positive, HR-positive",
        "HER2-positive, HR-negative",
        "triple negative",
        "luminal A",
        "luminal B",
        None,
        None,
        None,
    ]
    assert frame["subtype_reason"][5] == "not known: ki67"
    assert frame["her2_reason"][0] and frame["her2_reason"].null_count() == 0


def test_editions_differ_where_the_tables_do(tmp_path):
    """2+ without ISH is equivocal in 2013; the words of the file are matched whatever their case."""
    newer = made(tmp_path, edition="2018")
    frame = walk(newer, today=date(2026, 1, 1)).people.frame.sort("patient")
    assert frame["her2"][0] == "positive" and frame["her2"][2] == "negative"


def test_a_rule_is_known_when_its_last_input_is(tmp_path):
    from sequela.study.names import variables

    known = variables(made(tmp_path))
    assert known["oestrogen"] is None
    assert known["her2"] == known["subtype"] == "metastatic"


def test_table_says_the_rule_and_what_is_missing(tmp_path):
    from sequela.walk.analyses import analyse

    study = made(tmp_path)
    part = analyse(study.analyses[0], walk(study, today=date(2026, 1, 1)))
    notes = [note for variable in part.variables for note in variable.notes]
    assert any("her2-2013" in note and "J Clin Oncol" in note for note in notes)
    assert "Not known: neither IHC nor ISH was done (1)." in notes


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (('rule = "er"', 'rule = "err"'), "S107", "did you mean `er`"),
        (
            ('variable = "er_percent"\n\n[biomarkers.prog', 'variable = "percent"\n\n[biomarkers.prog'),
            "S107",
            "percent",
        ),
        (('ihc = "ihc"', 'score = "ihc"'), "S107", "input of her2-2013"),
        (('ish = "ish"', 'ish = "visceral"'), "S128", "`visceral` does not hold"),
        (('variable = "ki67_percent"', 'variable = "age"'), "S128", "`age` does not hold"),
        (('er = "oestrogen"', 'er = "growth"'), "S128", "`growth` does not hold"),
        (("low = ", "lo = "), "S107", "result"),
        (('rule = "pgr"\nvariable = "pgr_percent"', 'rule = "pgr"'), "S129", "reads percent"),
        (('rule = "er"\n', ""), "S129", "neither a cut nor a rule"),
    ],
)
def test_wrong_biomarkers_are_named_before_any_data_are_read(tmp_path, change, code, told):
    with pytest.raises(StudyError) as caught:
        made(tmp_path, rules=RULES.replace(*change))
    finding = caught.value.findings[0]
    assert finding.code == code and told in finding.message
    assert finding.where.line and finding.where.field.startswith("biomarkers.")


def test_a_field_without_levels_or_limits_is_refused(tmp_path):
    with pytest.raises(StudyError) as caught:
        made(
            tmp_path,
            columns=COLUMNS.replace(
                'ihc = { type = "category", levels = ["0", "1+", "2+", "3+"] }', "ihc = {}"
            ),
        )
    assert [finding.code for finding in caught.value.findings] == ["S128"]


def test_classes_over_all_cells_stop_the_walk(tmp_path):
    columns = COLUMNS + "".join(
        f'{name} = {{ column = "{source}", type = "number", minimum = 0, maximum = 100 }}\n'
        for name, source in (("strong", "ki67_percent"), ("weak", "pgr_percent"))
    )
    rules = '[biomarkers.score]\nrule = "her2-ihc-2018"\ninputs = { intense_complete = "strong", faint_incomplete = "weak" }\n'
    rules += '[covariates.her2]\nlabel = "HER2"\nvariable = "score"\n'
    study = made(tmp_path, [(60, 60, 60, "", ""), *PATIENTS], rules=rules, columns=columns)
    with pytest.raises(DataError) as caught:
        walk(study, today=date(2026, 1, 1))
    assert caught.value.findings[0].code == "M103"
    assert caught.value.findings[0].where.field == "biomarkers.score"


def test_the_simulated_study_calls_every_patient_positive(sepher):
    """Everybody in the study is HER2-positive by its criteria: the rule of 2013 must say so of each."""
    assert sepher.people.frame["her2_status"].value_counts().rows() == [("positive", 555)]
    assert isinstance(sepher.people.frame, pl.DataFrame)
