"""Where request bodies wait on disk until an action has read them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4


@dataclass(frozen=True)
class Spool:
    """A folder of one server process; what a killed process left is removed by the next."""

    folder: Path

    @classmethod
    def open(cls, root: Path) -> "Spool":
        """Make this process's folder, and remove those of processes that are gone."""
        root.mkdir(parents=True, exist_ok=True)
        for left in root.iterdir():
            if left.name.isdigit() and not _runs_elsewhere(int(left.name)):
                shutil.rmtree(left, ignore_errors=True)
        folder = root / str(os.getpid())
        folder.mkdir(exist_ok=True)
        return cls(folder)

    @contextmanager
    def file(self) -> Iterator[Path]:
        """Return the path of a new file, which is removed at the block's end."""
        path = self.folder / uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _runs_elsewhere(pid: int) -> bool:
    """Tell whether another process of that id runs; our own id is that of a predecessor."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
