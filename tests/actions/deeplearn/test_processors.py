"""What computes, on machines with graphics processors and without."""

from typing import Any

import pytest
import torch

from actions.context import Context
from actions.deeplearn.processors import Gpu, device_name, precision_of
from engine.errors import DeviceError, EngineError, NotSupportedError

NONE_HERE = (
    "The parameter 'gpu' asks for a graphics processor and this machine has none; the processor "
    "does the work."
)
NO_HALVES = (
    "This processor has no instructions for products of bfloat16; precision FP16 is slower on it "
    "than FP32."
)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what lets the machine have so many graphics processors."""

    def have(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return have


@pytest.mark.parametrize("gpu", [None, False, 0])
def test_the_processor_is_used_where_nothing_else_is_asked_for(ctx: Context, gpu: Any) -> None:
    assert device_name(ctx, gpu) == "cpu"
    assert ctx.messages == []


@pytest.mark.parametrize(
    "gpu", [True, 1, 4, Gpu(devices=(2,)), Gpu(devices=(0, 1), use_exclusive=True)]
)
def test_a_machine_without_graphics_processors_does_the_work_on_its_processor(
    ctx: Context, gpus: Any, gpu: Any
) -> None:
    gpus(0)

    assert device_name(ctx, gpu) == "cpu"
    assert [(each.text, each.level) for each in ctx.messages] == [(NONE_HERE, "warning")]


@pytest.mark.parametrize("has_halves", [True, False])
def test_half_precision_without_instructions_for_it_is_told_to_be_slow(
    ctx: Context, gpus: Any, monkeypatch: pytest.MonkeyPatch, has_halves: Any
) -> None:
    gpus(0)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_halves)

    device_name(ctx, Gpu(precision="FP16"))

    told = [each.text for each in ctx.messages]
    assert told == [NONE_HERE] + [NO_HALVES] * (not has_halves)


@pytest.mark.parametrize(
    ("gpu", "name"), [(True, "cuda:0"), (1, "cuda:0"), (Gpu(devices=(1,)), "cuda:1")]
)
def test_a_graphics_processor_that_is_there_is_used(
    ctx: Context, gpus: Any, gpu: Any, name: str
) -> None:
    gpus(2)

    assert device_name(ctx, gpu) == name
    assert ctx.messages == []


@pytest.mark.parametrize(
    ("gpu", "error", "message"),
    [
        (
            Gpu(devices=(2,)),
            DeviceError,
            r"^device got 'cuda:2', expected one of cpu, cuda:0, cuda:1$",
        ),
        (
            2,
            NotSupportedError,
            r"^parameter 'gpu' got more than one device, which is not supported yet$",
        ),
        (
            Gpu(devices=(0, 1)),
            NotSupportedError,
            r"^parameter 'gpu' got more than one device, which is not supported yet$",
        ),
        (
            Gpu(use_exclusive=True),
            NotSupportedError,
            r"^parameter 'gpu' got useExclusive, which is not supported yet$",
        ),
        (
            Gpu(use_tensor_rt=True),
            NotSupportedError,
            r"^parameter 'gpu' got useTensorRT, which is not supported yet$",
        ),
    ],
)
def test_what_graphics_processors_that_are_there_cannot_do_is_refused(
    ctx: Context, gpus: Any, gpu: Any, error: type[EngineError], message: str
) -> None:
    gpus(2)

    with pytest.raises(error, match=message):
        device_name(ctx, gpu)


def test_the_precision_is_that_of_the_parameter() -> None:
    assert [precision_of(each) for each in (None, True, Gpu(), Gpu(precision="FP16"))] == [
        "FP32",
        "FP32",
        "FP32",
        "FP16",
    ]
