import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pydantic_core import _pydantic_core

import engine.loops.convolution as convolution
import engine.loops.library as loops
import engine.loops.pooled as pooled
from engine.loops.library import BUILT_FOR, library


@pytest.fixture(autouse=True)
def able(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Let the processor have AVX2 and nothing be built; give the folder."""
    monkeypatch.setattr(loops, "FOLDER", tmp_path)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    library.cache_clear()
    yield tmp_path
    library.cache_clear()


def test_loops_that_were_not_built_are_done_without(
    able: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (able / "convolution3-avx512.so").write_bytes(b"")
    assert library("convolution3") is None
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    library.cache_clear()
    assert library("convolution3") is None


def test_a_file_that_is_no_library_is_told_and_done_without(
    able: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (able / "convolution3-avx2.so").write_bytes(b"no library")

    assert library("convolution3") is None

    assert caplog.messages[0].startswith("convolution3-avx2.so is not used: ")


HANDED = {
    "convolution3": convolution.HANDED,
    "convolution5": convolution.HANDED,
    "pooled": pooled.HANDED,
}


def built(name: str, built_for: str, able: Path) -> None:
    """Put a library of the package there, as one for this processor."""
    path = Path(str(loops.__file__)).parent / f"{name}-{built_for}.so"
    if not path.exists():
        pytest.skip("no compiler was there when the package was installed")
    (able / f"{name}-avx2.so").symlink_to(path)


@pytest.mark.parametrize("built_for", BUILT_FOR.values())
@pytest.mark.parametrize(("name", "handed"), HANDED.items())
def test_libraries_that_were_built_can_be_loaded(
    name: str, handed: tuple[type[ctypes.Structure], ...], built_for: str, able: Path
) -> None:
    built(name, built_for, able)

    found = library(name, *handed)

    assert found is not None
    assert found.castorch_lanes() in (8, 16)


def test_a_library_of_other_sources_is_told_and_done_without(
    able: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As after an update without an installation."""
    built("pooled", "avx2", able)

    class More(ctypes.Structure):
        _fields_ = (("more", ctypes.c_int64),)

    assert library("pooled", *pooled.HANDED, More) is None

    size = sum(map(ctypes.sizeof, pooled.HANDED))
    told = f"it is handed {size} bytes, expected {size + 8}; install the package again"
    assert caplog.messages == [f"pooled-avx2.so is not used: {told}"]


def test_a_library_of_something_else_is_told_and_done_without(
    able: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (able / "pooled-avx2.so").symlink_to(_pydantic_core.__file__)
    assert library("pooled", *pooled.HANDED) is None
    assert "castorch_handed_bytes" in caplog.text
