"""What the reader makes of named endpoints and sources, and what it refuses; traces; estimands."""

from pathlib import Path

import polars as pl
import pytest

import sequela as sq
from sequela.audit.estimand import audit_estimands
from sequela.cli.examples import copy_template
from sequela.clinic.adtte import parameter_codes
from sequela.clinic.endpoints import derive
from sequela.clinic.tracing import trace, trace_all
from sequela.core.errors import StudyError
from sequela.study.named_endpoints import variants
from sequela.walk.path import walk
from tests.conftest import TODAY

NAMED = """
[endpoints.pfs_line2]
kind = "pfs"
line = 2

[endpoints.pfs2_ema]
kind = "pfs2_ema"

[endpoints.ttd]
kind = "ttd"

[endpoints.ttnt]
kind = "ttnt"

[endpoints.t_dm1_again]
label = "To the first T-DM1"
origin = "metastatic.date"
events = [{ at = "line_of(trastuzumab_emtansine).start", label = "T-DM1" }, "death"]
censor = ["last_contact"]
"""


@pytest.fixture
def template(tmp_path):
    copy_template(tmp_path / "s")
    return tmp_path / "s"


def amended(directory: Path, extra: str, old: str = "", new: str = "") -> sq.Study:
    file = directory / "study.toml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new) + extra, encoding="utf-8")
    return sq.Study.read(directory)


def test_kinds_are_written_out(template):
    study = amended(template, NAMED)
    found = study.endpoints["pfs_line2"]
    assert found.label == "Progression-free survival, line 2"
    assert [source.name for source in found.events] == ["progression", "death"]
    assert [source.name for source in found.censor] == ["last_contact"]
    assert found.estimand.variable == "time to progression or death"
    assert study.endpoints["pfs2_ema"].line == 1


def test_an_anchor_of_another_name_that_means_it(template):
    file = template / "study.toml"
    text = file.read_text("utf-8").replace("[anchors.progression]", '[anchors.worse]\nmeans = "progression"')
    file.write_text(text.replace('"progression.date"', '"worse.date"') + NAMED, encoding="utf-8")
    study = sq.Study.read(template)
    assert study.endpoints["pfs_line2"].events[0].at.name == "worse"


def test_declared_sources_replace_built_in_ones(template):
    declared = '\n[events.death]\nat = "last_contact.date"\nlabel = "last seen"\n'
    study = amended(template, NAMED + declared)
    assert study.endpoints["pfs_line2"].events[1].label == "last seen"


@pytest.mark.parametrize(
    ("extra", "code", "says"),
    [
        ('\n[endpoints.x]\nkind = "pfs"\nevents = ["progresion", "death"]\n', "S123", "did you mean `progression`"),
        ('\n[endpoints.x]\nkind = "dor"\n', "S124", "response"),
        ('\n[endpoints.x]\nkind = "dfi"\n', "S124", "surgery"),
        ('\n[endpoints.x]\nkind = "pfs3"\n', "S10", "kind"),
        ('\n[endpoints.x]\nkind = "pfs"\nmissed_visits = { visits = "scan" }\n', "S107", "anchor of the course `scan`"),
        ('\n[endpoints.x]\nkind = "pfs"\nparamcd = "toolongcode"\n', "S105", "paramcd"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_out_is_said(template, extra, code, says):
    with pytest.raises(StudyError) as fault:
        amended(template, extra)
    text = str(fault.value)
    assert code in text and says in text and "study.toml" in text


def test_every_time_is_traced_to_a_record_of_the_same_patient_and_day(template):
    study = amended(template, NAMED)
    walked = walk(study, today=TODAY)
    traced = trace_all(study, walked.outcomes, walked.people, walked.registry, walked.lines)
    used = sum(outcome.table["unused"].null_count() for outcome in walked.outcomes.values())
    assert traced.height == used > 100
    assert traced["row"].null_count() == 0
    for row in traced.iter_rows(named=True):
        record = Path(row["file"]).read_text("utf-8").splitlines()[row["row"] - 1]
        assert record.startswith(row["patient"]) and study.day(row["day"]) in record
    assert {"line[1].end", "line[2].start", "progression.date"} <= set(traced["moment"])


def test_an_assumed_end_says_so(ovarian):
    ttd = variants(ovarian.study, ovarian.study.endpoints["pfs1"])[4].endpoint
    outcome = derive("ttd", ttd, ovarian.people, ovarian.registry.moments)
    traced = trace("ttd", ttd, outcome, ovarian.people, ovarian.registry, ovarian.lines)
    stops = traced.filter(pl.col("moment") == "line[1].end")
    assert stops["row"].null_count() == 0
    assert set(stops["field"]) == {"end", "end (assumed)"}


def test_parameter_codes_are_unique_and_short(template):
    study = amended(
        template,
        '\n[endpoints.pfs_line_1_again]\nkind = "pfs"\n\n[endpoints.pfs_line_2_again]\nkind = "pfs"\nline = 2\n',
    )
    codes = parameter_codes(study)
    assert codes == {
        "os": "OS",
        "pfs1": "PFS1",
        "pfs_line_1_again": "PFSLINE1",
        "pfs_line_2_again": "PFSLINE2",
    }
    study = study.model_copy(
        update={"endpoints": {"progression_a": study.endpoints["os"], "progression_b": study.endpoints["os"]}}
    )
    assert list(parameter_codes(study).values()) == ["PROGRESS", "PROGRES2"]


def test_estimands(template, sepher_study, ovarian_study):
    assert [audit_estimands(s) for s in (sepher_study, ovarian_study, sq.Study.read(template))] == [
        [],
        [],
        [],
    ]
    study = amended(template, '\n[endpoints.ttf]\nkind = "ttf"\n')
    (missing,) = audit_estimands(study)
    assert missing.code == "A143" and "population, treatment, summary measure" in missing.message
    estimand = '\n[endpoints.x]\nkind = "pfs"\n[endpoints.x.estimand]\npopulation = "a"\ntreatment = "b"\nsummary = "c"\nintercurrent = [{ event = "toxicity", strategy = "composite" }]\n'
    found = audit_estimands(amended(template, estimand))
    assert "none of its events" in found[-1].message
