import os
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.memory import data_bytes, free_bytes, held_bytes, machine_bytes

MEBIBYTE = 1 << 20
CPU = torch.device("cpu")


def test_memory_that_is_used_is_held() -> None:
    before = held_bytes(), data_bytes()
    block = np.ones(8 * MEBIBYTE)  # 64 MB
    after = held_bytes(), data_bytes()

    assert block.nbytes == 64 * MEBIBYTE
    for earlier, later in zip(before, after, strict=True):
        assert 40 * MEBIBYTE < later - earlier < 90 * MEBIBYTE


def test_pages_of_files_are_not_held(tmp_path: Path) -> None:
    file = tmp_path / "numbers"
    np.ones(8 * MEBIBYTE).tofile(file)
    before = held_bytes()

    mapped = np.memmap(file, mode="r")

    assert mapped.sum() > 0
    assert held_bytes() - before < 16 * MEBIBYTE


def test_the_machine_has_more_than_is_held() -> None:
    assert (
        held_bytes() < machine_bytes() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    )


def test_a_limit_is_free_but_for_what_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.memory.held_bytes", lambda: 300 * MEBIBYTE)
    monkeypatch.setattr("engine.memory.machine_bytes", lambda: 1000 * MEBIBYTE)

    assert free_bytes(CPU, 512 * MEBIBYTE) == 212 * MEBIBYTE
    assert free_bytes(CPU, None) == free_bytes(CPU, 2000 * MEBIBYTE) == 700 * MEBIBYTE
    assert free_bytes(CPU, 200 * MEBIBYTE) == 0


def test_a_graphics_processor_says_itself_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7 * MEBIBYTE, device))

    assert free_bytes(torch.device("cuda:0"), 1) == 7 * MEBIBYTE


@pytest.mark.parametrize(("text", "limits"), [("max", []), ("1048576", [MEBIBYTE])])
def test_the_limit_of_a_container_counts(
    text: str, limits: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = tmp_path / "memory.max"
    group.write_text(text + "\n")
    monkeypatch.setattr("engine.memory._GROUP", tmp_path / "none")
    machine = machine_bytes()
    monkeypatch.setattr("engine.memory._GROUP", group)

    assert machine_bytes() == min([machine, *limits])


def test_systems_without_these_numbers_hold_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "other")

    assert (held_bytes(), data_bytes()) == (0, 0)
