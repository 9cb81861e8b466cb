"""Every clinical check finds the fault planted for it, and names its place; clean records have no finding."""

from datetime import date

import pytest

import sequela as sq
from sequela.cli.examples import copy_template
from sequela.walk.path import walk

STUDY = """
[study]
title = "t"
question = "q"
simulated = true
data_cut = "2020-12-31"
[sources.patients]
role = "patients"
file = "patients.csv"
[sources.patients.columns]
patient = { required = true }
centre = {}
diagnosis = { type = "date" }
metastatic = { type = "date" }
age = { type = "integer", minimum = 18, maximum = 110 }
er = { type = "integer", minimum = 0, maximum = 100, unit = "%" }
grade = { type = "category", levels = ["G1", "G2", "G3"] }
[sources.treatments]
role = "treatments"
file = "treatments.csv"
[sources.treatments.columns]
patient = { required = true }
drug = {}
start = { type = "date" }
end = { type = "date" }
[sources.events]
role = "events"
file = "events.csv"
[sources.events.columns]
patient = {}
day = { type = "date" }
[sources.visits]
role = "follow_up"
file = "visits.csv"
[sources.visits.columns]
patient = {}
seen = { type = "date" }
status = {}
death = { type = "date" }
[anchors.diagnosis]
fields = "patients.diagnosis"
[anchors.metastatic]
fields = "patients.metastatic"
[anchors.progression]
stage = "course"
fields = "events.day"
[anchors.death]
stage = "end"
fields = "visits.death"
status = { fields = "visits.status", value = "dead" }
[anchors.seen]
stage = "end"
pick = "latest"
fields = "visits.seen"
[lines]
rules = "her2-abc"
index = "metastatic"
[sequences]
label = "s"
groups = [{ name = "T", where = "line[1] has taxane" }, { name = "other", where = "not line[1] has taxane" }]
[endpoints.os]
label = "OS"
origin = "line[1].start"
events = [{ at = "death.date" }]
censor = [{ at = "seen.date" }]
[[analyses]]
id = "os"
kind = "curves"
title = "OS"
endpoint = "os"
"""
FILES = {
    "patients.csv": "patient,centre,diagnosis,metastatic,age,er,grade\nP1,C1,2015-01-01,2016-01-01,50,90,G2\nP2,C2,2015-02-01,2016-02-01,60,0,G3\n",
    "treatments.csv": "patient,drug,start,end\nP1,docetaxel,2016-02-01,2016-05-01\nP1,trastuzumab,2016-02-01,2017-05-01\nP2,lapatinib,2016-03-01,2016-09-01\n",
    "events.csv": "patient,day\nP1,2017-05-01\n",
    "visits.csv": "patient,seen,status,death\nP1,2018-01-01,dead,2018-01-01\nP2,2019-01-01,alive,\n",
}
PLANTED = {
    "duplicate patient": ("C301", "patients.csv", "P2,C2,2015-02-01,2016-02-01,60,0,G3\n", "P2,C2,2015-02-01,2016-02-01,60,0,G3\nP2,C2,2015-02-01,2016-02-01,61,0,G3\n", "P2", 4),
    "orphan row": ("C302", "treatments.csv", "P2,lapatinib", "P9,lapatinib", "P9", 4),
    "stop before start": ("C303", "treatments.csv", "2016-03-01,2016-09-01", "2016-03-01,2016-02-20", "P2", 4),
    "treatment after death": ("C304", "treatments.csv", "2016-02-01,2017-05-01", "2018-02-01,2018-05-01", "P1", 3),
    "treatment goes on after death": ("C305", "treatments.csv", "2016-02-01,2017-05-01", "2016-02-01,2018-05-01", "P1", 3),
    "death before diagnosis": ("C306", "visits.csv", "dead,2018-01-01", "dead,2014-01-01", "P1", None),
    "metastatic before diagnosis": ("C307", "patients.csv", "2015-02-01,2016-02-01", "2015-02-01,2015-01-15", "P2", 3),
    "progression before start": ("C308", "events.csv", "P1,2017-05-01", "P1,2015-05-01", "P1", 2),
    "contact after death": ("C309", "visits.csv", "P1,2018-01-01", "P1,2018-03-01", "P1", None),
    "dead without a date": ("C310", "visits.csv", "dead,2018-01-01", "dead,", "P1", None),
    "a date of death of the living": ("C311", "visits.csv", "alive,", "alive,2019-01-01", "P2", None),
    "date in the future": ("C312", "events.csv", "P1,2017-05-01", "P1,2021-05-01", "P1", 2),
    "unknown drug": ("C313", "treatments.csv", "P2,lapatinib", "P2,lapatinyb forte", "P2", 4),
    "no drug": ("C314", "treatments.csv", "P2,lapatinib", "P2,", "P2", 4),
    "no start": ("C315", "treatments.csv", "lapatinib,2016-03-01", "lapatinib,", "P2", 4),
    "before the index date": ("C316", "treatments.csv", "2016-03-01,2016-09-01", "2015-03-01,2015-09-01", "P2", 4),
    "no treatment": ("C317", "treatments.csv", "P2,lapatinib,2016-03-01,2016-09-01\n", "", "P2", None),
    "overlapping lines": ("C318", "treatments.csv", "P2,lapatinib,2016-03-01,2016-09-01\n", "P2,lapatinib,2016-03-01,2016-09-01\nP2,capecitabine,2016-06-01,2016-09-01\n", "P2", None),
    "age out of range": ("R203", "patients.csv", "60,0,G3", "160,0,G3", "P2", 3),
    "impossible percentage": ("R203", "patients.csv", "60,0,G3", "60,101,G3", "P2", 3),
    "unknown level": ("R202", "patients.csv", "60,0,G3", "60,0,G5", "P2", 3),
    "missing required": ("R204", "patients.csv", "P2,C2", ",C2", None, 3),
    "no date": ("R201", "patients.csv", "2015-02-01,2016-02-01", "2015-02-01,soon", "P2", 3),
}  # fmt: skip


