"""Freezes a network in a process of its own, beside what goes on here.

The process takes what processor time others leave, and is the first to go where memory runs short.
It ends with the one that started it.

Source: torch, "AOTInductor: Ahead-Of-Time Compilation for Torch.Export-ed Models".
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from zipfile import ZipFile

import torch
from torch import Tensor, nn

REQUEST, LIBRARY, REASON = "network.pt", "network.so", "reason.txt"
"""Files of a folder where a network is frozen."""

MAKING = "making-"
"""How the names of such folders begin."""

NICE = 5
"""How nice the process is to others: beside busy lanes it gets a quarter of a processor."""

FIRST_TO_GO = "1000"
"""Of ``oom_score_adj``; see Linux, proc(5)."""

CACHE = "TORCHINDUCTOR_CACHE_DIR"
"""The variable that says where torch's compiler leaves its files."""

Values = Sequence[Tensor]

_LEAVING = Lock()
"""Held by the thread that decides what is left behind."""


class Freezing:
    """A network that is being frozen."""

    def __init__(self, module: nn.Module, values: Values, path: Path) -> None:
        """Begin.

        Args:
            module: in evaluation.
            values: what it is called with, always of the same shapes and strides.
            path: where the library goes; there is none, or the whole of it.

        Raises:
            FileExistsError: another process has it frozen.
            OSError: the file cannot be written.
            Exception: the module cannot be pickled.
        """
        self.folder = path.with_name(f"{MAKING}{path.stem}")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.folder.mkdir()
        try:
            torch.save((module, list(values)), self.folder / REQUEST)
            self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                (sys.executable, "-m", __name__, str(self.folder), str(path)),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**os.environ, CACHE: str(self.folder / "cache"), "OMP_NUM_THREADS": "1"},
            )
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def is_over(self) -> bool:
        """Return whether the library is there, or never will be."""
        return self.process.poll() is not None

    def end(self) -> None:
        """Wait until it is over.

        Raises:
            RuntimeError: the network cannot be frozen.
        """
        self.process.wait()
        assert self.process.stdin is not None  # noqa: S101 - it is a pipe
        self.process.stdin.close()
        reason = self.folder / REASON
        told = reason.read_text() if reason.exists() else f"exit status {self.process.returncode}"
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.process.returncode:
            raise RuntimeError(told)


class _Network(nn.Module):
    """What is compiled: a module that returns a tuple."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.module(*values))


def compiled(module: nn.Module, values: Values, folder: Path) -> Path:
    """Compile a module for one thread and return the library, which has its weights in it.

    Args:
        module: in evaluation.
        values: what it is called with.
        folder: for what is made on the way.

    Raises:
        Exception: whatever the compiler raises.
    """
    from torch import _inductor as inductor  # takes a second, which few processes need to pay

    torch.set_num_threads(1)
    package = folder / "network.pt2"
    with torch.no_grad():
        module(*values)  # what it computes once and keeps is no part of the program
        exported = torch.export.export(_Network(module), tuple(values))
        inductor.aoti_compile_and_package(
            exported, package_path=str(package), inductor_configs={"freezing": True}
        )
    with ZipFile(package) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".so"))
        with archive.open(name) as source, (folder / LIBRARY).open("wb") as target:
            shutil.copyfileobj(source, target)
    return folder / LIBRARY


def main(folder: Path, path: Path) -> int:
    """Do what a ``Freezing`` asked for and return the exit status; only a reason is left behind."""
    Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    _yield_to_others()
    try:
        module, values = torch.load(folder / REQUEST, weights_only=False)
        compiled(module, values, folder).replace(path)
    except Exception as error:  # noqa: BLE001 - a compiler's; it is told
        with _LEAVING:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(exist_ok=True)
            (folder / REASON).write_text(f"{type(error).__name__}: {error}".partition("\n")[0])
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _yield_to_others() -> None:
    os.nice(NICE)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO)


def _end_with_parent(folder: Path) -> None:
    """Wait until the one that asked is gone, or asks no more; then leave nothing behind."""
    os.read(0, 1)  # a stream of Python's would hold a lock when the interpreter ends
    with _LEAVING:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)


if __name__ == "__main__":
    # to take all down in order would last seconds, in which nobody takes the library for ready
    os._exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
