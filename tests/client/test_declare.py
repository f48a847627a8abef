import json
from pathlib import Path
from typing import Any

import pytest

from castorch import InvalidInput
from castorch._declare import read_declaration

DATA = {"name": "data", "layer": {"type": "input"}}
FC = {"name": "fc1", "layer": {"type": "fc", "n": 10}}
OUT = {"name": "out", "layer": {"type": "output"}}

YAML = """
model: net
layers:
  - name: data
    layer: {type: input, nChannels: 1, width: 8, height: 8}
  - {name: fc1, type: fc, n: 10, include_bias: false}
  - name: out
    layer: {type: output}
    srcLayers: fc1
"""


def sources(*layers: dict[str, Any]) -> list[list[str] | None]:
    declared = read_declaration({"model": "net", "layers": list(layers)})
    return [layer.get("srcLayers") for layer in declared["layers"]]


def test_a_layer_takes_the_one_before_it() -> None:
    assert sources(DATA, FC, OUT) == [None, ["data"], ["fc1"]]


def test_sources_that_are_said_are_kept_in_order() -> None:
    joined = {"name": "sum", "layer": {"type": "residual"}, "srcLayers": ["fc1", "data"]}

    assert sources(DATA, FC, joined, {**OUT, "src_layers": "sum"}) == [
        None,
        ["data"],
        ["fc1", "data"],
        ["sum"],
    ]


def test_a_second_input_takes_nothing() -> None:
    assert sources(DATA, {"name": "more", "layer": {"type": "INPUT"}}) == [None, None]


def test_options_may_stand_beside_the_name() -> None:
    declared = read_declaration(
        {"model": "net", "layers": [{"name": "fc1", "type": "fc", "n": 10, "include_bias": False}]}
    )

    assert declared["layers"][0]["layer"] == {"type": "fc", "n": 10, "includeBias": False}


def test_the_family_is_a_cnn_unless_said() -> None:
    assert read_declaration({"model": "net", "layers": [DATA]})["type"] == "CNN"
    assert read_declaration({"model": "n", "type": "DNN", "layers": [DATA]})["type"] == "DNN"


@pytest.mark.parametrize("ending", [".yaml", ".yml"])
def test_a_yaml_file_is_read(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"net{ending}"
    path.write_text(YAML)

    declared = read_declaration(path, name="other")

    assert declared["model"] == "other"
    assert [layer["name"] for layer in declared["layers"]] == ["data", "fc1", "out"]
    assert declared["layers"][1] == {
        "name": "fc1",
        "layer": {"type": "fc", "n": 10, "includeBias": False},
        "srcLayers": ["data"],
    }
    assert declared["layers"][2]["srcLayers"] == ["fc1"]


def test_a_json_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text(json.dumps({"model": "net", "layers": [DATA]}))

    assert read_declaration(str(path))["model"] == "net"


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ({"layers": [DATA]}, "the declaration got no 'model', expected the model's name"),
        ({"model": "net"}, "the declaration got no 'layers', expected a list of layers"),
        (
            {"model": "net", "layer": []},
            "the declaration got the unknown key 'layer', expected only layers, model, type",
        ),
        (
            {"model": "net", "layers": [DATA, {"layer": {}}]},
            "layers[1] got no 'name', expected an object with the layer's name",
        ),
        (
            {"model": "net", "layers": [{"name": "fc1"}]},
            (
                "layers[0] ('fc1') got no layer type, "
                "expected an object with 'type' and options under 'layer'"
            ),
        ),
        (
            {"model": "net", "layers": [{**FC, "sources": ["data"]}]},
            (
                "layers[0] ('fc1') got the unknown key 'sources', "
                "expected only layer, name, sharedWeights, srcLayers"
            ),
        ),
    ],
)
def test_a_declaration_of_another_form_is_refused(
    declaration: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_declaration(declaration)

    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "the declaration 'a.json' is not JSON: "),
        ("a.yaml", "a: [", "the declaration 'a.yaml' is not YAML: "),
        (
            "a.yaml",
            "- 1",
            "the declaration 'a.yaml' got a list, expected an object with 'model' and 'layers'",
        ),
    ],
)
def test_a_file_that_holds_no_declaration_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text)

    with pytest.raises(InvalidInput) as caught:
        read_declaration(name)

    assert str(caught.value).startswith(message)


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(
        InvalidInput, match=r"^the declaration 'nowhere.yaml' cannot be read: .*No such file"
    ):
        read_declaration("nowhere.yaml")
