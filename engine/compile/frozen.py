"""Networks frozen into machine code for one number of rows, kept as files between processes.

A frozen network is made by torch's ahead-of-time compiler with its weights as constants. It runs on
processors, with one thread for each call; the compiler needs a C++ compiler.
"""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from platform import machine as architecture

import torch
from torch import Tensor

from engine.compile.freezing import MAKING, Freezing
from engine.compile.lower import CompiledModel
from engine.compile.machine_code import MachineCode
from engine.graph.declaration import declared

ENDING = ".so"
"""Of files that hold a frozen network."""

GENERATION = 3
"""Of the ways in which networks are frozen; what was found out of an earlier one counts no more."""

ABANDONED_S = 24 * 3600.0
"""Age from which on a folder is nobody's where a network was to be frozen, in seconds."""

_CPUINFO = Path("/proc/cpuinfo")
_ABILITIES = ("flags", "Features")
"""What the line begins with that lists a processor's instructions: on x86, on ARM."""

Values = Mapping[str, Tensor]
Program = Callable[..., Sequence[Tensor]]


class FrozenModel:
    """A frozen network; rows that are missing to its number are filled up and cut off again."""

    def __init__(self, program: Program, rows: int, model: CompiledModel) -> None:
        self.program = program
        self.rows = rows
        self.model = model

    def __call__(self, inputs: Values) -> dict[str, Tensor]:
        """Return the raw outputs, by name, of at most ``rows`` rows."""
        rows = len(inputs[self.model.inputs[0]])
        results = self.program(*_given(self.model, inputs, self.rows))
        names = zip(self.model.outputs, results, strict=True)
        return {name: result[:rows] for name, result in names}


def can_freeze(model: CompiledModel) -> bool:
    """Return whether a model's rows are of one length and it lies on a processor."""
    return model.device.type == "cpu" and not model.sequences


def freeze(model: CompiledModel, example: Values, rows: int, path: Path) -> Freezing:
    """Begin to freeze a model for scoring so many rows at a time, in a process of its own.

    Args:
        model: in evaluation; see ``can_freeze``.
        example: values of the input layers, of at most so many rows.
        rows: of one call.
        path: where the file goes; there is none, or the whole of it.

    Raises:
        FileExistsError: another process has it frozen.
        Exception: the model cannot be handed over.
    """
    return Freezing(model.module, _given(model, example, rows), path)


def thawed(model: CompiledModel, rows: int, path: Path, lanes: int) -> FrozenModel:
    """Load a file that ``freeze`` left.

    Args:
        model: that it was made of, or one of the same declaration.
        rows: for which it was made.
        path: of the file.
        lanes: threads that call it at once.

    Raises:
        Exception: whatever the loader raises.
    """
    program = MachineCode(path, lanes)
    path.touch()
    return FrozenModel(program, rows, model)


def file_name(model: CompiledModel, weights: str, rows: int, *, folds: bool = True) -> str:
    """Return the name of a frozen network's file: another wherever it would be another one.

    Args:
        model: what is frozen.
        weights: a name of its weights that no others have.
        rows: of one call.
        folds: whether the folded form of the model is frozen.
    """
    layers, runs = declared(model.graph), (model.outputs, model.options, model.channels_last)
    facts = (weights, rows, folds, layers, runs, machine())
    return sha256(repr(facts).encode()).hexdigest()[:32] + ENDING


def machine() -> str:
    """Return what frozen networks, and how quick they are, depend on beside the network."""
    return f"torch {torch.__version__}, {architecture()}, {_abilities()}, way {GENERATION}"


def _abilities() -> str:
    """Return a name of the instructions that the processor knows, which the compiler uses all."""
    known = torch.backends.cpu.get_cpu_capability()
    if not _CPUINFO.exists():
        return known
    lines = _CPUINFO.read_text().splitlines()
    listed = next((line for line in lines if line.startswith(_ABILITIES)), "")
    return f"{known} {sha256(listed.encode()).hexdigest()[:8]}"


def remove_oldest(folder: Path, most_bytes: int) -> None:
    """Remove the files that were used longest ago until the rest has room in so many bytes.

    What a killed process left goes too, a day later.
    """
    found = list(folder.iterdir())
    files = sorted(
        (each for each in found if each.is_file()),
        key=lambda file: file.stat().st_mtime,
        reverse=True,
    )
    size = 0
    for file in files:
        size += file.stat().st_size
        if size > most_bytes:
            file.unlink(missing_ok=True)
    for each in found:
        if each.name.startswith(MAKING) and each.stat().st_mtime < time.time() - ABANDONED_S:
            shutil.rmtree(each, ignore_errors=True)


def _given(model: CompiledModel, inputs: Values, rows: int) -> tuple[Tensor, ...]:
    """Return what a frozen network is called with: always of the same shapes and strides."""
    return tuple(model.laid_out(filled(inputs[name], rows)) for name in model.inputs)


def filled(value: Tensor, rows: int) -> Tensor:
    """Return values with rows of zeros behind them."""
    if len(value) == rows:
        return value
    whole = value.new_zeros(rows, *value.shape[1:])
    whole[: len(value)] = value
    return whole
