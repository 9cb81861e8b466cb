"""The fold's source a second time, compiled by Numba: the same functions under the same names (extra `big`)."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec, module_from_spec
from inspect import getmembers, isfunction
from typing import Any

KERNEL = "sequela.clinic.kernel"


def available() -> bool:
    """Whether Numba is installed."""
    return find_spec("numba") is not None


@cache
def compiled() -> Any:
    """The module `sequela.clinic.kernel` with every function compiled on its first call (some seconds).

    The machine code is kept beside the source, or in the user's cache where that cannot be written, and nowhere where
    neither can: then every process compiles anew.
    """
    import numba  # pyright: ignore[reportMissingImports]

    spec = find_spec(KERNEL)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, function in getmembers(module, isfunction):
        # The arrays are the caller's, and none is made: without counting references each row costs a tenth.
        options: dict[str, Any] = {"_nrt": False} | ({} if name == "fold" else {"inline": "always"})
        try:
            ready: Any = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # no place to keep machine code
            ready = numba.njit(**options)(function)
        setattr(module, name, ready)
    return module
