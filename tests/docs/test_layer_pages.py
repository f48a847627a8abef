"""The examples of the layer pages: every one can be added and has the shape it says."""

import json
import re
from ast import literal_eval
from pathlib import Path
from typing import Any

import pytest

from actions.deeplearn.add_layer import AddLayerParams
from actions.spelling import from_wire
from engine.graph.infer import infer_shapes
from engine.graph.spec import Graph
from engine.layers.base import LAYERS

PAGES = Path(__file__).resolve().parents[2] / "docs" / "layers"
HEADING = "\n## Example\n"
BLOCK = re.compile(r"```json\n(.*?)```\n(.*?)(?=```json|\Z)", re.DOTALL)
OUTPUT = re.compile(r"\bOutput: (\([\d, ]*\))\.")

EXAMPLES = [
    pytest.param(page.stem, layers, text, id=f"{page.stem}-{number}")
    for page in sorted(PAGES.glob("*.md"))
    for number, (layers, text) in enumerate(
        BLOCK.findall(page.read_text().partition(HEADING)[2]), 1
    )
]


def built(bodies: list[dict[str, Any]]) -> Graph:
    """Return the graph of addLayer bodies, each read as the wire spells it."""
    graph = Graph("example")
    for body in bodies:
        p = from_wire(AddLayerParams, {"modelTable": "example", **body})
        graph = graph.add(p.name, p.layer, p.src_layers, shared=p.shared_weights)
    return graph


def test_every_page_belongs_to_a_layer_type_and_has_an_example() -> None:
    pages = {page.stem for page in PAGES.glob("*.md")} - {"index"}

    assert pages <= set(LAYERS)
    assert pages == {str(example.values[0]) for example in EXAMPLES}


@pytest.mark.parametrize(("page", "layers", "text"), EXAMPLES)
def test_the_example_can_be_added_and_has_the_output_it_says(
    page: str, layers: str, text: str
) -> None:
    graph = built(json.loads(layers))

    said = OUTPUT.findall(text)
    assert len(said) == 1
    assert infer_shapes(graph)[graph.nodes[-1].name] == literal_eval(said[0])
    assert page in {node.layer.type for node in graph.nodes}


@pytest.mark.parametrize(("page", "layers", "text"), EXAMPLES)
def test_the_example_names_types_as_the_page_does(page: str, layers: str, text: str) -> None:
    assert text.strip()
    assert all(body["layer"]["type"] in LAYERS for body in json.loads(layers)), page
