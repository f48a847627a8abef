import numpy as np
import pytest
import torch

from engine.graph.spec import Graph
from engine.layers.base import BuildOptions
from engine.layers.convolution import Convolution
from engine.layers.input import Input
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from tests.engine.networks import Array, network
from tests.engine.train.cases import Case, X, optimizer


def normalized() -> Graph:
    graph = Graph("net").add("data", Input()).add("bn", BatchNormalization(), ["data"])
    return graph.add("out", Output(), ["bn"])


def statistics(case: Case) -> Array:
    return case.weights[-6:].reshape(3, 2)


def test_statistics_of_batch_normalisation_are_those_of_all_rows_of_the_epoch() -> None:
    # B9, D4: the inputs do not change, so the pooled sums are those of the table
    case = Case(graph=normalized())
    case.train(optimizer(max_epochs=2), 16)

    np.testing.assert_allclose(statistics(case)[:, 0], X.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(statistics(case)[:, 1], X.std(axis=0), rtol=1e-5)


def test_frozen_statistics_stay_as_they_are() -> None:
    # B16
    case = Case(graph=normalized())
    before = statistics(case)
    case.train(optimizer(max_epochs=2, freeze_batch_norm_stats=True), 16)
    np.testing.assert_array_equal(statistics(case), before)


def test_validation_uses_the_statistics_of_its_epoch() -> None:
    # with a rate of next to nothing the last epoch's batch statistics equal those of the table, so
    # a validation table equal to the training table in one batch has the same loss
    case = Case(graph=normalized())
    record = case.train(optimizer(rate=1e-12), valid=case.source).history[0]
    assert record.valid_loss == pytest.approx(record.loss, rel=1e-5)


def test_standard_dropout_expects_in_scoring_what_training_sees_on_average() -> None:
    # 4.6: inputs of ones, rate 0.25, an output that adds them up; scoring multiplies by 0.75
    def outputs(kind: str) -> tuple[float, float]:
        columns = {f"x{i}": np.ones(2) for i in range(4)} | {"y": np.array([0.0, 1.0])}
        options = BuildOptions.model_validate({"dropout_input": 0.25, "dropout_type": kind})
        case = Case(columns, network(output=Output(include_bias=False)), options)
        torch.nn.init.ones_(case.model.parameters()[0])
        case.model.set_generator(torch.Generator().manual_seed(5))
        ones = {"data": torch.ones(20_000, 4)}
        case.model.train()
        trained = case.model(ones)["out"].mean().item()
        case.model.eval()
        return trained, case.model(ones)["out"].mean().item()

    # standard deviation of the mean: sqrt(4 * 0.25 * 0.75 / 20000) = 0.006
    standard, inverted = outputs("STANDARD"), outputs("INVERTED")
    assert standard[0] == pytest.approx(3.0, abs=0.03)
    assert standard[1] == pytest.approx(3.0, abs=1e-6)
    assert inverted[0] == pytest.approx(4.0, abs=0.04)
    assert inverted[1] == pytest.approx(4.0, abs=1e-6)


def test_filters_of_grey_images_lie_channels_last() -> None:
    columns = {f"p{place}": np.arange(2.0) for place in range(9)} | {"y": np.arange(2.0)}
    graph = Graph("net").add("data", Input(n_channels=1, width=3, height=3))
    graph = graph.add("conv", Convolution(n_filters=2, width=3), ["data"])
    case = Case(columns, graph.add("out", Output(), ["conv"]))

    case.train(optimizer(rate=1e-3))

    # by rows, then columns, then the channel, although there is only one
    assert case.model.parameters()[0].stride() == (9, 1, 3, 1)
