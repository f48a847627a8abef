from pathlib import Path

import pytest
import torch

from engine.devices import choose_device, memory_bytes, memory_told, products, seeded
from engine.errors import DeviceError, MemoryExhausted


def test_a_machine_without_gpus_runs_on_its_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)

    assert choose_device() == choose_device("auto") == choose_device("cpu") == torch.device("cpu")


def test_a_machine_with_gpus_takes_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    assert choose_device() == choose_device("cuda") == torch.device("cuda:0")
    assert choose_device("cuda:1") == torch.device("cuda:1")


@pytest.mark.parametrize(
    ("device", "tf32", "expected"),
    [("cuda:0", True, "tf32"), ("cuda:0", False, "ieee"), ("cpu", False, None)],
)
def test_products_of_a_graphics_processor_have_ten_bits_or_all(
    device: str,
    tf32: bool,  # noqa: FBT001 - parametrised
    expected: str | None,
) -> None:
    matmul = torch.backends.cuda.matmul
    before = matmul.fp32_precision

    with products(torch.device(device), tf32=tf32):
        inside = matmul.fp32_precision

    assert inside == (expected or before)
    assert matmul.fp32_precision == before


def test_a_device_the_machine_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    with pytest.raises(DeviceError, match=r"^device got 'cuda:4', expected one of cpu, cuda:0$"):
        choose_device("cuda:4")


def test_one_seed_gives_one_sequence() -> None:
    first, second = (torch.rand(4, generator=seeded(7)) for _ in range(2))

    assert torch.equal(first, second)


@pytest.mark.parametrize("seed", [0, -1])
def test_a_seed_that_is_not_positive_takes_the_clock(seed: int) -> None:
    first, second = (torch.rand(4, generator=seeded(seed)) for _ in range(2))

    assert not torch.equal(first, second)


TOO_MUCH = (
    r"^the work does not fit into the memory there is; use a smaller mini-batch or buffer first, "
    r"then a smaller model$"
)


def test_a_tensor_beyond_memory_is_told_in_one_sentence() -> None:
    with pytest.raises(MemoryExhausted, match=TOO_MUCH), memory_told():
        torch.empty(2**45)  # 128 TiB


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
def test_memory_of_python_and_of_a_graphics_processor_is_told_alike(error: Exception) -> None:
    with pytest.raises(MemoryExhausted, match=TOO_MUCH), memory_told():
        raise error


def test_the_limit_of_a_job_is_told_with_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.devices.held_bytes", lambda: 300 << 20)
    message = (
        r"^the work does not fit into the 512 MB of a job, of which 300 MB are held; use a smaller "
        r"mini-batch or buffer first, then a smaller model$"
    )

    with pytest.raises(MemoryExhausted, match=message), memory_told(512 << 20):
        raise MemoryError


def test_other_failures_of_torch_pass_through() -> None:
    with pytest.raises(RuntimeError, match="must match"), memory_told():
        torch.zeros(2) + torch.zeros(3)


def test_the_memory_of_a_container_is_what_it_may_use(tmp_path: Path) -> None:
    processor, said = torch.device("cpu"), tmp_path / "memory.max"
    whole = memory_bytes(processor, said)

    said.write_text("max\n")
    assert memory_bytes(processor, said) == whole
    said.write_text("1048576\n")
    assert memory_bytes(processor, said) == 1 << 20
    said.write_text(f"{whole * 2}\n")
    assert memory_bytes(processor, said) == whole


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_memory_of_a_gpu_is_its_own() -> None:
    assert memory_bytes(torch.device("cuda:0")) > 1 << 30
