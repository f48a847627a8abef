from itertools import product
from math import log

import numpy as np
import pytest
import torch
from torch.nn import functional

from engine.compile.lower import CompiledModel, compile_graph
from engine.devices import seeded
from engine.errors import GraphError, ShapeError
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.base import BuildOptions, Target
from engine.layers.input import Input
from engine.layers.output import Output
from engine.layers.recurrent import RecurrentLayer
from engine.losses import ABSENT, UNSEEN, Entropy, Normal
from engine.sequences import lengths_of
from engine.tasks.steps import Ctc, PerStep

NAN = float("nan")
LEVELS = PerStep(Target("nominal", 2, 3), Entropy(Target("nominal", 2)))
NUMBERS = PerStep(Target("interval", 1, 2), Normal(Target("interval", 1), lambda x: x))
LABELS = Ctc(Target("nominal", 2, 3))


def test_the_loss_of_a_row_is_the_mean_of_its_true_steps() -> None:
    raw = torch.log(torch.tensor([[[0.25, 0.75], [0.5, 0.5], [0.9, 0.1]]]))

    # -ln 0.75 and -ln 0.5; the last step is padding
    loss = LEVELS.loss(raw, torch.tensor([[1, 0, ABSENT]]))
    assert loss.item() == pytest.approx((-log(0.75) - log(0.5)) / 2)
    predicted = LEVELS.predict(raw)
    torch.testing.assert_close(predicted[0, 0], torch.tensor([0.25, 0.75]))


