from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import nn

import engine.layers
from engine.layers.base import (
    LAYERS,
    Aliases,
    BuildOptions,
    Layer,
    Negated,
    Synonyms,
    TaskLayer,
    TensorSpec,
    layer_type,
)
from engine.shapes import Shape

NOT_FAMILIES = {
    "__init__",
    "base",
    "activated",
    "activations",
    "filters",
    "initializers",
    "weighted",
    "windows",
}


class Bare(Layer):
    type: Literal["bare"] = "bare"

    def infer(self, sources: Sequence[Shape], options: BuildOptions) -> Shape | None:
        del options
        return sources[0]

    def build(self, sources: Sequence[Shape], options: BuildOptions) -> nn.Module:
        del sources, options
        return nn.Identity()


def test_every_family_file_is_imported_by_the_package() -> None:
    files = {file.stem for file in Path(engine.layers.__path__[0]).glob("*.py")} - NOT_FAMILIES
    registered = {layer.__module__.rpartition(".")[2] for layer in LAYERS.values()}

    assert files == registered == set(engine.layers.__all__) - {"LAYERS"}
    for name in files:
        assert getattr(engine.layers, name) is import_module(f"engine.layers.{name}")


def test_the_layer_types_are_these() -> None:
    assert {name: layer.code for name, layer in LAYERS.items()} == {
        "input": 1,
        "convo": 2,
        "pool": 3,
        "closs": 22,
        "cluster": 26,
        "detection": 11,
        "fastrcnn": 25,
        "keypoints": 13,
        "regionproposal": 23,
        "roipooling": 24,
        "segmentation": 19,
        "survival": 27,
        "fc": 4,
        "output": 5,
        "recurrent": 6,
        "projection": 7,
        "batchnorm": 8,
        "residual": 9,
        "concat": 10,
        "scale": 12,
        "reshape": 14,
        "transconvo": 16,
        "groupconvo": 17,
        "channelshuffle": 18,
        "layernorm": 28,
        "mhattention": 29,
        "fcmp": 15,
        "split": 33,
        "localconvo": 101,
    }


def test_every_option_of_every_layer_is_described() -> None:
    hidden = {"type"}
    for layer in LAYERS.values():
        silent = {name for name, field in layer.model_fields.items() if not field.description}
        assert silent <= hidden


@pytest.mark.parametrize(("name", "aliases"), [("convo", ()), ("other", ("pooling",))])
def test_a_name_taken_twice_is_refused(name: str, aliases: tuple[str, ...]) -> None:
    taken = name if name == "convo" else "pooling"
    kind: type[Layer] = type("Kind", (Bare,), {"aliases": aliases})
    kind.model_fields["type"].default = name

    with pytest.raises(ValueError, match=f"^layer type '{taken}' is registered twice$"):
        layer_type(kind)


def test_a_layer_owns_and_costs_nothing_unless_it_says_so() -> None:
    layer = Bare()
    module = layer.build([(3,)], BuildOptions())

    layer.initialize(module, [(3,)], torch.Generator())

    assert layer.tensors([(3,)], BuildOptions()) == ()
    assert layer.multiply_adds([(3,)], BuildOptions()) == 0
    assert layer.infer_open() is None
    assert layer.destinations is None


def test_the_size_of_a_tensor_is_the_product_of_its_axes() -> None:
    assert TensorSpec("weights", "weight", (2, 3, 4)).size == 24


def test_spelling_metadata_holds_its_names() -> None:
    assert Aliases("a", "b").names == ("a", "b")
    assert Negated("noBias").names == ("noBias",)
    assert dict(Synonyms({"RELU": "RECTIFIER"}).values) == {"RELU": "RECTIFIER"}


def test_a_layer_type_must_bring_its_own_rules() -> None:
    assert Layer.__abstractmethods__ == {"infer", "build"}
    assert TaskLayer.__abstractmethods__ == {"infer", "build", "bind", "task"}
    with pytest.raises(TypeError, match="abstract"):
        TaskLayer(type="task")  # type: ignore[abstract]
