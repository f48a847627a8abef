from pathlib import Path

import pytest
import torch

import engine.loops.library as loops
from engine.loops.library import BUILT_FOR, library


@pytest.fixture(autouse=True)
def able(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Let the processor have AVX2 and nothing be built; return the folder."""
    monkeypatch.setattr(loops, "FOLDER", tmp_path)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    library.cache_clear()
    return tmp_path


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


@pytest.mark.parametrize("built_for", BUILT_FOR.values())
@pytest.mark.parametrize("name", ["convolution3", "convolution5", "pooled"])
def test_libraries_that_were_built_can_be_loaded(name: str, built_for: str, able: Path) -> None:
    built = Path(str(loops.__file__)).parent / f"{name}-{built_for}.so"
    if not built.exists():
        pytest.skip("no compiler was there when the package was installed")
    (able / f"{name}-avx2.so").symlink_to(built)

    found = library(name)

    assert found is not None
    assert found.castorch_lanes() in (8, 16)
