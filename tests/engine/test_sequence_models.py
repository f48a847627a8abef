"""The parameter counts that notebooks print, and how ours differ where they do."""

import pytest

from engine.graph.infer import account
from engine.graph.spec import Graph
from tests.engine import sequence_models as models


def counts(graph: Graph) -> tuple[int, int, int]:
    """Return weights, biases, and the rows of the weight table."""
    layers = account(graph)
    weights, biases, statistics = (
        sum(getattr(layer, part) or 0 for layer in layers)
        for part in ("weights", "biases", "statistics")
    )
    return weights, biases, weights + biases + statistics


def second_biases(graph: Graph) -> int:
    """Return the g n biases of every recurrent layer, which cuDNN keeps twice."""
    return sum(layer.biases or 0 for layer in account(graph) if layer.type == "recurrent")


@pytest.mark.parametrize(
    ("graph", "weights", "biases", "rows"),
    [
        (models.yelp(), 173_696, 962, 174_658),
        (models.text_classification(), 10_260, 183, 10_443),
        (models.speech(2, 12), 1_890, 102, 1_992),
        (models.speech(40, 24), 5_670, 114, 5_784),
        (models.multitask(), 81_967_808, 786, 81_968_594 + 2 * 128),
        (models.bert(), 86_724_864, 103_682, 86_828_546),
    ],
    ids=["yelp", "text", "speech 2", "speech 40", "multitask", "bert"],
)
def test_counts_are_those_printed(graph: Graph, weights: int, biases: int, rows: int) -> None:
    # table 2.5
    assert counts(graph) == (weights, biases, rows)


@pytest.mark.parametrize(
    ("sizes", "weights", "single"), [((50, 50), 117_334, 627), ((100,), 191_484, 627)]
)
def test_runs_on_a_gpu_print_a_second_set_of_recurrent_biases(
    sizes: tuple[int, ...], weights: int, single: int
) -> None:
    # table 2.5, printed on a GPU: 118,361 and 192,511 parameters, 118,585 and 192,735 rows; of
    # their 1,027 biases 4 * 100 are cuDNN's second bias of the LSTM layers, which we do not keep
    graph = models.audio(*sizes)

    assert counts(graph) == (weights, single, weights + single + 2 * 112)
    assert second_biases(graph) == 4 * 100
    printed = {(50, 50): (118_361, 118_585), (100,): (192_511, 192_735)}[sizes]
    assert weights + single + second_biases(graph) == printed[0]
    assert counts(graph)[2] + second_biases(graph) == printed[1]
