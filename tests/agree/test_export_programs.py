"""The exported programs make the study's tables: R's numbers against ours, PSPP's counts, and what can only be read."""

import csv
import math
import re
import shutil
import subprocess
from datetime import date

import pytest

import sequela as sq
from sequela.cli.examples import copy_template
from sequela.records.exporting import read_sav
from sequela.report.content import Described, MedianTable, Regression, Survival
from sequela.walk.analyses import analyse
from sequela.walk.exporting import export
from sequela.walk.path import walk

LATE = """
[endpoints.os_diagnosis]
label = "Overall survival from metastatic diagnosis, entered at line 1"
origin = "metastatic.date"
entry = "line[1].start"
events = [{ at = "death.date", label = "death" }]
censor = [{ at = "last_contact.date", label = "last contact" }]

[covariates.er_positive]
label = "Age where oestrogen receptor positive"
variable = "age"
only = "er_percent >= 1"

[[analyses]]
id = "os-late"
kind = "curves"
title = "Overall survival from metastatic diagnosis"
endpoint = "os_diagnosis"

[[analyses]]
id = "cox-late"
kind = "cox"
title = "Cox models with delayed entry, strata, robust errors and Breslow's ties"
endpoint = "os_diagnosis"
variables = ["sequence", "age"]
ties = "breslow"
strata = "visceral"
cluster = "centre"

[[analyses]]
id = "medians"
kind = "medians"
title = "Medians by visceral metastases"
endpoints = ["os", "pfs1"]
within = "visceral"

[[analyses]]
id = "everybody"
kind = "describe"
title = "Everybody; it's 100 % of “them” & more"
by = "none"
variables = ["age", "visceral", "er_positive"]
where = "age >= 45"

"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    directory = tmp_path_factory.mktemp("export") / "study"
    copy_template(directory)
    path = directory / "study.toml"
    path.write_text(path.read_text("utf-8").replace("[report]", LATE + "[report]"), "utf-8")
    return walk(sq.Study.read(directory), today=date(2026, 1, 1))


@pytest.fixture(scope="module")
def made(small, tmp_path_factory):
    return export(small, ("sav", "dta", "parquet", "xlsx"), tmp_path_factory.mktemp("made") / "export")


def ours(walked):
    """Every number that the R program makes, by (analysis, quantity, item, group)."""
    found = {}
    for analysis in walked.study.analyses:
        if analysis.kind not in ("describe", "curves", "medians", "cox"):
            continue
        content = analyse(analysis, walked)
        told = {name: covariate.label or name for name, covariate in walked.study.covariates.items()}
        told["sequence"] = walked.study.sequences.label
        names = {told[name]: name for name in getattr(analysis, "variables", ())}
        match content:
            case Described():
                found |= described(analysis, content)
            case Survival():
                found |= survival(walked, analysis, content)
            case MedianTable():
                found |= medians(analysis, content)
            case Regression():
                found |= regression(walked, analysis, content, names)
    return found


def described(analysis, content):
    found = {}
    for name, variable in zip(analysis.variables, content.variables, strict=True):
        for i, group in enumerate(content.groups):
            found[analysis.id, "unknown", name, group] = variable.unknown[i]
            for level in variable.levels:
                found[analysis.id, "count", f"{name}: {level.label}", group] = level.counts[i]
            if variable.numeric:
                number = variable.numeric[i]
                found[analysis.id, "median", name, group] = number.median
                found[analysis.id, "lower quartile", name, group] = number.quartiles[0]
                found[analysis.id, "upper quartile", name, group] = number.quartiles[1]
                found[analysis.id, "mean", name, group] = number.mean
                found[analysis.id, "sd", name, group] = number.sd
        if variable.test is not None:
            found[analysis.id, "p", name, ""] = variable.test.p
    return found


def median(at, estimate, days):
    lower, upper = (x / days if math.isfinite(x) else math.nan for x in (estimate.lower, estimate.upper))
    value = estimate.value / days if math.isfinite(estimate.value) else math.nan
    analysis, item, group = at
    return {
        (analysis, "median", item, group): value,
        (analysis, "median lower", item, group): lower,
        (analysis, "median upper", item, group): upper,
    }


def survival(walked, analysis, content):
    days = 30.4375
    item = f"{analysis.endpoint}_days"
    found = {}
    for group in content.groups:
        found |= median((analysis.id, item, group.label), group.median, days)
        found[analysis.id, "n", item, group.label] = group.curve.n
    if content.test is not None:
        found[analysis.id, "log-rank chi-square", item, ""] = content.test.statistic
    if content.hazard_ratio is not None:
        second = f"sequence={content.groups[1].label}"
        found[analysis.id, "group hazard ratio", second, ""] = content.hazard_ratio.value
        found[analysis.id, "group p", second, ""] = content.hazard_ratio.p
    return found


def medians(analysis, content):
    found = {}
    for row in content.rows:
        if row.label == "All sequences" or not row.n:
            continue
        for endpoint, estimate in zip(analysis.endpoints, row.medians, strict=True):
            item = f"{endpoint}_days" + ("" if row.stratum == "All" else f": {row.stratum}")
            found |= median((analysis.id, item, row.label), estimate, 30.4375)
    for stratum, tests in content.tests.items():
        for endpoint, test in zip(analysis.endpoints, tests, strict=True):
            item = f"{endpoint}_days" + ("" if stratum == "All" else f": {stratum}")
            found[analysis.id, "log-rank chi-square", item, ""] = test.statistic
    return found


def regression(walked, analysis, content, names):
    found = {}
    for term in content.terms:
        name = names[term.variable]
        number = (
            name != "sequence"
            and not walked.study.covariates[name].order
            and not walked.study.covariates[name].levels
        )
        item = f"{name}=" if number else f"{name}={term.level}"
        for kind in ("univariate", "multivariable"):
            ratio = getattr(term, kind)
            if ratio is not None and ratio.reason is None:
                found[analysis.id, f"{kind} hazard ratio", item, ""] = ratio.value
                found[analysis.id, f"{kind} lower", item, ""] = ratio.lower
                found[analysis.id, f"{kind} upper", item, ""] = ratio.upper
                found[analysis.id, f"{kind} p", item, ""] = getattr(term, f"{kind}_p")
    return found


def run_r(folder):
    done = subprocess.run(["Rscript", "--vanilla", "analysis.R"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with (folder / "analysis-R.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        (row["analysis"], row["quantity"], row["item"], row["group"]): math.nan
        if row["value"] == "NA"
        else float(row["value"])
        for row in rows
    }


def differences(walked, folder):
    theirs, mine = run_r(folder), ours(walked)
    assert len(mine) > 40
    assert sorted(mine.keys() - theirs.keys()) == []
    return {
        key: (mine[key], theirs[key])
        for key in mine
        if not (math.isnan(mine[key]) and math.isnan(theirs[key]))
        and not math.isclose(mine[key], theirs[key], rel_tol=1e-6, abs_tol=1e-9)
    }


needs_r = pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not here")
needs_pspp = pytest.mark.skipif(shutil.which("pspp") is None, reason="PSPP is not here")


@needs_r
def test_r_makes_the_tables_of_a_study_with_delayed_entry_strata_and_clusters(small, made):
    assert differences(small, made.out) == {}


@needs_r
def test_r_makes_the_tables_of_the_sepher_study(sepher, tmp_path):
    made = export(sepher, ("csv",), tmp_path / "export")
    assert differences(sepher, made.out) == {}


@needs_r
def test_r_makes_the_tables_of_the_ovarian_study(ovarian, tmp_path):
    made = export(ovarian, ("csv",), tmp_path / "export")
    assert differences(ovarian, made.out) == {}


@needs_pspp
def test_pspp_runs_all_but_survival_and_counts_as_we_do(small, made):
    done = subprocess.run(
        ["pspp", "-O", "format=csv", "-o", "out.csv", "analysis.sps"],
        cwd=made.out,
        capture_output=True,
        text=True,
    )
    faults = [
        line for line in (done.stdout + done.stderr).splitlines() if "error" in line or "warning" in line
    ]
    assert faults
    assert all("KM is not yet" in line or "COXREG is not yet" in line for line in faults), faults
    text = (made.out / "out.csv").read_text("utf-8")
    content = analyse(small.study.analyses[0], small)
    table = text[text.index("Table: Visceral metastases × First line") :].split("\n\n")[0]
    counted = [row for row in csv.reader(table.splitlines()) if "Count" in row and "Total" not in row]
    shown = [[int(cell) for cell in row if cell.isdigit()][:2] for row in counted]
    assert shown == [list(level.counts) for level in content.variables[2].levels]


def test_the_set_holds_flags_groups_covariates_and_endpoints(small, made):
    table = read_sav(made.out / "analysis.sav")
    assert table.variables == tuple(
        type(v)(v.name, v.kind, v.label, v.words, v.missing, v.measure, v.decimals)
        for v in made.set.table.variables
    )
    assert table.frame.equals(made.set.table.frame)
    frame = made.set.table.words()
    assert frame["in_cohort"].sum() == len(small.cohort)
    assert set(frame["sequence"]) == {"Without pertuzumab", "With pertuzumab"}
    times = small.outcomes["os_diagnosis"].times
    assert frame["os_diagnosis_days"].to_list() == times.exit.tolist()
    assert frame["os_diagnosis_entry"].to_list() == times.entry.tolist()
    assert frame["use_everybody"].sum() == (frame["age"] >= 45).sum() < frame.height
    assert frame["metastatic_date"].dtype.is_temporal()


def test_reasons_for_no_time_are_user_missing_codes(ovarian, tmp_path):
    made = export(ovarian, ("sav",), tmp_path / "export")
    event = next(v for v in made.set.table.variables if v.name == "os_event")
    unused = ovarian.outcomes["os"].unused
    assert set(event.missing.values()) == set(unused)
    counts = dict(made.set.table.frame["os_event"].value_counts().iter_rows())
    assert {word: counts[code] for code, word in event.missing.items()} == unused
    again = read_sav(made.out / "analysis.sav")
    assert again.frame.equals(made.set.table.frame)


def statements(text):
    """SAS statements outside comments; quotation marks are balanced."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    assert text.count("'") % 2 == 0
    bare = re.sub(r"'[^']*'", "''", text)
    return [part.strip() for part in bare.split(";") if part.strip()]


