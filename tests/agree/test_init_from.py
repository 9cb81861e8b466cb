"""`sequela init --from`: the same 24 simulated patients in seven dresses give the same lines and survival."""

import re
import tomllib
from datetime import date
from pathlib import Path

import polars as pl
import pyreadstat
import pytest

import sequela as sq
from sequela.cli import main
from sequela.cli.examples import copy_template
from sequela.core.errors import StudyError, UsageError
from sequela.records.profile import profile
from sequela.walk.drafting import draft
from sequela.walk.path import walk

TODAY = date(2026, 1, 1)
ANSWERS = {
    "one sentence, as a reader would ask it": "Is pertuzumab better?",
    "the moment that day 0 stands for": "metastatic diagnosis",
    "name of the first group": "Without pertuzumab",
    "such as: not line[1] has pertuzumab": "not line[1] has pertuzumab",
    "name of the second group": "With pertuzumab",
    "such as: line[1] has pertuzumab": "line[1] has pertuzumab",
}


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    directory = tmp_path_factory.mktemp("template") / "study"
    copy_template(directory)
    return directory


@pytest.fixture(scope="module")
def truth(template):
    return walk(sq.Study.read(template), today=TODAY)


@pytest.fixture(scope="module")
def tables(template):
    names = ("patients", "treatments", "progressions", "follow_up")
    return {
        name: pl.read_csv(template / "data" / f"{name}.csv", comment_prefix="#", infer_schema=False)
        for name in names
    }


def answered(directory, more=None):
    """Every TODO answered by its own words; one that the test does not expect is an error."""
    path = directory / "study.toml"
    text = path.read_text("utf-8")
    for question, answer in {**ANSWERS, **(more or {})}.items():
        text = text.replace(f'"TODO: {question}"', f'"{answer}"')
    assert "TODO: " not in text.replace("Where it says TODO a", ""), re.findall("TODO: .*", text)
    path.write_text(text, "utf-8")
    return walk(sq.Study.read(directory), today=TODAY)


def survival(walked, endpoint):
    times = walked.outcomes[endpoint].times
    return dict(zip(map(str, times.ids), zip(times.exit, times.state, strict=True), strict=True))


def same(found, truth, endpoints=("os", "pfs1")):
    for endpoint in endpoints:
        assert survival(found, endpoint) == survival(truth, endpoint)
    assert len(found.cohort) == 24
    columns = ("subject", "step", "regimen")
    assert found.lines.sequences.table.select(columns).equals(truth.lines.sequences.table.select(columns))


def mapped(directory, columns):
    """Every column of every file is mapped, once."""
    study = tomllib.loads((directory / "study.toml").read_text("utf-8"))
    found: list[str] = []
    for source in study["sources"].values():
        beside = [name for group in source.get("repeats", ()) for name in group.values()]
        repeated = {field for group in source.get("repeats", ()) for field in group}
        for field, told in source["columns"].items():
            name = told if isinstance(told, str) else told.get("column", field)
            found += [] if field in repeated else [name]
        found += beside
    assert set(found) == set(columns)


def test_four_csv_files(template, truth, tables, tmp_path):
    files = sorted((template / "data").glob("*.csv"))
    made = draft(files, tmp_path / "study")
    assert [finding.code for finding in made.decisions] == ["S150"] * 5
    lines = (tmp_path / "study" / "study.toml").read_text("utf-8").splitlines()
    assert all("TODO" in lines[finding.where.line - 1] for finding in made.decisions)
    with pytest.raises(StudyError, match="S150") as caught:
        sq.Study.read(tmp_path / "study")
    assert tuple(caught.value.findings) == made.decisions
    same(answered(tmp_path / "study"), truth)
    mapped(tmp_path / "study", {name for table in tables.values() for name in table.columns})
    assert any("age" in line and "(its name)" in line for line in made.summary)


