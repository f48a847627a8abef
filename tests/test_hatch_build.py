"""What is compiled when the package is built."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest

pytest.importorskip("hatchling", reason="hatchling is a development tool")
ROOT = Path(__file__).parent.parent


@pytest.fixture
def hatch_build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a source."""
    folder = tmp_path / "engine" / "loops"
    folder.mkdir(parents=True)
    (folder / "one.c").write_text("int castorch_one(void) { return 1; }\n")
    return tmp_path


def run(hatch_build: ModuleType, root: Path, target: str = "wheel") -> tuple[dict[str, Any], Mock]:
    """Return what the build hears of, and where warnings go."""
    app, data = Mock(), {"pure_python": True}
    hook = hatch_build.LoopsBuildHook(str(root), {}, {}, Mock(), str(root), target, app)
    hook.initialize("standard", data)
    return data, app.display_warning


linux = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler"
)


@linux
def test_sources_are_compiled_for_all_sets_of_instructions(
    hatch_build: ModuleType, root: Path
) -> None:
    data, warned = run(hatch_build, root)

    built = sorted(each.name for each in (root / "engine" / "loops").iterdir())
    assert built == ["one-avx2.so", "one-avx512.so", "one.c"]
    assert data == {"pure_python": False, "tag": "py3-none-linux_x86_64"}
    warned.assert_not_called()


@linux
def test_without_a_compiler_the_package_is_built_all_the_same(
    hatch_build: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier build left is no part of it."""
    (root / "engine" / "loops" / "one-avx2.so").write_bytes(b"old")
    monkeypatch.setenv("CC", str(root / "nowhere"))

    data, warned = run(hatch_build, root)

    assert [each.name for each in (root / "engine" / "loops").iterdir()] == ["one.c"]
    assert data == {"pure_python": True}
    assert "one-avx512.so is left out: " in warned.call_args_list[0].args[0]


@linux
def test_what_the_compiler_says_is_told(hatch_build: ModuleType, root: Path) -> None:
    (root / "engine" / "loops" / "one.c").write_text("this is not C\n")

    _, warned = run(hatch_build, root)

    assert "one.c:1:" in warned.call_args.args[0]


def test_source_distributions_and_other_platforms_have_nothing_compiled(
    hatch_build: ModuleType, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(hatch_build, root, "sdist")[0] == {"pure_python": True}
    monkeypatch.setattr(hatch_build.sysconfig, "get_platform", lambda: "macosx-14.0-arm64")
    assert run(hatch_build, root)[0] == {"pure_python": True}
    assert [each.name for each in (root / "engine" / "loops").iterdir()] == ["one.c"]
