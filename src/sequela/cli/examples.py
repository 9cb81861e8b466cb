"""Ready studies: copied out of the package, so that they can be read, changed and run."""

from __future__ import annotations

from importlib.resources import as_file, files
from shutil import copytree
from typing import TYPE_CHECKING

from sequela.core.errors import UsageError
from sequela.core.finding import Finding, Where

if TYPE_CHECKING:
    from pathlib import Path


def copy_example(name: str, directory: Path, *, seed: int | None = None, null: bool = False) -> Path:
    """The study file and the records of an example in `directory`; the simulated one draws its records.

    Files of the example are replaced, anything else in `directory` stays.

    Raises:
        UsageError: `directory` is a file, or holds another study.
    """
    _refuse_strangers(name, directory)
    with as_file(files("sequela") / "data" / "examples" / name) as source:
        copytree(source, directory, dirs_exist_ok=True)
    if name == "sepher":
        import numpy as np

        from sequela.virtual.sepher import SEED, draw
        from sequela.virtual.writing import write

        number = SEED if seed is None else seed
        write(draw(np.random.default_rng(number), null=null), directory / "data")
    if name == "bench":
        draw_cultures(directory, seed)
    return directory


def draw_cultures(directory: Path, seed: int | None = None) -> None:
    """The invented measurements of the bench's example, in `directory`/data."""
    import numpy as np

    from sequela.virtual.assays import write_blots, write_fields
    from sequela.virtual.cultures import SEED, write

    number = SEED if seed is None else seed
    write(np.random.default_rng(number), directory / "data")
    write_blots(np.random.default_rng([number, 1]), directory / "data")
    write_fields(np.random.default_rng([number, 2]), directory / "data")


def _refuse_strangers(name: str, directory: Path) -> None:
    study = directory / "study.toml"
    if directory.is_file():
        raise UsageError(
            Finding(
                "X104",
                "error",
                "this is a file, not a directory",
                Where(str(directory)),
                remedy="give another directory: --out DIR",
            )
        )
    if not study.is_file():
        return
    own = (files("sequela") / "data" / "examples" / name / "study.toml").read_bytes()
    if study.read_bytes() != own:
        raise UsageError(
            Finding(
                "X105",
                "error",
                "the directory holds another study, or this one with changes",
                Where(str(study)),
                allowed="a new directory, or one with the example as it came",
                remedy=f"run what is there: sequela run {directory}; or give another directory: --out DIR",
            )
        )


def copy_template(directory: Path, template: str = "study") -> list[Path]:
    """A new study of patients ("study") or cultures ("bench") in `directory`; returns the files written.

    Raises:
        UsageError: the directory exists and is not empty.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(
            Finding(
                "X106",
                "error",
                "the directory exists and is not empty",
                Where(str(directory)),
                allowed="a new or an empty directory",
                remedy="give another name; nothing was written",
            )
        )
    place = ("examples", "bench") if template == "bench" else ("templates", template)
    with as_file(files("sequela").joinpath("data", *place)) as source:
        copytree(source, directory, dirs_exist_ok=True)
    if template == "bench":
        draw_cultures(directory)
    return sorted(path for path in directory.rglob("*") if path.is_file())
