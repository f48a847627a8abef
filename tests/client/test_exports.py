import ast
import pickle
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import castorch

PACKAGE = Path(castorch.__file__).parent
HEAVY = ("torch", "numpy", "pandas", "pyarrow", "rich", "yaml", "PIL")


def public_names(path: Path) -> set[str]:
    """Return the names a module imports from castorch, read without running it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("castorch")
        for alias in node.names
    }


def test_everything_the_package_imports_is_exported_and_sorted() -> None:
    defined = {"connect"}

    assert set(castorch.__all__) == public_names(PACKAGE / "__init__.py") | defined
    assert castorch.__all__ == sorted(castorch.__all__)


def test_every_exported_name_is_there() -> None:
    for name in castorch.__all__:
        assert hasattr(castorch, name), name


def test_every_error_class_is_exported() -> None:
    errors = PACKAGE / "_errors.py"
    classes = {
        node.name
        for node in ast.parse(errors.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    }

    assert classes <= set(castorch.__all__)


def test_importing_the_sdk_loads_no_heavy_package() -> None:
    # which is what keeps the import under half a second; torch alone takes three
    program = f"import sys, castorch; print([name for name in {HEAVY} if name in sys.modules])"

    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_only_the_transport_imports_the_http_library() -> None:
    importers = []
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            guarded = path.name == "_client.py"  # only for its annotation, never at run time
            if "httpx" in names and not guarded:
                importers.append(path.name)

    assert importers == ["_transport.py"]


def test_the_annotation_of_the_transport_is_not_imported_at_run_time() -> None:
    source = (PACKAGE / "_client.py").read_text(encoding="utf-8")

    assert "if TYPE_CHECKING:\n    import httpx\n" in source


def test_the_package_is_marked_as_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_results_can_be_pickled() -> None:
    table = castorch.ResultTable(("a",), ((1,),))

    assert pickle.loads(pickle.dumps(table)) == table  # noqa: S301 - our own bytes


def test_the_version_is_that_of_the_distribution() -> None:
    assert castorch.__version__ == version("castorch")