def test_sas_names_only_what_is_there(made):
    text = (made.out / "analysis.sas").read_text("utf-8")
    parts = statements(text)
    starts = {part.split()[0] for part in parts}
    assert starts <= {
        "data", "infile", "length", "informat", "format", "input", "label", "run", "proc", "where", "tables", "exact",
        "class", "var", "time", "strata", "model", "baseline", "hazardratio", "id",
    }  # fmt: skip
    assert sum(part.startswith(("data ", "proc ")) for part in parts) == sum(part == "run" for part in parts)
    known = set(made.set.table.frame.columns)
    for part in parts:
        if part.startswith("model"):
            assert set(re.findall(r"[a-z]\w+", part.split("/")[0].removeprefix("model"))) <= known, part
    assert "(os_diagnosis_entry, os_diagnosis_days) * os_diagnosis_event(0)" in text
    assert "covs(aggregate)" in text
    (given,) = (part for part in parts if part.startswith("input"))
    assert re.findall(r"[a-zA-Z]\w*", given)[1:] == made.set.table.frame.columns


def test_spss_commands_name_only_what_is_there(made):
    text = (made.out / "analysis.sps").read_text("utf-8")
    known = set(made.set.table.frame.columns) | {"chosen_here", "age_per"}
    commands = [line for line in text.splitlines() if line and not line.startswith("*")]
    assert all(line.endswith(".") for line in text.splitlines() if line)
    for line in commands:
        if line.startswith(("KM", "COXREG", "EXAMINE", "CROSSTABS", "FREQUENCIES", "NPAR", "FILTER BY")):
            named = set(re.findall(r"\b[a-z][a-z0-9_]+\b", line))
            assert named and named <= known, line
    assert text.count("SPSS knows no delayed entry") == 2
    assert "/STRATA" not in text


def test_an_export_replaces_an_export_and_nothing_else(small, tmp_path):
    from sequela.core.errors import UsageError

    out = tmp_path / "x"
    export(small, ("csv",), out)
    assert "analysis.sps" in export(small, ("sav",), out).files
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.docx").write_text("x")
    with pytest.raises(UsageError, match="X111"):
        export(small, ("csv",), tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.docx").exists()


def test_the_verb(tmp_path, capsys):
    from sequela.cli import main

    copy_template(tmp_path / "study")
    with pytest.raises(SystemExit) as done:
        main(["export", str(tmp_path / "study"), "--to", "dta", "--to", "xlsx"])
    assert done.value.code == 0
    assert "24 patients, 38 variables" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "study" / "export").iterdir()) == [
        "analysis.R", "analysis.csv", "analysis.dta", "analysis.sas", "analysis.xlsx", "codebook.csv", "codebook.html",
    ]  # fmt: skip
