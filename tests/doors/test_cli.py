"""The command line: every verb does what its help says, speaks to people and to programs, and ends with the right code."""

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest

from sequela.cli import main
from sequela.cli.examples import copy_template

COLOUR = re.compile("\x1b\\[[0-9;]*3[0-7][0-9;]*m|\x1b\\[[0-9;]*38;")
HEAVY = ("polars", "numpy", "scipy", "matplotlib", "pydantic", "jinja2", "narwhals", "pyreadstat", "docx")


def files_in(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


@pytest.fixture
def cli(capsys):
    """Run the command line in this process: exit code, standard output, standard error."""

    def call(*arguments: object) -> tuple[object, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return done.value.code, printed.out, printed.err

    return call


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The template study, run once; tests only read it."""
    directory = tmp_path_factory.mktemp("finished") / "my-study"
    copy_template(directory)
    with pytest.raises(SystemExit) as done:
        main(["run", str(directory)])
    assert done.value.code == 0
    return directory


@pytest.fixture
def study(tmp_path) -> Path:
    copy_template(tmp_path / "my-study")
    return tmp_path / "my-study"


def python(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120, **more)  # type: ignore[call-overload]


@pytest.mark.parametrize("verb", [[], ["run"], ["check"], ["demo"], ["lines", "multiverse"]], ids=" ".join)
def test_help_imports_nothing_heavy(verb):
    code = (
        "import sys\nfrom sequela.cli import main\n"
        f"try:\n    main({[*verb, '--help']!r})\n"
        "except SystemExit as done:\n    assert not done.code, done.code\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
    assert done.stdout.splitlines()[-1] == "HEAVY []"


def test_importing_the_package_imports_nothing_heavy():
    done = python("-c", f"import sys, sequela; print([name for name in {HEAVY!r} if name in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


def test_version(cli):
    from importlib.metadata import version

    assert cli("--version") == (0, f"sequela, version {version('sequela')}\n", "")


def test_init_check_and_run_work_at_once(tmp_path, cli):
    directory = tmp_path / "my-study"
    code, out, err = cli("init", directory)
    assert (code, err) == (0, "")
    assert f"sequela check {directory}" in out
    code, out, _ = cli("check", directory)
    assert code == 0
    assert "0 errors" in out or "error" not in out.split(";")[0]
    code, out, err = cli("run", directory)
    assert (code, err) == (0, "")
    made = files_in(directory / "out")
    assert {"report.html", "checks.html", "run.json", "document.json", "figures/os.svg"} <= made.keys()
    assert b"Simulated patients" in made["report.html"]


def test_init_leaves_a_directory_with_files_alone(study, cli):
    before = files_in(study)
    code, out, err = cli("init", study)
    assert (code, out) == (2, "")
    assert err.startswith("error X106")
    assert files_in(study) == before


def test_demo_refuses_a_directory_with_another_study(study, cli):
    before = files_in(study)
    code, out, err = cli("demo", "sepher", "--out", study)
    assert (code, out) == (2, "")
    assert err.startswith("error X105")
    assert files_in(study) == before


def test_demo_keeps_a_study_file_that_was_changed(tmp_path, cli):
    study = tmp_path / "demo"
    assert cli("demo", "sepher", "--out", study)[0] == 0
    changed = (study / "study.toml").read_text("utf-8").replace('style = "bmc"', 'style = "nejm"')
    (study / "study.toml").write_text(changed, encoding="utf-8")
    code, out, err = cli("demo", "sepher", "--out", study)
    assert (code, out) == (2, "")
    assert f"sequela run {study}" in err
    assert (study / "study.toml").read_text("utf-8") == changed


def test_demo_prints_a_seed_only_for_the_simulated_study(tmp_path, cli):
    code, out, err = cli("demo", "ovarian", "--seed", 3, "--out", tmp_path / "demo")
    assert (code, out) == (2, "")
    assert "sequela demo sepher" in " ".join(err.split())
    assert not (tmp_path / "demo").exists()


@pytest.mark.parametrize("name", ["ovarian", "sepher"])
def test_demo_runs_from_records_to_report(name, tmp_path, cli):
    code, out, err = cli("demo", name, "--out", tmp_path / "demo")
    assert (code, err) == (0, "")
    assert str(tmp_path / "demo" / "out" / "report.html") in out
    assert ("simulated" in out) == (name == "sepher")
    assert (tmp_path / "demo" / "out" / "report.html").stat().st_size > 100_000


def test_demo_with_the_same_seed_draws_the_same_patients(tmp_path):
    from sequela.cli.examples import copy_example

    first = copy_example("sepher", tmp_path / "a", seed=3)
    again = copy_example("sepher", tmp_path / "b", seed=3)
    other = copy_example("sepher", tmp_path / "c", seed=4)
    assert files_in(first / "data") == files_in(again / "data")
    assert files_in(first / "data") != files_in(other / "data")


def test_plan_says_what_would_be_made_and_makes_nothing(study, cli):
    before = files_in(study)
    code, out, _ = cli("run", study, "--plan")
    assert code == 0
    assert f"patients: {study / 'data' / 'patients.csv'}" in out
    assert f"make {study / 'out'}/" in out
    code, out, _ = cli("run", study, "--plan", "--json")
    steps = json.loads(out)
    assert [step["step"] for step in steps[:4]] == ["read"] * 4
    assert steps[-1]["step"] == "write"
    assert files_in(study) == before


def test_plan_names_a_missing_file(study, cli):
    (study / "data" / "follow_up.csv").unlink()
    code, out, _ = cli("run", study, "--plan")
    assert code == 0
    (line,) = [line for line in out.splitlines() if "MISSING" in line]
    assert "follow_up.csv" in line


def test_check_writes_a_page_and_ends_with_1_on_errors(study, cli):
    path = study / "data" / "treatments.csv"
    rows = path.read_text("utf-8").splitlines()
    patient = rows[2].split(",")[0]
    path.write_text("\n".join([*rows, f"{patient},docetaxel,2016-05-01,2016-04-01,other"]) + "\n", "utf-8")
    code, out, _ = cli("check", study, "--show", "c303")
    assert code == 1
    assert "C303" in out
    assert patient in out
    assert "C303" in (study / "out" / "checks.html").read_text("utf-8")
    assert cli("check", study, "--exit-zero")[0] == 0
    code, out, _ = cli("check", study, "--show", "C303", "--json")
    assert code == 1
    (finding,) = json.loads(out)
    assert (finding["code"], finding["where"]["patient"]) == ("C303", patient)
    assert finding["where"]["line"] == len(rows) + 1


def test_run_prints_json_for_programs(study, cli):
    code, out, err = cli("run", study, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert {"out", "manifest", "attrition", "tables", "findings"} == told.keys()
    assert told["attrition"][0]["kept"] == 24


def test_report_lays_out_again_the_same_page(finished, cli):
    page = finished / "out" / "report.html"
    before = page.read_bytes()
    code, out, err = cli("report", finished)
    assert (code, err) == (0, "")
    assert str(page) in out
    assert page.read_bytes() == before


@pytest.mark.parametrize("verb", ["report", "open"])
def test_without_a_run_there_is_nothing_to_show(verb, study, cli):
    code, out, err = cli(verb, study)
    assert (code, out) == (2, "")
    assert "sequela run" in " ".join(err.split())
    assert not (study / "out").exists()


def test_open_opens_what_is_asked_for(finished, cli, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr("sequela.cli.click.launch", opened.append)
    for what, name in (("report", "report.html"), ("checks", "checks.html"), ("folder", "")):
        assert cli("open", finished, "--what", what)[0] == 0
        assert opened.pop() == str(finished / "out" / name)


def test_schema_is_valid_and_accepts_every_shipped_study(cli):
    code, out, _ = cli("schema")
    assert code == 0
    schema = json.loads(out)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    data = Path(__file__).resolve().parents[2] / "src" / "sequela" / "data"
    shipped = [*data.glob("examples/*/study.toml"), data / "templates" / "study" / "study.toml"]
    assert len(shipped) == 4
    for file in shipped:
        errors = list(validator(schema).iter_errors(tomllib.loads(file.read_text("utf-8"))))
        assert errors == [], file


def test_schema_refuses_an_unknown_key(cli):
    schema = json.loads(cli("schema")[1])
    data = Path(__file__).resolve().parents[2] / "src" / "sequela" / "data"
    study = tomllib.loads((data / "templates" / "study" / "study.toml").read_text("utf-8"))
    study["lines"]["lookback_day"] = 14
    (error,) = jsonschema.validators.validator_for(schema)(schema).iter_errors(study)
    assert "lookback_day" in error.message


def test_explain_prints_what_to_do(cli):
    code, out, _ = cli("explain", "gt002")
    assert code == 0
    assert out.startswith("GT002  Immortal exposure  (error)")
    assert "What to do: Start the clock" in out
    code, out, err = cli("explain", "GT00")
    assert (code, out) == (2, "")
    assert err.startswith("error X103")
    assert "GT002" in err


def test_doctor_looks_at_the_machine(tmp_path, cli, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = cli("doctor", "--json")
    checks = json.loads(out)
    assert code == (0 if all(check["ok"] for check in checks) else 1)
    assert {"Python", "polars", "matplotlib", "this directory"} <= {check["what"] for check in checks}
    assert list(tmp_path.iterdir()) == []
    assert "Python" in cli("doctor")[1]


def test_explain_lines_proves_every_boundary(finished, cli):
    code, out, _ = cli("explain-lines", "P01", finished)
    assert code == 0
    assert "rule set her2-abc" in out
    assert "treatments.csv:" in out
    assert (finished / "lanes").is_dir()
    found = json.loads(cli("explain-lines", "P01", finished, "--json")[1])
    assert found["patient"] == "P01"
    assert found["lines"]


def test_explain_lines_of_a_stranger_is_a_usage_error(finished, cli):
    code, out, err = cli("explain-lines", "Nobody", finished)
    assert (code, out) == (2, "")
    assert "Nobody" in err
    assert "next:" in err


def test_lines_compare_and_multiverse(finished, tmp_path, cli):
    code, out, _ = cli("lines", "compare", "her2-abc", "generic-28-120", finished)
    assert code == 0
    assert "patients with other lines" in out
    told = json.loads(cli("lines", "compare", "her2-abc", "generic-28-120", finished, "--json")[1])
    assert {"universes", "patients"} == told.keys()
    code, out, _ = cli(
        "lines", "multiverse", finished, "--gaps", "90,180", "--windows", "28", "--out", tmp_path / "m"
    )
    assert code == 0
    assert {"multiverse.csv", "multiverse.html"} <= files_in(tmp_path / "m").keys()
    assert b"Simulated patients" in (tmp_path / "m" / "multiverse.csv").read_bytes()
    assert cli("lines", "multiverse", finished, "--gaps", "ninety")[0] == 2


def test_audit_answers_by_arm_and_ends_with_its_verdict(study, tmp_path, cli):
    out = tmp_path / "audit"
    code, told, err = cli("audit", study, "--out", out, "--json")
    verdicts = {item["code"]: item["verdict"] for item in json.loads(told)["verdicts"]}
    assert verdicts["GT001"] == verdicts["GT002"] == "pass"
    assert (code, err) == (1 if "fail" in verdicts.values() else 0, "")
    assert "Simulated patients" in (out / "audit.html").read_text("utf-8")
    assert cli("audit", study, "--out", out, "--exit-zero")[0] == 0


def test_recheck_finds_a_percentage_that_does_not_belong_to_its_count(tmp_path, cli):
    table = tmp_path / "table.csv"
    table.write_text(",A (n = 10)\nYes,4 (40.0%)\nNo,6 (65.0%)\n", encoding="utf-8")
    code, out, _ = cli("recheck", table, "--json")
    assert code == 1
    (finding,) = json.loads(out)
    assert (finding["code"], finding["found"]) == ("P201", "6 (65.0%)")
    table.write_text(",A (n = 10)\nYes,4 (40.0%)\nNo,6 (60.0%)\n", encoding="utf-8")
    assert cli("recheck", table)[0] == 0
    assert cli("recheck", tmp_path / "absent.csv")[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [["rum"], ["run", "--outt", "x"], ["explain"], ["demo", "lung"], ["run", "nowhere"]],
    ids=" ".join,
)
def test_a_wrong_command_ends_with_2_and_prints_nothing_on_standard_output(
    arguments, cli, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert err
    assert list(tmp_path.iterdir()) == []


def test_every_verb_works_inside_the_study_folder(finished, cli, monkeypatch):
    monkeypatch.chdir(finished)
    assert cli("run", "--plan")[0] == 0
    assert cli("check")[0] == 0
    assert cli("report")[0] == 0


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals")
@pytest.mark.parametrize("plain", [False, True], ids=["colour", "NO_COLOR"])
def test_no_color_is_obeyed_on_a_terminal(plain, study):
    (study / "data" / "follow_up.csv").unlink()
    environment = {name: text for name, text in os.environ.items() if name != "NO_COLOR"}
    environment |= {"TERM": "xterm-256color"} | ({"NO_COLOR": "1"} if plain else {})
    master, terminal = os.openpty()
    done = python_on(
        terminal, "-c", "from sequela.cli import main; main()", "run", str(study), env=environment
    )
    os.close(terminal)
    printed = os.read(master, 65536).decode()
    os.close(master)
    assert done == 1
    assert "R101" in printed
    assert bool(COLOUR.search(printed)) is not plain


def python_on(terminal: int, *arguments: str, env: dict[str, str]) -> int:
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, stdout=terminal, stderr=terminal, env=env, timeout=120, check=False
    ).returncode


STARTED = "from sequela.cli import main; print('started', flush=True); main()"


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT between processes")
def test_ctrl_c_leaves_the_last_complete_output_and_nothing_aside(tmp_path):
    from sequela.cli.examples import copy_example

    directory = copy_example("sepher", tmp_path / "study")
    out = directory / "out"
    with pytest.raises(SystemExit) as done:
        main(["run", str(directory), "--exit-zero"])
    assert done.value.code == 0
    before, around = files_in(out), sorted(path.name for path in directory.iterdir())
    command = [sys.executable, "-c", STARTED, "run", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "started\n"
        wait_for_aside(directory, set(around), process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted: the last complete output is untouched" in err
    assert "Traceback" not in err
    assert files_in(out) == before
    assert sorted(path.name for path in directory.iterdir()) == around


def wait_for_aside(directory: Path, known: set[str], process: "subprocess.Popen[str]") -> None:
    """Until the run has begun to write beside its last output: the worst moment for an interruption."""
    while process.poll() is None:
        for path in directory.iterdir():
            if path.name not in known and any(path.rglob("*.csv")):
                return
    raise AssertionError("the run ended before it wrote anything")


def test_a_fault_of_ours_is_said_as_such(monkeypatch, capsys, tmp_path):
    """Exit code 70, the traceback for whoever mends it, and no blame on the user's data."""
    import sequela.study.model as model
    from sequela.cli import main

    def broken(path):
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(model.Study, "read", broken)
    with pytest.raises(SystemExit) as done:
        main(["check", str(tmp_path)])
    assert done.value.code == 70
    printed = capsys.readouterr().err
    assert "error X199" in printed
    assert "unforeseen" in printed
    assert "Traceback" in printed
