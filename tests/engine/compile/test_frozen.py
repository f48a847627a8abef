import os
from pathlib import Path

import pytest
import torch

from engine.compile.frozen import (
    can_freeze,
    file_name,
    filled,
    freeze,
    remove_oldest,
    thawed,
)
from engine.compile.lower import CompiledModel, compile_graph
from engine.devices import seeded
from engine.graph.infer import bind
from engine.graph.spec import Graph
from engine.layers.activations import ActivationName
from engine.layers.base import BuildOptions, Target
from engine.layers.convolution import Convolution
from engine.layers.input import Input
from engine.layers.output import Output
from tests.engine.sequence_models import recurrent


def network(outputs: tuple[str, ...] = (), act: ActivationName = "AUTO") -> CompiledModel:
    graph = (
        Graph("net")
        .add("data", Input(n_channels=2, width=5, height=5, scale=1 / 255))
        .add("conv", Convolution(n_filters=3, act=act), ["data"])
        .add("out", Output(), ["conv"])
    )
    bound = bind(graph, {}, {"out": Target("nominal", 3)})
    model = compile_graph(bound, BuildOptions(), generator=seeded(1), outputs=outputs)
    model.eval()
    return model


def pixels(rows: int) -> dict[str, torch.Tensor]:
    drawn = torch.randint(0, 256, (rows, 2, 5, 5), generator=seeded(2), dtype=torch.uint8)
    return {"data": drawn}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own, inside
def test_a_frozen_network_gives_the_same_numbers_also_from_its_file(tmp_path: Path) -> None:
    model, path = network(outputs=("conv",)), tmp_path / "kept" / "net.pt2"

    frozen = freeze(model, pixels(5), 8, path)
    again = thawed(model, 8, path)

    assert [each.name for each in path.parent.iterdir()] == ["net.pt2"]
    for rows in (8, 5):
        expected = model(pixels(rows))
        for form in (frozen, again):
            found = form(pixels(rows))
            assert list(found) == ["out", "conv"]
            for name, values in expected.items():
                torch.testing.assert_close(found[name], values, atol=1e-5, rtol=1e-5)


def test_files_are_named_after_all_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    names = {
        file_name(model, "w", 8),
        file_name(model, "v", 8),
        file_name(model, "w", 9),
        file_name(model, "w", 8, (True, False)),
        file_name(network(outputs=("conv",)), "w", 8),
        file_name(network(act="TANH"), "w", 8),
    }
    assert file_name(network(), "w", 8) in names
    monkeypatch.setattr("engine.compile.frozen.machine", lambda: "another")
    assert len(names) == 6
    assert len(names | {file_name(model, "w", 8)}) == 7


def test_sequences_are_not_frozen() -> None:
    graph = (
        Graph("net", "RNN")
        .add("data", Input())
        .add("read", recurrent(2, output_type="ENCODING"), ["data"])
        .add("out", Output(), ["read"])
    )
    bound = bind(graph, {"data": (4, 1)}, {"out": Target("nominal", 2)})
    assert not can_freeze(compile_graph(bound, BuildOptions(), generator=seeded(1)))
    assert can_freeze(network())


def test_missing_rows_are_filled_with_zeros() -> None:
    assert filled(torch.ones(2, 3), 4).tolist() == [[1.0] * 3] * 2 + [[0.0] * 3] * 2
    whole = torch.ones(2, 3)
    assert filled(whole, 2) is whole


def test_the_files_used_longest_ago_are_removed(tmp_path: Path) -> None:
    for age, name in enumerate(("new.pt2", "old.pt2", "oldest.pt2", "other.txt")):
        (tmp_path / name).write_bytes(bytes(10))
        os.utime(tmp_path / name, (1000 - age, 1000 - age))

    remove_oldest(tmp_path, 20)

    assert {each.name for each in tmp_path.iterdir()} == {"new.pt2", "old.pt2", "other.txt"}
