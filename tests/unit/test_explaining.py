"""One patient's proof: every record is placed or says why not; the lane is drawn."""

from pathlib import Path

import pytest

from sequela.core.errors import UsageError
from sequela.report.document import figure_block, render
from sequela.report.figures import save
from sequela.walk.explaining import explain_lines
from sequela.walk.lanes import lane, proof


def test_every_record_of_the_patient_is_accounted_for(ovarian):
    for patient in ("TCGA-04-1332", "TCGA-04-1364", "TCGA-09-1662"):
        found = explain_lines(ovarian, patient)
        rows = ovarian.registry.treatments.filter(patient=patient)
        assert sum(len(line.given) for line in found.lines) + len(found.outside) == rows.height
        assert all(given.rule for line in found.lines for given in line.given)
        assert all(given.rule for given in found.outside)


def test_reasons_chain(ovarian):
    found = explain_lines(ovarian, "TCGA-09-1662")
    assert len(found.lines) > 3
    assert found.lines[0].start_reason == "first treatment"
    for before, after in zip(found.lines, found.lines[1:], strict=False):
        assert before.end_reason == after.start_reason


def test_lane(sepher):
    figure = lane(sepher, "P001", "Simulated patients")
    found = explain_lines(sepher, "P001")
    bars = list(zip(figure.data["patient"], figure.data["kind"], figure.data["label"], strict=True))
    assert [label for name, _, label in bars if name == "Lines"] == [
        f"line {n}" for n in range(1, len(found.lines) + 1)
    ]
    drugs = [label for name, kind, label in bars if kind == "line" and name != "Lines"]
    assert len(drugs) == sum(len(line.given) for line in found.lines)
    assert any(name == "Events" for name, *_ in bars)


def test_page_of_the_proof(sepher, tmp_path):
    found, figure = explain_lines(sepher, "P245"), lane(sepher, "P245", "Simulated patients")
    page = render(
        proof(found, figure_block(figure, save(figure, tmp_path), "", tmp_path), "Simulated patients")
    )
    for line in found.lines:
        assert line.start_reason in page and line.end_reason in page
        assert all(Path(given.where).name in page and given.rule in page for given in line.given)
    assert "Simulated patients" in page and "<svg" in page


def test_unknown_patient(ovarian):
    with pytest.raises(UsageError, match="did you mean"):
        explain_lines(ovarian, "TCGA-04-133")
