import pytest
import torch

from engine.devices import choose_device, seeded
from engine.errors import DeviceError


def test_a_machine_without_gpus_runs_on_its_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)

    assert choose_device() == choose_device("auto") == choose_device("cpu") == torch.device("cpu")


def test_a_machine_with_gpus_takes_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)

    assert choose_device() == choose_device("cuda") == torch.device("cuda:0")
    assert choose_device("cuda:1") == torch.device("cuda:1")


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
