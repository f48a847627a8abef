import _ctypes
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn

from engine.compile.freezing import MAKING, Freezing
from engine.compile.frozen import (
    can_freeze,
    file_name,
    filled,
    freeze,
    machine,
    remove_oldest,
    thawed,
)
from engine.compile.lower import CompiledModel, compile_graph
from engine.compile.machine_code import MachineCode
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
def test_a_frozen_network_gives_the_same_numbers_in_any_thread(tmp_path: Path) -> None:
    model, path = network(outputs=("conv",)), tmp_path / "kept" / "net.so"

    freeze(model, pixels(5), 8, path).end()

    assert [each.name for each in path.parent.iterdir()] == ["net.so"]
    frozen = thawed(model, 8, path, lanes=2)
    path.unlink()  # as another process might, that makes room
    for rows in (8, 5):
        expected = model(pixels(rows))
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(frozen, [pixels(rows)] * 40):
                assert list(found) == ["out", "conv"]
                for name, values in expected.items():
                    torch.testing.assert_close(found[name], values, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_other_threads_go_on_while_a_frozen_network_computes(tmp_path: Path) -> None:
    """The call gives the interpreter's lock away: this thread counts in the meantime."""
    model, path = network(), tmp_path / "net.so"
    rows = 1 << 16
    freeze(model, pixels(rows), rows, path).end()
    frozen, values = thawed(model, rows, path, lanes=1), pixels(rows)
    sys_interval = sys.getswitchinterval()
    sys.setswitchinterval(3600.0)  # nobody is asked for the lock
    counted = 0
    try:
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(frozen, values)
            while not found.done():
                counted += 1
                time.sleep(0)
    finally:
        sys.setswitchinterval(sys_interval)
    assert counted > 100  # or none at all


def test_a_network_that_cannot_be_compiled_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def forward(self, value: torch.Tensor) -> torch.Tensor:
            return value

    with pytest.raises(Exception, match="Odd"):
        Freezing(Odd(), [torch.ones(1)], tmp_path / "kept" / "net.so")
    assert list((tmp_path / "kept").iterdir()) == []


def test_why_a_network_was_not_frozen_is_told(tmp_path: Path) -> None:
    making = Freezing(nn.Linear(2, 2), [torch.ones(1, 3)], tmp_path / "net.so")
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        making.end()
    assert making.is_over()
    assert list(tmp_path.iterdir()) == []


def test_a_network_is_frozen_once_on_a_machine(tmp_path: Path) -> None:
    given = (nn.Linear(2, 2), [torch.ones(1, 2)], tmp_path / "net.so")
    for _ in range(2):  # the first leaves nothing in the way of the second
        making = Freezing(*given)
        with pytest.raises(FileExistsError):
            Freezing(*given)
        making.process.kill()
        with pytest.raises(RuntimeError, match="exit status -9"):
            making.end()


def test_a_process_that_is_killed_is_told(tmp_path: Path) -> None:
    making = Freezing(nn.Linear(2, 2), [torch.ones(1, 2)], tmp_path / "net.so")
    assert not making.is_over()
    making.process.kill()
    with pytest.raises(RuntimeError, match="exit status -9"):
        making.end()
    assert list(tmp_path.iterdir()) == []


def test_freezing_ends_with_the_process_that_asked(tmp_path: Path) -> None:
    making = Freezing(nn.Linear(2, 2), [torch.ones(1, 2)], tmp_path / "net.so")
    assert making.process.stdin is not None
    making.process.stdin.close()  # as the kernel does
    assert making.process.wait(60) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_frozen_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.so"
    path.write_bytes(b"no library")
    with pytest.raises(OSError, match=r"net\.so"):
        MachineCode(path, 1)


def test_a_library_of_another_kind_is_refused() -> None:
    with pytest.raises(AttributeError, match="AOTInductorModelContainer"):
        MachineCode(Path(_ctypes.__file__), 1)


def test_files_are_named_after_all_that_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    names = {
        file_name(model, "w", 8),
        file_name(model, "v", 8),
        file_name(model, "w", 9),
        file_name(model, "w", 8, folds=False),
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
    for age, name in enumerate(("new.so", "old.so", "oldest.so")):
        (tmp_path / name).write_bytes(bytes(10))
        os.utime(tmp_path / name, (1000 - age, 1000 - age))

    remove_oldest(tmp_path, 20)

    assert {each.name for each in tmp_path.iterdir()} == {"new.so", "old.so"}


def test_what_a_killed_process_left_is_removed_a_day_later(tmp_path: Path) -> None:
    for name, age_s in (("fresh", 3600), ("left", 25 * 3600)):
        folder = tmp_path / f"{MAKING}{name}"
        folder.mkdir()
        (folder / "network.pt").write_bytes(b"x")
        then = time.time() - age_s
        os.utime(folder, (then, then))

    remove_oldest(tmp_path, 20)

    assert [each.name for each in tmp_path.iterdir()] == [f"{MAKING}fresh"]


def test_another_processor_is_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The compiler uses all instructions there are; elsewhere they would end the process."""
    told = tmp_path / "cpuinfo"
    monkeypatch.setattr("engine.compile.frozen._CPUINFO", told)
    names = {machine()}  # of a system that does not tell
    for line in ("flags : avx512f", "flags : avx512f amx_tile", "Features : asimd"):
        told.write_text(f"processor : 0\n{line}\nprocessor : 1\n")
        names.add(machine())
    assert len(names) == 4
    told.write_text("processor : 3\nFeatures : asimd\nMHz : 7\n")
    assert machine() in names
