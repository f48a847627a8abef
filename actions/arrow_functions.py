"""Functions over Arrow's arrays, ``pyarrow.compute``, which are loaded when one is first used."""

from typing import TYPE_CHECKING

from engine.later import Later

if TYPE_CHECKING:
    import pyarrow.compute as pc
else:
    pc = Later("pyarrow.compute")

__all__ = ["pc"]
