"""The parameters ``gpu`` and ``nThreads``: what an action computes on, and in which numbers."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Annotated, ClassVar

from pydantic import Field

from actions.context import Context
from actions.params import ActionParams
from engine.devices import choose_device, gpu_count, using_threads
from engine.errors import NotSupportedError
from engine.precision import Precision, multiplies_halves


class Gpu(ActionParams):
    """Which graphics processor is used, and how.

    A machine without any computes on its processor, and says so in a warning; then only the
    precision counts.
    """

    partly: ClassVar[Mapping[str, str]] = {
        "devices": "more than one: a job computes on one",
        "use_exclusive": "true: devices are shared",
        "use_tensor_rt": "true: networks run in PyTorch",
    }

    devices: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Indices of devices, one of them; left out: the first."""
    precision: Precision = "FP32"
    """Numbers that products are formed of: FP16 is bfloat16. Weights, sums and results are float32
    in both, and both hold on any device."""
    use_exclusive: bool = False
    """Refuse a device others use; not supported yet."""
    use_tensor_rt: bool = False
    """Compute with TensorRT; not supported yet."""


GpuParameter = bool | int | Gpu | None


def device_name(ctx: Context, gpu: GpuParameter) -> str:
    """Return the name of the device to compute on, after a look that it is there.

    Where there is no graphics processor at all it is the processor, with a warning: the same
    program runs everywhere.

    Raises:
        DeviceError: this machine has graphics processors, but not this one.
        NotSupportedError: it has some, and several, exclusive use or TensorRT are asked for.
    """
    if gpu is None or gpu is False or gpu == 0:
        return "cpu"
    name = _graphics_processor(gpu) if gpu_count() else "cpu"
    if name == "cpu":
        ctx.warn(
            "The parameter 'gpu' asks for a graphics processor and this machine has none; the "
            "processor does the work."
        )
        if precision_of(gpu) == "FP16" and not multiplies_halves():
            ctx.warn(
                "This processor has no instructions for products of bfloat16; precision FP16 is "
                "slower on it than FP32."
            )
    return name


def precision_of(gpu: GpuParameter) -> Precision:
    """Return the numbers to form products of."""
    return gpu.precision if isinstance(gpu, Gpu) else "FP32"


def threads_of(ctx: Context, wanted: int | None) -> AbstractContextManager[None]:
    """Let the work use as many threads as it asks for, at most those of the context."""
    return using_threads(min(wanted or ctx.threads, ctx.threads))


def _graphics_processor(gpu: int | Gpu) -> str:
    wanted = gpu if isinstance(gpu, Gpu) else Gpu()
    count = len(wanted.devices) if isinstance(gpu, Gpu) else int(gpu)
    for option, is_given in (
        ("more than one device", count > 1),
        ("useExclusive", wanted.use_exclusive),
        ("useTensorRT", wanted.use_tensor_rt),
    ):
        if is_given:
            raise NotSupportedError(
                f"parameter 'gpu' got {option}, which is not supported yet", parameter="gpu"
            )
    name = f"cuda:{wanted.devices[0]}" if wanted.devices else "cuda:0"
    choose_device(name)
    return name
