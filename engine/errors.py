"""Everything the engine raises on purpose.

    EngineError
      GraphError          graph.invalid       the layers do not make a network
        ShapeError        graph.shape         a layer does not fit its sources
      LayerError          layer.option        an option of a layer is out of range
      WeightsError        weights.mismatch    weights do not belong to the model
      DataError           data.invalid        rows cannot be encoded
      TrainingError       train.failed        training cannot start or go on
      DeviceError         device.unavailable  this machine has no such device
      MemoryExhausted     device.memory       the work does not fit into memory
      Cancelled           job.cancelled       the caller asked the work to stop
      NotSupportedError   not_supported       known to the dialect, not built yet

The second column is the stable ``code``, the third says when the error is raised.
"""

from typing import ClassVar


class EngineError(Exception):
    """A failure the caller can understand: one sentence, and its facts as JSON values.

    Construction is ``Error(message, **details)`` so that errors survive pickling between
    processes.
    """

    code: ClassVar[str] = "engine.error"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return _rebuild, (type(self), self.message, self.details)


def _rebuild(kind: type[EngineError], message: str, details: dict[str, object]) -> EngineError:
    return kind(message, **details)


class GraphError(EngineError):
    """The layers do not make a network."""

    code = "graph.invalid"


class ShapeError(GraphError):
    """A layer does not fit the shapes of its sources."""

    code = "graph.shape"


class LayerError(EngineError):
    """An option of a layer is out of range or contradicts another."""

    code = "layer.option"


class WeightsError(EngineError):
    """Weights do not belong to the model."""

    code = "weights.mismatch"


class DataError(EngineError):
    """Rows cannot be turned into tensors."""

    code = "data.invalid"


class TrainingError(EngineError):
    """Training cannot start or cannot go on."""

    code = "train.failed"


class DeviceError(EngineError):
    """This machine has no such device."""

    code = "device.unavailable"


class MemoryExhausted(EngineError):  # noqa: N818 - named as what happened
    """The work does not fit into the memory of its device."""

    code = "device.memory"


class Cancelled(EngineError):  # noqa: N818 - a request that was met, not a fault
    """The caller asked the work to stop."""

    code = "job.cancelled"


class NotSupportedError(EngineError):
    """A name the dialect knows and this version does not run yet."""

    code = "not_supported"
