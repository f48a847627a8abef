"""Where tensors live, and where randomness comes from."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from engine.errors import DeviceError, MemoryExhausted
from engine.memory import held_bytes

MOST_SEED = 2**63 - 1

REFUSED_ALLOCATION = "can't allocate memory"
"""What torch's RuntimeError says when the processor's memory is used up."""


def choose_device(name: str | None = None) -> torch.device:
    """Return the device of a name such as ``cpu`` or ``cuda:1``; None and ``auto`` choose.

    Raises:
        DeviceError: this machine has no such device.
    """
    known = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if name is None or name == "auto":
        return torch.device(known[min(1, len(known) - 1)])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in known:
        raise DeviceError(
            f"device got {name!r}, expected one of {', '.join(known)}", got=name, expected=known
        )
    return torch.device(wanted)


def gpu_count() -> int:
    """Return how many graphics processors this process sees; none of them is touched."""
    return torch.cuda.device_count()


def seeded(seed: int, device: torch.device | None = None) -> torch.Generator:
    """Return a generator of a device (CPU unless said); a seed of 0 or less takes the clock's.

    Source: the deepLearn reference, parameter ``seed`` of dlTrain.
    """
    generator = torch.Generator(device or torch.device("cpu"))
    if seed > 0:
        return generator.manual_seed(min(seed, MOST_SEED))
    generator.seed()
    return generator


CONTROL_GROUP = Path("/sys/fs/cgroup/memory.max")
"""Where Linux tells the memory a container may use: bytes, or ``max``."""


def memory_bytes(device: torch.device, control_group: Path = CONTROL_GROUP) -> int:
    """Return the memory of a device: that of a GPU, or of this machine as far as it may be used.

    Source: Linux, Control Group v2, memory.max.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        said = control_group.read_text().strip()
    except OSError:
        return whole
    return min(whole, int(said)) if said.isdecimal() else whole


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """Let one operation use so many processor threads, and as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def products(device: torch.device, *, tf32: bool) -> Iterator[None]:
    """Form products of float32 on a graphics processor with TF32's ten bits, or with all of them.

    The sums are float32. Elsewhere nothing changes.

    Source: PyTorch, "CUDA semantics", section "TensorFloat-32 (TF32)".
    """
    if device.type != "cuda":
        yield
        return
    places: tuple[Any, ...] = (
        torch.backends.cuda.matmul,
        torch.backends.cudnn.conv,  # type: ignore[attr-defined]  # torch's stubs leave it out
        torch.backends.cudnn.rnn,
    )
    before = [place.fp32_precision for place in places]
    for place in places:
        place.fp32_precision = "tf32" if tf32 else "ieee"
    try:
        yield
    finally:
        for place, precision in zip(places, before, strict=True):
            place.fp32_precision = precision


@contextmanager
def memory_told(limit: int | None = None) -> Iterator[None]:
    """Tell in one sentence when memory runs out inside the block, and what can be done.

    Args:
        limit: bytes this process may hold; None: all there are.

    Raises:
        MemoryExhausted: an allocation was refused.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        is_refused = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not is_refused and REFUSED_ALLOCATION not in str(error):
            raise
        held = held_bytes()
        whose = "the memory there is"
        if limit is not None:
            whose = f"the {limit >> 20} MB of a job, of which {held >> 20} MB are held"
        raise MemoryExhausted(
            f"the work does not fit into {whose}; use a smaller mini-batch or buffer first, then "
            "a smaller model",
            limit_bytes=limit,
            held_bytes=held,
        ) from error
