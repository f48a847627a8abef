import ast
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "generate_wire.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    found = importlib.util.spec_from_file_location("generate_wire", SCRIPT)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def entry(kind: str, title: str, **options: Any) -> dict[str, Any]:
    required = [name for name, schema in options.items() if schema.pop("needed", False)]
    schema = {"title": title, "description": "Do it.", "properties": options, "required": required}
    return {"type": kind, "options": schema}


@pytest.mark.parametrize(
    ("schema", "annotation"),
    [
        ({"type": "integer"}, "int"),
        ({"type": ["number", "null"]}, "float"),
        ({"type": "array", "items": {"type": "string"}}, "Sequence[str]"),
        ({"type": "array"}, "Sequence[Any]"),
        ({"type": "string", "enum": ["A", "B"]}, 'Literal["A", "B"]'),
        (
            {"enum": ["A", None], "x-synonyms": {"C": "A"}},
            'Literal["A", "C"]',
        ),
        ({"const": "A"}, 'Literal["A"]'),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "int"),
        (
            {"anyOf": [{"enum": ["A"]}, {"const": "B"}, {"type": "number"}]},
            'Literal["A", "B"] | float',
        ),
        ({"type": "object"}, "Mapping[str, Any]"),
        ({}, "Any"),
    ],
)
def test_a_schema_becomes_a_type(
    script: ModuleType, schema: dict[str, Any], annotation: str
) -> None:
    assert script.python_type(schema) == annotation


@pytest.mark.parametrize(
    ("kind", "title", "name"),
    [
        ("batchnorm", "BatchNormalization", "BatchNorm"),
        ("convo", "Convolution", "Convo"),
        ("fc", "FullyConnected", "Fc"),
        ("residual", "Residual", "Residual"),
        ("concat", "Sum", "Concat"),
        ("mhattention", "MultiHeadAttention", "Mhattention"),
    ],
)
def test_a_class_has_capitals_where_the_words_of_its_title_begin(
    script: ModuleType, kind: str, title: str, name: str
) -> None:
    assert script.class_name(kind, title) == name


def test_what_is_required_comes_first_and_the_rest_is_left_to_the_server(
    script: ModuleType,
) -> None:
    source = script.render(
        [
            entry(
                "fc",
                "Dense",
                dropout={"type": "number", "default": 0.0, "description": "Rate."},
                includeBias={"type": "boolean", "default": True},
                n={"type": "integer", "needed": True, "description": "Number of neurons."},
            )
        ]
    )

    assert source.endswith(
        '''
@dataclass(frozen=True, kw_only=True)
class Fc(Layer):
    """Do it.

    Attributes:
        n: Number of neurons.
        dropout: Rate (default 0.0).
        include_bias: (default true).
    """

    type: ClassVar[str] = "fc"

    n: int
    dropout: float | None = None
    include_bias: bool | None = None
'''
    )


def test_long_choices_get_a_name_shared_by_the_layers_that_mean_the_same(
    script: ModuleType,
) -> None:
    choices = [f"CHOICE_{i}" for i in range(9)]
    source = script.render(
        [
            entry("a", "A", act={"enum": choices}),
            entry("b", "B", act={"enum": choices}),
            entry("c", "C", act={"enum": choices[1:]}),
        ]
    )

    names = [node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)]
    assert names.count("ActChoice") == 3  # made once, used twice
    assert names.count("CActChoice") == 2


def test_a_layer_without_options_is_one_line_of_documentation(script: ModuleType) -> None:
    source = script.render([entry("concat", "Concat")])

    assert '"""Do it."""\n\n    type: ClassVar[str] = "concat"\n' in source


def test_a_name_python_keeps_for_itself_gets_an_underscore(script: ModuleType) -> None:
    assert script.snake("lambda") == "lambda_"
    assert script.snake("stdDev") == "std_dev"
