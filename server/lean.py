"""What a process of ours does without, though a library would load it."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

import pyarrow as pa

PANDAS = "pandas"


class _Absent:
    """Says that pandas is not installed."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if name == PANDAS:
            raise ModuleNotFoundError(name)
        return None


def spare_pandas() -> None:
    """Let Arrow find no pandas where nothing has loaded it.

    At the first array it makes, Arrow loads pandas to tell arrays of that from others: 50 MB and
    half a second for a process that has none of them. It remembers what it found; a later call of
    ``to_pandas`` looks again.

    Source: pyarrow, ``pandas-shim.pxi``.
    """
    if PANDAS in sys.modules:
        return
    sys.meta_path.insert(0, _Absent)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(_Absent)
