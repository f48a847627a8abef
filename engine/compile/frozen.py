"""Networks frozen into machine code for one number of rows, kept as files between processes.

A frozen network is made by torch's ahead-of-time compiler with its weights as constants. It runs on
processors; the compiler needs a C++ compiler.

Source: torch, "AOTInductor: Ahead-Of-Time Compilation for Torch.Export-ed Models".
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from engine.compile.lower import CompiledModel
from engine.graph.declaration import declared

ENDING = ".pt2"
"""Of files that hold a frozen network."""

Values = Mapping[str, Tensor]
Program = Callable[..., Any]


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


class _Network(nn.Module):
    """What is frozen: the module of a model, in evaluation."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        result: tuple[Tensor, ...] = self.module(*values)
        return result


def can_freeze(model: CompiledModel) -> bool:
    """Return whether a model's rows are of one length and it lies on a processor."""
    return model.device.type == "cpu" and not model.sequences


def freeze(model: CompiledModel, example: Values, rows: int, path: Path) -> FrozenModel:
    """Compile a model for scoring so many rows at a time, and keep it as a file.

    Args:
        model: in evaluation; see ``can_freeze``.
        example: values of the input layers, of at most so many rows.
        rows: of one call.
        path: where the file goes; there is none, or the whole of it.

    Raises:
        Exception: whatever the compiler raises; the model is as it was.
    """
    from torch import _inductor as inductor  # takes a second, which few processes need to pay

    values = _given(model, example, rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent) as folder, torch.no_grad():
        exported = torch.export.export(_Network(model.module), values)
        made = inductor.aoti_compile_and_package(
            exported,
            package_path=str(Path(folder) / path.name),
            inductor_configs={"freezing": True},
        )
        Path(made).replace(path)
    return thawed(model, rows, path)


def thawed(model: CompiledModel, rows: int, path: Path) -> FrozenModel:
    """Load a file that ``freeze`` left.

    Args:
        model: that it was made of, or one of the same declaration.
        rows: for which it was made.
        path: of the file.

    Raises:
        Exception: whatever the loader raises.
    """
    from torch import _inductor as inductor

    program = inductor.aoti_load_package(str(path))
    path.touch()
    return FrozenModel(program, rows, model)


def file_name(model: CompiledModel, weights: str, rows: int, ways: tuple[bool, ...] = ()) -> str:
    """Return the name of a frozen network's file: another wherever it would be another one.

    Args:
        model: what is frozen.
        weights: a name of its weights that no others have.
        rows: of one call.
        ways: to be fast, which the form of the model that is frozen has or has not.
    """
    layers, runs = declared(model.graph), (model.outputs, model.options, model.channels_last)
    facts = (weights, rows, ways, layers, runs, machine())
    return sha256(repr(facts).encode()).hexdigest()[:32] + ENDING


def machine() -> str:
    """Return what frozen networks, and how quick they are, depend on beside the network."""
    capability = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, {capability}, {torch.get_num_threads()} threads"


def remove_oldest(folder: Path, most_bytes: int) -> None:
    """Remove the files that were used longest ago until the rest has room in so many bytes."""
    files = sorted(folder.glob(f"*{ENDING}"), key=lambda file: file.stat().st_mtime, reverse=True)
    size = 0
    for file in files:
        size += file.stat().st_size
        if size > most_bytes:
            file.unlink(missing_ok=True)


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
