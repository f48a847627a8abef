import pytest
import torch
from torch.nn import Parameter

from engine.errors import TrainingError
from engine.train.step import Meter, is_finite, norms, not_finite


def test_norms_are_the_terms_of_the_penalty() -> None:
    # sum |w| = 1 + 2 + 3 = 6, sum w^2 = 14
    weights = [Parameter(torch.tensor([1.0, -2.0])), Parameter(torch.tensor([[3.0]]))]
    assert norms(weights, 0.5, 0.25) == (3.0, 1.75)


def test_a_model_without_weights_has_no_norm() -> None:
    assert norms([], 1.0, 1.0) == (0.0, 0.0)


def test_one_undefined_value_makes_a_model_not_finite() -> None:
    good, bad = torch.ones(3), torch.tensor([1.0, float("nan")])
    assert is_finite([good])
    assert not is_finite([good, bad])


def test_a_meter_gives_the_same_sums_however_often_it_is_read() -> None:
    losses = [0.1, 1e8, 0.3, -1e8, 0.7]

    def total(reads: set[int]) -> float:
        meter = Meter(0)
        for place, loss in enumerate(losses):
            meter.add(torch.tensor(loss), torch.tensor(0.0), 2)
            if place in reads:
                meter.read()
        meter.read()
        return meter.loss

    assert total(set()) == total({0, 2})
    assert total(set()) == total({1, 3})


def test_a_meter_reads_the_means_of_the_last_batch() -> None:
    meter = Meter(0)
    meter.add(torch.tensor(8.0), torch.tensor(1.0), 1)
    meter.add(torch.tensor(6.0), torch.tensor(2.0), 4)
    assert meter.read() == (1.5, 0.5)
    assert (meter.loss, meter.error, meter.total_rows, meter.batches) == (14.0, 3.0, 5, 2)


def test_a_meter_names_the_first_batch_that_diverged() -> None:
    meter = Meter(3)
    for loss in (1.0, float("inf"), float("nan")):
        meter.add(torch.tensor(loss), torch.tensor(0.0), 1)
    with pytest.raises(TrainingError, match=r"^loss is not finite at epoch 3, batch 2; usual"):
        meter.read()


def test_the_error_of_divergence_carries_its_place() -> None:
    assert not_finite("loss is not finite", 1, 2).details == {"epoch": 1, "batch": 2}
    assert not_finite("a weight is not finite", 1).details == {"epoch": 1}
