"""The layer type that CONTRIBUTING.md adds is one that works."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from engine.compile.lower import compile_graph
from engine.graph.infer import account, bind
from engine.graph.spec import Graph
from engine.layers.base import LAYERS, BuildOptions, Layer, Target
from engine.layers.input import Input
from engine.layers.output import Output

PAGE = Path(__file__).resolve().parents[2] / "CONTRIBUTING.md"


@pytest.fixture
def gain() -> Iterator[type[Layer]]:
    """The class of the worked example; it leaves the registry again."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    exec(compile(dedent(found[1]), str(PAGE), "exec"), {"__name__": "example"})  # noqa: S102
    yield LAYERS["gain"]
    del LAYERS["gain"]


def test_the_worked_example_is_declared_inferred_and_run(gain: type[Layer]) -> None:
    layer = gain.model_validate({"factor": 3.0})
    graph = (
        Graph("net")
        .add("data", Input(features=2))
        .add("gain", layer, ["data"])
        .add("out", Output(), ["gain"])
    )
    bound = bind(graph, {}, {"out": Target("nominal", 2)})
    generator = torch.Generator().manual_seed(1)
    model = compile_graph(bound, BuildOptions(), generator=generator, outputs=["gain"])

    result = model({"data": torch.tensor([[1.0, -2.0]])})["gain"]

    assert result.tolist() == [[3.0, -6.0]]
    costs = account(bound)[1]
    assert (costs.type, costs.shape, costs.weights, costs.biases) == ("gain", (2,), 0, 0)


def test_the_number_of_the_example_is_free(gain: type[Layer]) -> None:
    assert [layer.code for layer in LAYERS.values()].count(gain.code) == 1
