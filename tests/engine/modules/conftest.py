import ctypes
from collections.abc import Iterator

import pytest
import torch

import engine.modules.pooled_convolution as pooled_convolution
import engine.modules.winograd as winograd
from engine.loops.library import FOLDER

ABLE = {"AVX512": ("avx512", "avx2"), "AVX2": ("avx2",)}
"""The sets of instructions a processor has, by what it is capable of."""


@pytest.fixture(params=["avx512", "avx2"])
def instructions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take the loops that were built for a set of instructions."""
    able = ABLE.get(torch.backends.cpu.get_cpu_capability(), ())
    built = FOLDER.glob(f"*-{request.param}.so")
    libraries = {path.stem.partition("-")[0]: path for path in built}
    if request.param not in able or not libraries:
        pytest.skip(f"no loops were built for {request.param}, or this processor has it not")
    loaded = (winograd.loops, pooled_convolution.pooled_loops)
    for module in (winograd, pooled_convolution):
        monkeypatch.setattr(module, "library", lambda name, *_: ctypes.CDLL(str(libraries[name])))
    for each in loaded:
        each.cache_clear()
    yield
    for each in loaded:
        each.cache_clear()
