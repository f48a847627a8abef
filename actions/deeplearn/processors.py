"""The parameters ``gpu`` and ``nThreads``: what an action computes on."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from actions.context import Context
from actions.params import ActionParams
from engine.devices import choose_device, using_threads
from engine.errors import NotSupportedError


class Gpu(ActionParams):
    """Which graphics processor is used, and how."""

    partly: ClassVar[Mapping[str, str]] = {
        "devices": "more than one: a job computes on one",
        "precision": "FP16: numbers are 32 bits wide",
        "use_exclusive": "true: devices are shared",
        "use_tensor_rt": "true: networks run in PyTorch",
    }

    devices: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """Indices of devices, one of them; left out: the first."""
    precision: Literal["FP32", "FP16"] = "FP32"
    """Numbers that are computed with."""
    use_exclusive: bool = False
    """Refuse a device others use; not supported yet."""
    use_tensor_rt: bool = False
    """Compute with TensorRT; not supported yet."""


GpuParameter = bool | int | Gpu | None


def device_name(gpu: GpuParameter) -> str:
    """Return the name of the device to compute on, after a look that it is there.

    Raises:
        DeviceError: this machine has no such device.
        NotSupportedError: several devices, half precision, exclusive use or TensorRT are asked for.
    """
    if gpu is None or gpu is False or gpu == 0:
        return "cpu"
    wanted = gpu if isinstance(gpu, Gpu) else Gpu()
    count = len(wanted.devices) if isinstance(gpu, Gpu) else int(gpu)
    for option, is_given in (
        ("more than one device", count > 1),
        ("precision FP16", wanted.precision == "FP16"),
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


def threads_of(ctx: Context, wanted: int | None) -> AbstractContextManager[None]:
    """Let the work use as many threads as it asks for, at most those of the context."""
    return using_threads(min(wanted or ctx.threads, ctx.threads))
