"""One patient's proof: every record is placed or says why not; the lane is drawn."""

import pytest

from sequela.core.errors import UsageError
from sequela.walk.explaining import explain_lines, lane


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
    assert len(figure.data["patient"]) >= len(explain_lines(sepher, "P001").lines)


def test_unknown_patient(ovarian):
    with pytest.raises(UsageError, match="did you mean"):
        explain_lines(ovarian, "TCGA-04-133")
