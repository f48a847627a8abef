"""Modules that are loaded when something of them is first used.

For large libraries that few jobs need: a worker that never reads HDF5 does without its memory and
its time to start.
"""

from importlib import import_module
from typing import Any


class Later:
    """Stands for a module until something of it is used, then hands out what the module has.

    Written below ``TYPE_CHECKING``, so that checkers see the module itself::

        if TYPE_CHECKING:
            import h5py
        else:
            h5py = Later("h5py")
    """

    def __init__(self, name: str) -> None:
        """Name the module, as in an import statement; it is not looked for yet."""
        self._name = name

    def __getattr__(self, name: str) -> Any:
        found = getattr(import_module(self._name), name)
        setattr(self, name, found)
        return found
