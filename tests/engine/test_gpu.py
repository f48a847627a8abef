"""What must hold on a graphics processor; each test compares with the CPU."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import pytest
import torch

from engine.compile.lower import CompiledModel, compile_graph
from engine.data.batches import Batch, ResidentSource
from engine.data.feed import Feed
from engine.devices import products, seeded
from engine.fast_paths import FastPaths
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.convolution import Convolution
from engine.layers.dense import FullyConnected
from engine.layers.input import Input
from engine.layers.normalization import BatchNormalization
from engine.layers.output import Output
from engine.layers.pooling import Pooling
from engine.score.frozen_form import Shop
from engine.score.streamed import StreamedForward
from engine.train.config import Optimizer
from engine.train.loop import Trainer
from engine.train.steps import REHEARSALS, CudaRecorder
from engine.transfer import CudaLink
from engine.weights import read_weights

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

T = TypeVar("T")
CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
ROWS = 24


def network(dropout: float = 0.0) -> Graph:
    """Return an uneven padding, batch normalisation and shrinking windows in one network."""
    graph = (
        Graph("net")
        .add("data", Input(n_channels=2, width=7, height=7, scale=1 / 255))
        .add(
            "conv",
            Convolution(n_filters=4, width=4, act="IDENTITY", include_bias=False),
            ["data"],
        )
        .add("norm", BatchNormalization(act="RECTIFIER"), ["conv"])
        .add("pool", Pooling(width=3, stride=2, pool="MEAN"), ["norm"])
        .add("fc", FullyConnected(n=6, dropout=dropout), ["pool"])
        .add("out", Output(), ["fc"])
    )
    return bind(graph, {}, {"out": Target("nominal", 3)})


class Rows:
    """Rows on a device, in two mini-batches."""

    rows = ROWS

    def __init__(self, device: torch.device) -> None:
        pixels = torch.randint(0, 256, (ROWS, 2, 7, 7), generator=seeded(1), dtype=torch.uint8)
        self.pixels = pixels.to(device)
        self.labels = (torch.arange(ROWS) % 3).to(device)

    def epoch(self, batch_rows: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        del generator
        for first in range(0, ROWS, batch_rows):
            part = slice(first, first + batch_rows)
            pixels = self.pixels[part]
            yield Batch({"data": pixels}, {"out": self.labels[part]}, len(pixels))


def trained(
    device: torch.device,
    *,
    dropout: float = 0.0,
    epochs: int = 3,
    method: str = "MOMENTUM",
    rows: int = 12,
    **more: Any,
) -> CompiledModel:
    model = compile_graph(network(dropout), BuildOptions(), generator=seeded(5))
    optimizer = Optimizer.model_validate(
        {
            "algorithm": {
                "method": method,
                "learning_rate": 0.01,
                "learning_rate_policy": "STEP",
                "step_size": 2,
                "gamma": 0.5,
            },
            "max_epochs": epochs,
        }
    )
    Trainer(model, optimizer, Rows(device), batch_rows=rows, device=device, **more).run()
    return model


EXACT: FastPaths = frozenset({"tf32"})
LAUNCHED: FastPaths = frozenset({"tf32", "cuda-graphs"})


class Counting(CudaRecorder):
    """Counts the steps that are replayed."""

    def __init__(self, noise: torch.Generator) -> None:
        super().__init__(CUDA, noise)
        self.replayed = 0

    def record(self, work: Callable[[], T]) -> Callable[[], T]:
        replay = super().record(work)

        def counted() -> T:
            self.replayed += 1
            return replay()

        return counted


def numbers(model: CompiledModel) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    return np.concatenate([chunk.values for chunk in read_weights(model)])


def test_padding_and_pooling_give_the_numbers_of_the_cpu() -> None:
    model = compile_graph(network(), BuildOptions(), generator=seeded(5))
    model.eval()
    pixels = Rows(CPU).pixels
    expected = model({"data": pixels})["out"]

    with products(CUDA, tf32=False):
        got = model.to(CUDA, channels_last=True)({"data": pixels.to(CUDA)})["out"]

    # float32 sums in another order
    torch.testing.assert_close(got.cpu(), expected, rtol=1e-4, atol=1e-5)


def test_training_ends_near_the_weights_of_the_cpu() -> None:
    got = numbers(trained(CUDA, without=EXACT))

    np.testing.assert_allclose(got, numbers(trained(CPU)), rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("method", ["VANILLA", "MOMENTUM", "NESTEROV", "ADAM", "ADAMW", "RMSPROP"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_replayed_steps_end_near_launched_ones(method: str, dropout: float) -> None:
    made: list[Counting] = []

    def recorder(noise: torch.Generator) -> Counting:
        made.append(Counting(noise))
        return made[-1]

    # 24 rows: two mini-batches of 10, and one of 4 that is launched
    settings: dict[str, Any] = {"dropout": dropout, "epochs": 5, "method": method, "rows": 10}
    replayed = trained(CUDA, recorder=recorder, without=EXACT, **settings)
    launched = trained(CUDA, without=LAUNCHED, **settings)

    assert [each.replayed for each in made] == [2 * 5 - REHEARSALS]
    # solvers that divide by a gradient's own size move weights of tiny ones by rounding alone
    near = 1e-5 if method in ("VANILLA", "MOMENTUM", "NESTEROV") else 1e-3
    np.testing.assert_allclose(numbers(replayed), numbers(launched), rtol=1e-3, atol=near)


def test_a_step_in_which_the_host_waits_is_told_from_one_in_which_it_does_not() -> None:
    recorder = CudaRecorder(CUDA, seeded(1, CUDA))
    here = torch.ones(3, device=CUDA)

    assert recorder.rehearse(lambda: here.sum().item()) == (3.0, False)
    assert recorder.rehearse(lambda: here + 1)[1]


def test_a_recorded_step_draws_new_numbers_every_time_and_its_generator_moves_on() -> None:
    noise = seeded(1, CUDA)
    recorder = CudaRecorder(CUDA, noise)
    before = noise.get_state()
    replay = recorder.record(lambda: torch.rand(4, generator=noise, device=CUDA))

    first, second = replay().clone(), replay().clone()

    noise_again = seeded(1, CUDA)
    expected = [torch.rand(4, generator=noise_again, device=CUDA) for _ in range(2)]
    assert torch.equal(first, expected[0])
    assert torch.equal(second, expected[1])
    assert not torch.equal(before, noise.get_state())


def test_half_precision_ends_near_float32() -> None:
    half = numbers(trained(CUDA, precision="FP16"))

    # 8 bits of a number, in six steps
    np.testing.assert_allclose(half, numbers(trained(CUDA)), rtol=0.1, atol=2e-2)


def test_a_feed_sends_what_its_source_gives() -> None:
    source = ResidentSource({"data": Rows(CPU).pixels}, {"out": Rows(CPU).labels})
    expected = list(source.epoch(10, seeded(3)))

    got = list(Feed(source, CudaLink(CUDA)).epoch(10, seeded(3)))

    for ours, theirs in zip(got, expected, strict=True):
        assert ours.inputs["data"].device == CUDA
        assert torch.equal(ours.inputs["data"].cpu(), theirs.inputs["data"])
        assert torch.equal(ours.targets["out"].cpu(), theirs.targets["out"])


@pytest.mark.parametrize(("precision", "near"), [("FP32", 1e-4), ("FP16", 2e-2)])
@pytest.mark.parametrize("lanes", [0, 3])
def test_scoring_gives_the_numbers_of_the_cpu(precision: Any, near: float, lanes: int) -> None:
    model, pixels = trained(CPU), Rows(CPU).pixels
    expected = model({"data": pixels})["out"].detach()
    parts = [slice(first, first + 5) for first in range(0, ROWS, 5)]
    forward: StreamedForward[slice] = StreamedForward(
        model.to(CUDA, channels_last=True),
        Shop(precision=precision),
        5,
        lambda part: {"data": pixels[part]},
        CudaLink(CUDA),
    )

    with products(CUDA, tf32=False):
        found = [outputs["out"] for _, outputs in forward.stream(parts, lanes=lanes)]

    assert {each.device for each in found} == {CPU}
    scale = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(torch.cat(found), expected, atol=near * scale, rtol=0.0)


def test_the_same_seed_drops_the_same_outputs_twice() -> None:
    first, second = trained(CUDA, dropout=0.5), trained(CUDA, dropout=0.5)

    np.testing.assert_allclose(numbers(first), numbers(second), rtol=1e-4, atol=1e-6)


def test_memory_is_given_back_when_the_model_goes() -> None:
    trained(CUDA, epochs=1)  # libraries keep their workspaces
    before = torch.cuda.memory_allocated()
    model = trained(CUDA, epochs=1)
    assert torch.cuda.memory_allocated() > before

    del model

    assert torch.cuda.memory_allocated() == before
