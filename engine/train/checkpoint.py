"""A moment of a training run as bytes, without pickle.

The layout is that of safetensors: eight bytes with the length of a JSON header, the header, and
the arrays one after the other. ``__metadata__`` holds the state that is no array, as JSON text.

Source: the safetensors format description (https://github.com/huggingface/safetensors).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import TrainingError

Array = npt.NDArray[Any]
Save = Callable[["Checkpoint"], None]

SECONDS = 30.0
"""Time from one checkpoint to the next, unless the caller says another."""

_LENGTH_BYTES = 8
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}


class Interrupted(Exception):  # noqa: N818 - a request that was met, not a fault
    """The run was asked to stop and has left a checkpoint to go on from."""


@dataclass(frozen=True)
class Checkpoint:
    """All a run needs to go on as if it had never stopped.

    Attributes:
        state: numbers, texts, lists of them.
        arrays: weights, moments, random states, by name; float32, float64, int64 or bytes.
    """

    state: Mapping[str, Any]
    arrays: Mapping[str, Array] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the checkpoint in the layout of this module."""
        header: dict[str, object] = {"__metadata__": {"state": json.dumps(self.state)}}
        offset = 0
        for name, array in self.arrays.items():
            end = offset + array.nbytes
            header[name] = {
                "dtype": _CODES[array.dtype],
                "shape": list(array.shape),
                "data_offsets": [offset, end],
            }
            offset = end
        text = json.dumps(header).encode()
        bodies = (np.ascontiguousarray(array).tobytes() for array in self.arrays.values())
        return b"".join((len(text).to_bytes(_LENGTH_BYTES, "little"), text, *bodies))

    @classmethod
    def from_bytes(cls, body: bytes) -> "Checkpoint":
        """Read a checkpoint; its arrays are views of the bytes.

        Raises:
            TrainingError: the bytes are no checkpoint.
        """
        try:
            length = int.from_bytes(body[:_LENGTH_BYTES], "little")
            first = _LENGTH_BYTES + length
            header = json.loads(body[_LENGTH_BYTES:first])
            state = json.loads(header.pop("__metadata__")["state"])
            rest = memoryview(body)[first:]
            arrays = {name: _array(entry, rest) for name, entry in header.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrainingError(
                "the checkpoint cannot be read, expected a header and arrays"
            ) from error
        return cls(state, arrays)


@dataclass(frozen=True)
class Checkpointing:
    """When a run leaves checkpoints, and where.

    Attributes:
        save: takes a checkpoint.
        seconds: least time between two, taken after the next mini-batch; longer where leaving one
            takes long.
        epochs: epochs after which one is taken, whatever the time; None: only the time counts.
        interrupted: asked before every mini-batch whether to leave one and stop.
    """

    save: Save
    seconds: float = SECONDS
    epochs: int | None = None
    interrupted: Callable[[], bool] = lambda: False


def _array(entry: Mapping[str, Any], body: memoryview) -> Array:
    first, last = entry["data_offsets"]
    if not 0 <= first <= last <= len(body):
        raise ValueError("an array lies outside")
    values: Array = np.frombuffer(body[first:last], np.uint8)
    shaped: Array = values.view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return shaped
