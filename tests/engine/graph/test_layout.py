import pytest

from engine.errors import GraphError
from engine.graph.layout import layout
from engine.layers.base import BuildOptions
from tests.engine.classics import small, vgg16


def test_statistics_lie_at_the_end_of_the_table() -> None:
    # B11; small: conv 1 -> 2 of 3x3 without bias, norm of 2 maps, out 2*4*4 -> 3
    specs = layout(small(), BuildOptions())

    assert [
        (spec.layer_id, spec.part, spec.name, spec.shape, spec.first_row, spec.first_weight_id)
        for spec in specs
    ] == [
        (1, "weights", "weight", (2, 1, 3, 3), 0, 0),
        (2, "biases", "affine", (2, 2), 18, 0),
        (3, "weights", "weight", (32, 3), 22, 0),
        (3, "biases", "bias", (3,), 118, 96),
        (2, "statistics", "statistics", (2, 2), 121, 4),
    ]


def test_vgg16_has_as_many_rows_as_parameters() -> None:
    # F42
    last = layout(vgg16(), BuildOptions())[-1]

    assert last.first_row + last.size == 138_357_544


def test_an_unbound_graph_has_no_layout() -> None:
    graph = vgg16().remove("fc8")
    output = vgg16().node("fc8").layer.model_copy(update={"n": None})
    with pytest.raises(GraphError, match=r"^layer 'fc8' \(output\) has no shape yet, expected a "):
        layout(graph.add("fc8", output, ["fc7"]), BuildOptions())