def findings(directory, changed=None):
    (directory / "study.toml").write_text(STUDY, encoding="utf-8")
    for name, text in FILES.items():
        if changed and changed[0] == name:
            assert changed[1] in text
            text = text.replace(changed[1], changed[2])
        (directory / name).write_text(text, encoding="utf-8")
    return walk(sq.Study.read(directory), today=date(2021, 1, 1)).findings


def test_clean_records_have_no_finding(tmp_path):
    assert findings(tmp_path) == ()


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_in_its_place(tmp_path, fault):
    code, file, old, new, patient, line = PLANTED[fault]
    found = [finding for finding in findings(tmp_path, (file, old, new)) if finding.code == code]
    assert len(found) == 1, found
    (finding,) = found
    assert finding.where.patient == patient
    if line is not None:
        assert (finding.where.file or "").endswith(file)
        assert finding.where.line == line
    assert finding.message
    assert finding.remedy
    assert finding.allowed


def test_every_rule_is_planted_or_has_an_example_that_a_test_asks():
    from bench.corrupted import CENTRE_KINDS, KINDS

    from sequela.clinic.checks import SEARCHES

    planted = {code for code, *_ in PLANTED.values()} | {
        code for kind in (*KINDS, *CENTRE_KINDS) for code in kind.codes
    }
    assert sorted(SEARCHES.keys() - planted) == []


def test_a_row_that_cannot_be_used_is_kept_in_the_list(tmp_path):
    findings(tmp_path, ("treatments.csv", "P2,lapatinib", "P2,lapatinyb forte"))
    registry = walk(sq.Study.read(tmp_path), today=date(2021, 1, 1)).registry
    unused = registry.treatments.filter(registry.treatments["unused"].is_not_null())
    assert unused.select("patient", "drug", "unused").rows() == [
        ("P2", "lapatinyb forte", "drug not in the dictionary")
    ]


def test_template_is_clean(tmp_path):
    copy_template(tmp_path / "study")
    found = walk(sq.Study.read(tmp_path / "study"), today=date(2026, 1, 1)).findings
    assert [finding for finding in found if finding.severity == "error"] == []