def test_an_excel_workbook_in_german(truth, tables, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    german = {
        "Patienten": tables["patients"].rename({
            "patient": "Patienten-ID", "centre": "Klinik", "age": "Alter bei Diagnose", "er_percent": "ER %", "visceral": "Viszerale Metastasen",
            "diagnosis_date": "Erstdiagnose", "metastatic_date": "Datum der Metastasierung",
        }),
        "Therapien": tables["treatments"].rename(
            {"patient": "Patienten-ID", "drug": "Wirkstoff", "start_date": "Therapiebeginn", "end_date": "Therapieende", "stop_reason": "Abbruchgrund"}
        ),
        "Progress": tables["progressions"].rename({"patient": "Patienten-ID", "date": "Progressdatum"}),
        "Verlauf": tables["follow_up"].rename(
            {"patient": "Patienten-ID", "last_contact_date": "Letzter Kontakt", "status": "Vitalstatus", "death_date": "Todesdatum"}
        ).with_columns(pl.col("Vitalstatus").replace({"dead": "verstorben", "alive": "lebt"})),
    }  # fmt: skip
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, table in german.items():
        sheet = book.create_sheet(title)
        sheet.append(table.columns)
        for row in table.iter_rows():
            # One sheet holds true dates, the others typed ones in the German way.
            cells = [_day(cell, typed=title != "Therapien") for cell in row]
            sheet.append(cells)
    book.save(tmp_path / "register.xlsx")
    draft([tmp_path / "register.xlsx"], tmp_path / "study")
    same(answered(tmp_path / "study"), truth)
    mapped(tmp_path / "study", {name for table in german.values() for name in table.columns})


def _day(cell, typed):
    if cell is None or not re.fullmatch(r"\d{4}-\d\d-\d\d", cell):
        return cell
    day = date.fromisoformat(cell)
    return day.strftime("%d.%m.%Y") if typed else day


def test_an_spss_file_in_italian_with_treatments_side_by_side(truth, tables, tmp_path):
    drugs = tables["treatments"].with_columns(pl.int_range(pl.len()).over("patient").alias("n") + 1)
    wide = tables["patients"].join(tables["follow_up"], on="patient").rename({
        "patient": "codice_paziente", "centre": "ospedale", "age": "eta", "diagnosis_date": "data_diagnosi",
        "metastatic_date": "data_metastasi", "last_contact_date": "ultimo_contatto", "status": "stato", "death_date": "data_decesso",
    })  # fmt: skip
    first = tables["progressions"].group_by("patient").agg(pl.col("date").min())
    wide = wide.join(
        first.rename({"patient": "codice_paziente", "date": "data_progressione"}),
        on="codice_paziente",
        how="left",
    )
    for n in range(1, int(drugs["n"].max()) + 1):
        here = drugs.filter(pl.col("n") == n).select(
            pl.col("patient").alias("codice_paziente"), pl.col("drug").alias(f"farmaco{n}"),
            pl.col("start_date").alias(f"inizio{n}"), pl.col("end_date").alias(f"fine{n}"), pl.col("stop_reason").alias(f"motivo_stop{n}"),
        )  # fmt: skip
        wide = wide.join(here, on="codice_paziente", how="left")
    dates = [name for name in wide.columns if name.startswith(("data", "inizio", "fine", "ultimo"))]
    wide = wide.with_columns(
        *(pl.col(name).str.to_date() for name in dates), pl.col("eta").cast(pl.Float64),
        pl.col("stato").replace_strict({"dead": 1.0, "alive": 0.0}), pl.col("visceral").replace_strict({"no": 0.0, "yes": 1.0}),
    ).sort("codice_paziente")  # fmt: skip
    labels = {"stato": {0.0: "vivo", 1.0: "deceduto"}, "visceral": {0.0: "no", 1.0: "sì"}}
    pyreadstat.write_sav(wide, str(tmp_path / "banca.sav"), variable_value_labels=labels)
    made = draft([tmp_path / "banca.sav"], tmp_path / "study")
    assert any("records side by side" in line for line in made.summary)
    found = answered(tmp_path / "study")
    same(found, truth)
    mapped(tmp_path / "study", wide.columns)


def test_a_redcap_project(truth, tables, tmp_path):
    head = [
        "Variable / Field Name",
        "Form Name",
        "Section Header",
        "Field Type",
        "Field Label",
        "Choices",
        "Note",
        "Validation",
        "Min",
        "Max",
        "Id",
        "Branching",
        "Required",
    ]
    fields = [
        ("record_id", "baseline", "text", "ID", "", ""), ("age", "baseline", "text", "Age", "", "integer"),
        ("er_percent", "baseline", "text", "ER", "", "integer"), ("visceral", "baseline", "yesno", "Visceral metastases", "", ""),
        ("diagnosis_date", "baseline", "text", "First diagnosis", "", "date_dmy"), ("metastatic_date", "baseline", "text", "Metastatic", "", "date_dmy"),
        ("drug", "treatment", "text", "Drug", "", ""), ("start_date", "treatment", "text", "Start", "", "date_dmy"),
        ("end_date", "treatment", "text", "End", "", "date_dmy"), ("stop_reason", "treatment", "text", "Reason", "", ""),
        ("pd_date", "progression", "text", "Date of progression", "", "date_dmy"),
        ("last_contact_date", "outcome", "text", "Last contact", "", "date_dmy"), ("vital", "outcome", "radio", "Vital status", "0, Alive | 1, Dead", ""),
        ("death_date", "outcome", "text", "Death", "", "date_dmy"),
    ]  # fmt: skip
    rows = [
        dict(zip(head, [n, f, "", k, lab, c, "", v, "", "", "", "", ""], strict=True))
        for n, f, k, lab, c, v in fields
    ]
    pl.DataFrame(rows).write_csv(tmp_path / "dictionary.csv")
    single = tables["patients"].join(tables["follow_up"], on="patient").with_columns(
        pl.col("visceral").replace({"yes": "1", "no": "0"}), pl.col("status").replace({"dead": "1", "alive": "0"})
    )  # fmt: skip
    columns = [
        "record_id",
        "redcap_repeat_instrument",
        "redcap_repeat_instance",
        "redcap_data_access_group",
        *(f[0] for f in fields[1:]),
    ]
    parts = [
        single.rename({"patient": "record_id", "centre": "redcap_data_access_group", "status": "vital"}),
        _form(tables["treatments"].rename({"patient": "record_id"}), "treatment"),
        _form(tables["progressions"].rename({"patient": "record_id", "date": "pd_date"}), "progression"),
    ]
    whole = pl.concat(parts, how="diagonal").select(columns).sort("record_id", maintain_order=True)
    whole.write_csv(tmp_path / "export.csv")
    draft([tmp_path / "export.csv"], tmp_path / "study", tmp_path / "dictionary.csv")
    same(answered(tmp_path / "study"), truth)


def _form(table, name):
    instance = (pl.int_range(pl.len()).over("record_id") + 1).cast(pl.String).alias("redcap_repeat_instance")
    return table.with_columns(pl.lit(name).alias("redcap_repeat_instrument"), instance)


def _days(tables):
    """The tables in days from the metastatic diagnosis."""
    origin = tables["patients"].select("patient", pl.col("metastatic_date").str.to_date().alias("_0"))
    made = {}
    for name, table in tables.items():
        joined = table.join(origin, on="patient")
        dates = [c for c in table.columns if "date" in c and c != "metastatic_date"]
        made[name] = joined.with_columns(
            (pl.col(c).str.to_date() - pl.col("_0")).dt.total_days() for c in dates
        ).drop("_0")
    return made


def test_cbioportal_files(truth, tables, tmp_path):
    days = _days(tables)
    people = days["patients"].join(days["follow_up"], on="patient").select(
        pl.col("patient").alias("PATIENT_ID"), pl.col("age").alias("AGE"),
        pl.col("status").replace_strict({"dead": "1:DECEASED", "alive": "0:LIVING"}).alias("OS_STATUS"),
        (pl.col("last_contact_date") / 30.4375).alias("OS_MONTHS"),
    )  # fmt: skip
    above = [
        "#" + "\t".join(people.columns),
        "#" + "\t".join("abcd"),
        "#STRING\tNUMBER\tSTRING\tNUMBER",
        "#1\t1\t1\t1",
    ]
    (tmp_path / "data_clinical_patient.txt").write_text(
        "\n".join(above) + "\n" + people.write_csv(separator="\t")
    )
    given = days["treatments"].select(
        pl.col("patient").alias("PATIENT_ID"), pl.col("start_date").alias("START_DATE"), pl.col("end_date").alias("STOP_DATE"),
        pl.lit("TREATMENT").alias("EVENT_TYPE"), pl.lit("Medical Therapy").alias("TREATMENT_TYPE"), pl.col("drug").alias("AGENT"),
    )  # fmt: skip
    given.write_csv(tmp_path / "data_timeline_treatment.txt", separator="\t")
    status = days["progressions"].select(
        pl.col("patient").alias("PATIENT_ID"), pl.col("date").alias("START_DATE"), pl.lit(None, pl.String).alias("STOP_DATE"),
        pl.lit("STATUS").alias("EVENT_TYPE"), pl.lit("Progression").alias("STATUS"),
    )  # fmt: skip
    status.write_csv(tmp_path / "data_timeline_progression.txt", separator="\t")
    files = sorted(tmp_path.glob("data_*.txt"))
    draft(files, tmp_path / "study")
    same(answered(tmp_path / "study"), truth)


def test_omop_tables(truth, tables, tmp_path):
    ids = {name: i for i, name in enumerate(tables["patients"]["patient"], 1)}
    number = pl.col("patient").replace_strict(ids).alias("person_id")
    words = sorted(set(tables["treatments"]["drug"]))
    codes = {word: 100 + i for i, word in enumerate(words)}
    people = tables["patients"].select(
        number, pl.lit(8532).alias("gender_concept_id"), pl.lit(1950).alias("year_of_birth")
    )
    people.write_csv(tmp_path / "person.csv")
    tables["treatments"].select(
        number, pl.col("drug").replace_strict(codes).alias("drug_concept_id"), pl.col("start_date").alias("drug_exposure_start_date"),
        pl.col("end_date").alias("drug_exposure_end_date"),
    ).write_csv(tmp_path / "drug_exposure.csv")  # fmt: skip
    tables["follow_up"].filter(pl.col("death_date").is_not_null()).select(number, "death_date").write_csv(
        tmp_path / "death.csv"
    )
    tables["follow_up"].select(
        number, pl.col("last_contact_date").alias("observation_period_end_date")
    ).write_csv(tmp_path / "observation_period.csv")
    concept = {
        "concept_id": [8532, *codes.values()],
        "concept_name": ["FEMALE", *codes],
        "concept_class_id": ["Gender", *["Ingredient"] * len(codes)],
    }
    pl.DataFrame(concept).write_csv(tmp_path / "concept.csv")
    made = draft(sorted(tmp_path.glob("*.csv")), tmp_path / "study")
    assert any("ingredient" in line for line in made.summary)
    found = answered(tmp_path / "study")
    back = {str(i): name for name, i in ids.items()}
    assert {back[who]: told for who, told in survival(found, "os").items()} == survival(truth, "os")


def test_a_duckdb_file(truth, tables, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    from sequela.core.errors import DataError

    duckdb.connect(str(tmp_path / "empty.duckdb")).close()
    with pytest.raises(DataError, match="R102"):
        draft([tmp_path / "empty.duckdb"], tmp_path / "study")
    assert not (tmp_path / "study").exists()
    with duckdb.connect(str(tmp_path / "registry.duckdb")) as store:
        for name, table in tables.items():
            table.write_csv(tmp_path / "x.csv")
            store.execute(f"create table {name} as select * from read_csv('{tmp_path / 'x.csv'}')")
    draft([tmp_path / "registry.duckdb"], tmp_path / "study")
    same(answered(tmp_path / "study"), truth)


def test_treatments_alone_serve_as_patients(tables, tmp_path):
    tables["treatments"].join(tables["follow_up"], on="patient").write_csv(
        tmp_path / "all.csv", separator=";"
    )
    draft([tmp_path / "all.csv"], tmp_path / "study")
    found = answered(tmp_path / "study")
    assert found.tables["patients"].rows_kept == 24
    assert found.tables["patients"].left_out == {"not the row with the latest `latest_record`": 60}
    assert len(found.cohort) == 24


AMBIGUOUS = """id,sex,status,seen,drug,start
1,1,1,01/02/2019,paclitaxel,2019-01-02
2,2,2,03/04/2019,T-DM1,2019-02-03
3,1,2,05/06/2019,T-DM1,2019-03-04
4,2,1,07/08/2019,docetaxel,2019-03-04
5,2,1,,,
"""


def test_what_only_a_person_knows_is_asked(tmp_path):
    (tmp_path / "x.csv").write_text(AMBIGUOUS.replace("seen", "last seen"))
    made = draft([tmp_path / "x.csv"], tmp_path / "study")
    asked = {finding.message for finding in made.decisions}
    assert "DD/MM/YYYY or MM/DD/YYYY" in asked
    assert "which sex is 1?" in asked
    lines = (tmp_path / "study" / "study.toml").read_text("utf-8").splitlines()
    assert all("TODO: " in lines[finding.where.line - 1] for finding in made.decisions)


def test_the_raw_ovarian_files(tmp_path, ovarian_study):
    files = sorted((Path(ovarian_study.path).parent / "data").glob("*.gz"))
    made = draft(files, tmp_path / "study")
    assert len(made.decisions) == 6
    answers = {
        "such as: not line[1] has pertuzumab": "not line[1] has taxane", "such as: line[1] has pertuzumab": "line[1] has taxane",
    }  # fmt: skip
    found = answered(tmp_path / "study", answers)
    assert found.steps[0].kept == 587
    assert (
        found.people.frame["@death?"].sum() == 349
    )  # counted with awk: see tests/unit/records/test_real_files.py
    assert {table.source.header_rows for table in found.tables.values()} == {3}


def test_the_verb(template, tmp_path, capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as done:
            main(["init", *map(str, arguments)])
        return done.value.code, capsys.readouterr()

    data = template / "data"
    code, told = run(
        tmp_path / "a", "--from", data / "patients.csv", data / "treatments.csv", data / "follow_up.csv"
    )
    assert code == 0
    assert "decisions are left to you, marked TODO" in told.out
    assert run(tmp_path / "a", "--from", data / "patients.csv")[0] == 2
    assert run(tmp_path / "b", tmp_path / "c", "--from", data / "patients.csv")[0] == 2
    assert run("--dictionary", data / "patients.csv", tmp_path / "d")[0] == 2
    assert not (tmp_path / "d").exists()
    with pytest.raises(UsageError, match="X112"):
        draft([data / "patients.csv"], tmp_path / "a")
    with pytest.raises(SystemExit) as done:
        main(["check", str(tmp_path / "a")])
    assert done.value.code == 2
    assert "error S150" in capsys.readouterr().err


def _registry(tables, directory):
    """The simulated patients as an Italian registry with the faults of a typed file."""
    people = tables["patients"].select("patient", "centre", "metastatic_date").join(
        tables["follow_up"].select("patient", "status", "death_date", "last_contact_date"), on="patient"
    )  # fmt: skip
    people = people.with_columns(
        pl.col("metastatic_date", "death_date", "last_contact_date").str.replace(
            r"(\d+)-(\d+)-(\d+)", "$3/$2/$1"
        ),
        pl.col("status").replace_strict({"dead": "deceduta", "alive": "viva"}),
    )
    wrong = people.with_columns(
        pl.when(pl.int_range(pl.len()) == 3)
        .then(pl.lit("31/02/2014"))
        .otherwise("metastatic_date")
        .alias("metastatic_date")
    )
    italian = [
        "codice paziente",
        "centro",
        "data metastasi",
        "stato vitale",
        "data decesso",
        "ultimo contatto",
    ]
    given = tables["treatments"].select("patient", "drug", "start_date", "end_date", "stop_reason")
    given = given.with_columns(
        pl.col("stop_reason").replace({"toxicity": "tossicità", "progression": "progressione"})
    )
    seen = (
        tables["progressions"].unique("patient", keep="first", maintain_order=True).select("patient", "date")
    )
    pl.concat([wrong, wrong.tail(1)]).rename(dict(zip(people.columns, italian, strict=True))).write_csv(
        directory / "pazienti.csv", separator=";"
    )
    names = dict(
        zip(given.columns, ["codice paziente", "farmaco", "data inizio", "data fine", "motivo"], strict=True)
    )
    given.rename(names).write_csv(directory / "farmaci.csv", separator=";")
    seen.with_columns(pl.lit("progressione").alias("evento")).rename(
        {"patient": "codice paziente", "date": "data"}
    ).write_csv(directory / "eventi.csv", separator=";")
    return [directory / name for name in ("eventi.csv", "pazienti.csv", "farmaci.csv")]


def test_a_few_wrong_cells_do_not_hide_what_a_table_is(tables, tmp_path):
    """One impossible date, one row twice, one event a patient: the tables and columns are known all the same."""
    files = _registry(tables, tmp_path)
    made = draft(files, tmp_path / "study")
    study = tomllib.loads((tmp_path / "study" / "study.toml").read_text("utf-8"))
    roles = {name: source["role"] for name, source in study["sources"].items()}
    assert roles == {"patients": "patients", "treatments": "treatments", "eventi": "events"}
    assert "pazienti.csv" in str(study["sources"]["patients"]["file"])
    people = study["sources"]["patients"]["columns"]
    assert people["metastatic"] == {
        "column": "data metastasi",
        "type": "date",
        "date_format": "DD/MM/YYYY",
    }
    assert study["sources"]["treatments"]["columns"]["stop_reason"]["levels"]["tossicità"] == "toxicity"
    assert len(made.decisions) == 5
    walked = answered(tmp_path / "study")
    bad = [finding for finding in walked.findings if finding.code == "R201"]
    assert [(finding.found, finding.where.line) for finding in bad] == [("'31/02/2014'", 5)]
    assert bad[0].where.centre is not None
    assert bad[0].where.file == str(tmp_path / "pazienti.csv"), "no `study/..` in it"
    assert [finding.code for finding in walked.findings].count("C301") == 1


@pytest.mark.parametrize(
    ("words", "kind", "formats"),
    [
        ([f"{day:02}/03/2015" for day in range(1, 31)] + ["31/02/2015"], "date", ("DD/MM/YYYY",)),
        ([f"{day:02}/03/2015" for day in range(1, 10)] + ["31/02/2015"], "text", ()),
        ([f"2015-03-{day:02}" for day in range(1, 31)] + ["n.d.", "15/03/2015"], "date", ("YYYY-MM-DD",)),
        (
            [f"2015-03-{day:02}" for day in range(1, 20)] + [f"{day}/04/2015" for day in range(13, 30)],
            "date",
            (),
        ),
        ([f"{month:02}/{month:02}/2015" for month in range(1, 13)], "date", ("DD/MM/YYYY", "MM/DD/YYYY")),
        ([str(year) for year in range(1990, 2020)], "integer", ()),
        ([f"visit of {day:02}/03/2015" for day in range(1, 30)], "text", ()),
    ],
)
def test_a_column_of_dates_is_one_in_spite_of_a_few_others(words, kind, formats):
    found = profile("x", pl.Series(words))
    assert (found.type, found.formats) == (kind, formats)