def test_the_fit_error_is_the_share_of_wrong_steps_and_unseen_levels_are_wrong() -> None:
    raw = torch.tensor([[[0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]]).repeat(3, 1, 1)
    target = torch.tensor([[1, 1, 0], [1, UNSEEN, ABSENT], [ABSENT, ABSENT, ABSENT]])

    torch.testing.assert_close(LEVELS.fit_error(raw, target), torch.tensor([1 / 3, 1 / 2, 0.0]))
    known = LEVELS.known(target)
    assert known.has_loss.tolist() == [True, True, False]
    assert known.has_error.tolist() == [True, True, False]


def test_numbers_of_padding_do_not_count() -> None:
    raw = torch.tensor([[[1.0], [5.0]], [[2.0], [3.0]]])
    target = torch.tensor([[3.0, NAN], [1.0, 3.0]])

    # (1 - 3)^2 = 4 of one step; (1, 0) of two
    assert NUMBERS.fit_error(raw, target).tolist() == [4.0, 0.5]
    assert NUMBERS.loss(raw, target).tolist() == [2.0, 0.25]


def alignments(chances: np.ndarray, labels: list[int], blank: int) -> float:
    """Return the chance of labels as the sum over all paths."""
    total = 0.0
    for path in product(range(chances.shape[1]), repeat=len(chances)):
        merged = [p for place, p in enumerate(path) if place == 0 or p != path[place - 1]]
        if [p for p in merged if p != blank] == labels:
            total += float(np.prod([chances[step, p] for step, p in enumerate(path)]))
    return total


@pytest.mark.parametrize("labels", [[0], [0, 1], [0, 0], [1, 0], []])
def test_the_ctc_loss_sums_over_all_alignments(labels: list[int]) -> None:
    chances = np.random.default_rng(1).dirichlet(np.ones(3), size=3)
    raw = torch.tensor(np.log(chances), dtype=torch.float32)[None]
    target = torch.tensor([labels + [ABSENT] * (3 - len(labels))])

    expected = -log(alignments(chances, labels, blank=2))
    assert LABELS.loss(raw, target).item() == pytest.approx(expected, rel=1e-5)


def test_the_ctc_loss_is_torchs() -> None:
    raw = torch.randn(4, 6, 3, generator=seeded(1))
    target = torch.tensor([[0, 1, 1], [1, ABSENT, ABSENT], [0, ABSENT, 1], [1, 0, ABSENT]])

    expected = functional.ctc_loss(
        raw.log_softmax(-1).transpose(0, 1),
        torch.tensor([[0, 1, 1], [1, 0, 0], [0, 1, 0], [1, 0, 0]]),
        torch.full((4,), 6),
        torch.tensor([3, 1, 2, 2]),
        blank=2,
        reduction="none",
    )
    torch.testing.assert_close(LABELS.loss(raw, target), expected)


def one_hot(*path: int) -> torch.Tensor:
    return functional.one_hot(torch.tensor([path]), 3).float()


def test_decoding_merges_repetitions_and_leaves_blanks_out() -> None:
    # 0 0 blank 0 1 1 reads 0 0 1
    assert LABELS.decode(one_hot(0, 0, 2, 0, 1, 1)).tolist() == [[0, 0, 1] + [ABSENT] * 3]


def test_a_row_is_right_if_all_its_labels_are() -> None:
    raw = one_hot(0, 0, 2, 1)

    assert LABELS.fit_error(raw, torch.tensor([[0, 1, ABSENT]])).item() == 0
    assert LABELS.fit_error(raw, torch.tensor([[0, 1, 1]])).item() == 1
    assert LABELS.fit_error(raw, torch.tensor([[0, ABSENT, ABSENT]])).item() == 1


def speech(steps: int, n: int | None = None) -> CompiledModel:
    """Return a model of three-step label sequences over two levels."""
    layer = RecurrentLayer(n=4, output_type="SAMELENGTH")
    graph = Graph("net").add("data", Input()).add("states", layer, ["data"])
    graph = graph.add("out", Output(error="CTC", n=n), ["states"])
    bound = bind(graph, {"data": (steps, 2)}, {"out": LABELS.target})
    return compile_graph(bound, BuildOptions(), generator=seeded(1))


@pytest.mark.parametrize("n", [None, 5])
def test_padding_changes_neither_the_ctc_loss_nor_the_labels(n: int | None) -> None:
    rows = torch.randn(2, 5, 2, generator=seeded(2))
    target = torch.tensor([[0, 1, ABSENT], [1, 1, 0]])
    padded = torch.cat([rows, torch.ones(2, 2, 2)], 1)
    short, long = speech(5, n), speech(7, n)

    alone = short({"data": rows})["out"]
    beside = long({"data": padded, lengths_of("data"): torch.tensor([5, 5])})["out"]

    task = short.tasks["out"]
    assert isinstance(task, Ctc)
    torch.testing.assert_close(task.loss(beside, target), task.loss(alone, target))
    assert task.decode(beside)[:, :5].tolist() == task.decode(alone).tolist()
    task.loss(beside, target).sum().backward()  # type: ignore[no-untyped-call]
    assert all(bool(p.grad.isfinite().all()) for p in long.parameters() if p.grad is not None)
    assert alone.shape == (2, 5, n or 3)


def test_an_output_of_steps_counts_one_set_of_weights() -> None:
    layer = Output().bind(Target("nominal", 3, 5))

    specs = layer.tensors([(5, 4)], BuildOptions())
    assert [spec.shape for spec in specs] == [(4, 3), (3,)]
    assert layer.multiply_adds([(5, 4)], BuildOptions()) == 5 * 4 * 3
    assert layer.infer([(5, 4)], BuildOptions()) == (5, 3)


def test_an_output_of_steps_may_be_its_source() -> None:
    layer = Output(full_connect=False).bind(Target("nominal", 3, 5))
    module = layer.build([(5, 3)], BuildOptions())
    rows = torch.randn(2, 5, 3)

    assert layer.infer([(5, 3)], BuildOptions()) == (5, 3)
    assert torch.equal(module(rows), rows)


@pytest.mark.parametrize(
    ("error", "steps", "message"),
    [
        ("AUTO", 6, r"^got 6 steps, expected 5, those of the target$"),
        ("CTC", 4, r"^got 4 steps, expected at least 5, those of the target$"),
    ],
)
def test_steps_of_source_and_target_belong_together(error: str, steps: int, message: str) -> None:
    layer = Output.model_validate({"error": error}).bind(Target("nominal", 3, 5))
    with pytest.raises(ShapeError, match=message):
        layer.infer([(steps, 4)], BuildOptions())


def test_ctc_wants_a_sequence_of_labels() -> None:
    message = r"^option 'error' got 'CTC' with one target for a row, expected a targetSequence$"
    with pytest.raises(GraphError, match=message):
        Output(error="CTC").bind(Target("nominal", 3))


def test_ctc_wants_a_neuron_for_the_blank() -> None:
    layer = Output(error="CTC", n=3).bind(Target("nominal", 2, 5))
    assert layer.n == 3
    message = (
        r"^option 'n' got 3, expected at least 4: the number of levels and one more, the blank$"
    )
    with pytest.raises(GraphError, match=message):
        Output(error="CTC", n=3).bind(Target("nominal", 3, 5))
