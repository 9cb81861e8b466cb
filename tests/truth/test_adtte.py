"""Exported times against the published ADTTE of CDISC pilot subjects, and the file read back."""

from pathlib import Path

import polars as pl
import pyreadstat
import pytest

import sequela as sq
from sequela.clinic.adtte import LABELS
from tests.conftest import NOW

HERE = Path(__file__).parent / "cdisc"
# Their published end lies before the last date alive of the published ADSL, which their own rule takes.
OLDER = {
    "01-703-1258", "01-704-1009", "01-704-1017", "01-704-1266", "01-704-1332", "01-708-1216", "01-710-1070",
    "01-710-1271", "01-718-1427",
}  # fmt: skip
# Last known alive on the day of randomisation or before: published with one day, here without a time.
NO_TIME = {"01-705-1018", "01-705-1382", "01-708-1236"}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    study = sq.Study.read(HERE)
    directory = tmp_path_factory.mktemp("cdisc") / "out"
    sq.run(study, directory, now=NOW)
    return directory


def exported(out):
    return pl.read_csv(out / "data/adtte.csv", comment_prefix="#", infer_schema_length=None)


def test_equals_the_published_rows(out):
    published = pl.read_csv(HERE / "adtte.csv", null_values="NA").filter(PARAMCD="OS")
    ours = exported(out)
    assert ours["PARAMCD"].unique().to_list() == ["OS"]
    assert ours["STUDYID"].unique().to_list() == ["CDISCPILOT01"]
    both = published.join(ours, on="USUBJID", how="left", suffix="_ours")
    apart = set(both.filter(pl.col("AVAL_ours").is_null())["USUBJID"])
    assert apart == NO_TIME
    both = both.filter(~pl.col("USUBJID").is_in([*NO_TIME, *OLDER]))
    assert both.height == 254 - 12
    for name in ("STARTDT", "ADT", "AVAL", "CNSR"):
        assert both[name].to_list() == both[f"{name}_ours"].to_list(), name
    older = published.join(ours, on="USUBJID", suffix="_ours").filter(pl.col("USUBJID").is_in(list(OLDER)))
    assert (older["ADT"] < older["ADT_ours"]).all() and older.height == 9


def test_every_end_stands_on_its_record(out):
    subjects = (HERE / "adsl.csv").read_text("utf-8").splitlines()
    head = subjects[0].split(",")
    field = {"death": "DTHDT", "alive": "LSTALVDT"}
    for row in exported(out).iter_rows(named=True):
        record = dict(zip(head, subjects[row["SRCSEQ"] - 1].split(","), strict=True))
        assert record["USUBJID"] == row["USUBJID"]
        assert record[field[row["SRCVAR"]]] == row["ADT"]
        assert (row["CNSR"] == 0) == (row["SRCVAR"] == "death") == (row["CNSDTDSC"] is None)


def test_transport_file_reads_back(out):
    frame, meta = pyreadstat.read_xport(out / "data/adtte.xpt", output_format="polars")
    text = exported(out)
    assert frame.columns == text.columns == [n for n in LABELS if n not in ("STARTDY", "ADY")]
    assert meta.table_name == "ADTTE" and meta.file_label == "Simulated patients"
    for name in ("AVAL", "CNSR", "SRCSEQ", "TRTPN"):
        assert frame[name].cast(pl.Int64).to_list() == text[name].to_list()
    assert frame["ADT"].cast(pl.Date).cast(pl.String).to_list() == text["ADT"].to_list()
    assert frame["TRTP"].to_list() == text["TRTP"].to_list()
    assert meta.column_names_to_labels["CNSR"] == "Censor"
