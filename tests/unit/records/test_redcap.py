"""A REDCap project of two arms with a repeating form, check boxes, a decimal comma and codes nobody declared."""

import pytest

from sequela.core.errors import DataError
from sequela.records.reading import read
from sequela.records.source import Column, Source

HEAD = (
    '"Variable / Field Name","Form Name","Section Header","Field Type","Field Label","Choices, Calculations, OR Slider Labels",'
    '"Field Note","Text Validation Type OR Show Slider Number","Text Validation Min","Text Validation Max",Identifier?,'
    '"Branching Logic","Required Field?"'
)
DICTIONARY = f"""{HEAD}
record_id,demographics,,text,"Study ID",,,,,,,,
sex,demographics,,radio,"<b>Sex</b>","1, Female | 2, Male",,,,,,,y
sites,demographics,,checkbox,"Sites of metastasis","1, Bone | 2, Liver | 88, Other, rare",,,,,,,
albumin,demographics,,text,Albumin,,,number_comma_decimal,1,9,,,
drug,treatment,,text,Drug,,,,,,,,
start,treatment,,text,Start,,,date_dmy,,,,,
died,follow_up,,yesno,Dead?,,,,,,,,
"""
ROWS = """record_id,redcap_event_name,redcap_repeat_instrument,redcap_repeat_instance,redcap_data_access_group,sex,sites___1,sites___2,sites___88,albumin,demographics_complete,drug,start,treatment_complete,died,follow_up_complete
1,baseline_arm_1,,,rome,1,1,0,1,"3,5",2,,,,,
1,baseline_arm_1,treatment,1,rome,,,,,,,paclitaxel,2019-05-06,2,,
1,baseline_arm_1,treatment,2,rome,,,,,,,T-DM1,2020-01-02,2,,
1,visit_arm_1,,,rome,2,,,,,,,,,1,2
2,baseline_arm_2,,,pisa,7,0,0,0,4,2,,,,,
2,visit_arm_2,,,pisa,,,,,,,,,,0,2
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "export.csv").write_text(ROWS)
    (tmp_path / "dictionary.csv").write_text(DICTIONARY)
    return tmp_path


def source(form, *columns, **said):
    said = {"format": "redcap", "dictionary": "dictionary.csv", **said}
    names = tuple(c if isinstance(c, Column) else Column(c) for c in columns)
    return Source("x", ("export.csv",), (Column("patient", "record_id"), *names), form=form, **said)


def test_a_repeating_form_is_a_table(project):
    found = read(
        source(("treatment",), "drug", Column("start", type="date"), "redcap_repeat_instance"), project
    )
    assert found.frame.select("patient", "drug", "redcap_repeat_instance", "_line").rows() == [
        ("1", "paclitaxel", "1", 3),
        ("1", "T-DM1", "2", 4),
    ]
    assert (found.rows_read, found.left_out, found.findings) == (6, {"a row of another form": 4}, ())
    assert set(found.sha256) == {"export.csv", "dictionary.csv"}


def test_labels_boxes_commas_events_and_arms(project):
    found = read(
        source(
            ("demographics",), "sex", "sites", "sites___2", Column("albumin", type="number"), "redcap_arm",
            Column("centre", "redcap_data_access_group"),
        ),
        project,
    )  # fmt: skip
    assert found.frame.drop("_file").rows() == [
        ("1", "Female", "Bone; Other, rare", "no", 3.5, "1", "rome", 2),
        ("1", "Male", None, None, None, "1", "rome", 5),
        ("2", "7", None, "no", 4.0, "2", "pisa", 6),
    ]
    assert found.left_out == {"a row of another form": 2, "nothing of this form at this event": 1}
    (unknown,) = found.findings
    assert (unknown.code, unknown.where.line, unknown.where.field, unknown.where.patient) == (
        "R208",
        6,
        "sex",
        "2",
    )
    assert unknown.allowed == "1 = Female, 2 = Male"


def test_forms_side_by_side_one_row_a_record(project):
    found = read(source(("demographics", "follow_up"), "sex", "died"), project)
    assert found.frame.select("patient", "sex", "died").rows() == [("1", "Female", "Yes"), ("2", "7", "No")]
    assert [(f.code, f.found) for f in found.findings] == [("R208", "7"), ("R209", "Female, Male")]


def test_codes_on_request(project):
    found = read(source(("demographics",), Column("sex", codes=True)), project)
    assert found.frame["sex"].to_list() == ["1", "2", "7"]


def test_what_cannot_be_read(project):
    with pytest.raises(DataError, match="R114"):
        read(source(("treatments",), "drug"), project)
    with pytest.raises(DataError, match="R107"):
        read(source(("treatment",), "drugg"), project)
    with pytest.raises(DataError, match=r"R116.*its data dictionary"):
        read(source(("treatment",), "drug", dictionary=None), project)
    with pytest.raises(DataError, match=r"R116.*is missing"):
        read(source(("treatment",), "drug", dictionary="gone.csv"), project)
    with pytest.raises(DataError, match=r"R116.*no REDCap data dictionary"):
        read(source(("treatment",), "drug", dictionary="export.csv"), project)
