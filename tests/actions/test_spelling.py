import math
import re
from typing import Annotated, Literal

import jsonschema
import pytest
from pydantic import BaseModel, Field, model_validator

from actions.errors import InvalidParameters
from actions.params import ActionParams, LayerName, OutTable, TableRef
from actions.results import Json
from actions.spelling import from_wire, json_schema, to_wire
from engine.errors import NotSupportedError
from engine.layers.base import Aliases, Negated, Synonyms


class Plain(BaseModel):
    """Plain descent."""

    method: Literal["PLAIN"] = "PLAIN"
    learning_rate: float = 0.001


class Heavy(BaseModel):
    """Descent with a memory."""

    method: Literal["HEAVY"] = "HEAVY"
    learning_rate: float = 0.001
    momentum: float = Field(default=0.9, ge=0, lt=1)


class Everything(ActionParams):
    """One field of every kind.

    The rest of the text is left out.
    """

    later = dict.fromkeys(("dataSpecs",), "one table is enough")

    model_table: Annotated[TableRef, Aliases("model")]
    """The model."""
    cas_out: OutTable | None = None
    n_filters: Annotated[int, Field(gt=0), Aliases("filters")] = 1
    """Number of maps."""
    act: Annotated[Literal["AUTO", "RECTIFIER", "TANH"], Synonyms({"RELU": "RECTIFIER"})] = "AUTO"
    include_bias: Annotated[bool, Negated("noBias")] = True
    src_layers: tuple[LayerName, ...] = ()
    offsets: tuple[float, ...] = ()
    pair: tuple[int, int] | None = None
    extra: dict[str, float] = Field(default_factory=dict)
    algorithm: Annotated[Plain | Heavy, Field(discriminator="method")] = Plain()
    gpu: bool | int | OutTable | None = None
    order: Literal["UP", "DOWN"] | int = "UP"
    step: int | None = None

    @model_validator(mode="after")
    def _step_excludes_offsets(self) -> "Everything":
        if self.step is not None and self.offsets:
            raise ValueError("step excludes offsets")
        return self


def read(**raw: Json) -> Everything:
    return from_wire(Everything, {"modelTable": "m", **raw}, place="test.everything")


def refusal(**raw: Json) -> str:
    with pytest.raises(InvalidParameters) as caught:
        read(**raw)
    return caught.value.message


@pytest.mark.parametrize("key", ["nFilters", "NFILTERS", "n_filters", "nfilters", "Filters"])
def test_case_underscores_and_aliases_of_a_name_do_not_matter(key: str) -> None:
    assert read(**{key: 3}).n_filters == 3


def test_an_alias_reaches_its_parameter() -> None:
    assert from_wire(Everything, {"MODEL": "m"}).model_table.name == "m"


def test_a_negated_alias_turns_the_value_around() -> None:
    assert read(noBias=True).include_bias is False
    assert read(nobias=0).include_bias is True
    assert read(includeBias=False).include_bias is False


def test_a_string_stands_for_a_table() -> None:
    assert read(casOut="scored").cas_out == OutTable(name="scored")


def test_a_string_stands_for_a_list_of_one() -> None:
    assert read(srcLayers="a").src_layers == ("a",)
    assert read(srcLayers=["a", "b"]).src_layers == ("a", "b")


def test_a_number_stands_for_a_list_of_one() -> None:
    assert read(offsets=1).offsets == (1.0,)


def test_null_is_the_same_as_left_out() -> None:
    assert read(nFilters=None, casOut=None) == read()


@pytest.mark.parametrize("value", ["RECTIFIER", "rectifier", "relu", "ReLU"])
def test_choices_ignore_case_and_know_their_synonyms(value: str) -> None:
    assert read(act=value).act == "RECTIFIER"


def test_a_nested_object_is_read_in_the_same_spelling() -> None:
    assert read(CASOUT={"NAME": "t", "Replace": True}).cas_out == OutTable(name="t", replace=True)


def test_the_tag_of_a_union_chooses_its_class() -> None:
    assert read(algorithm={"Method": "heavy", "MOMENTUM": 0.5}).algorithm == Heavy(momentum=0.5)


def test_a_union_without_its_tag_is_its_default() -> None:
    assert read(algorithm={"learningRate": 0.5}).algorithm == Plain(learning_rate=0.5)


def test_a_string_stands_for_the_tag_of_a_union() -> None:
    assert read(algorithm="HEAVY").algorithm == Heavy()


@pytest.mark.parametrize(
    ("value", "expected"), [(True, True), (2, 2), ({"name": "g"}, OutTable(name="g"))]
)
def test_a_union_is_read_as_what_the_value_looks_like(value: Json, expected: object) -> None:
    assert read(gpu=value).gpu == expected


def test_a_choice_inside_a_union_ignores_case() -> None:
    assert read(order="down").order == "DOWN"
    assert read(order=3).order == 3


def test_tuples_and_mappings_are_read_item_by_item() -> None:
    assert read(pair=[1, 2]).pair == (1, 2)
    assert read(extra={"A_b": 1}).extra == {"A_b": 1.0}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"nFilter": 1},
            (
                "parameter 'nFilter' is unknown, expected one of modelTable, casOut, nFilters, "
                "act, includeBias, srcLayers, offsets, pair, extra, algorithm, gpu, order, step; "
                "did you mean 'nFilters'?"
            ),
        ),
        (
            {"zzzz": 1},
            (
                "parameter 'zzzz' is unknown, expected one of modelTable, casOut, nFilters, act, "
                "includeBias, srcLayers, offsets, pair, extra, algorithm, gpu, order, step"
            ),
        ),
        (
            {"nFilters": 1, "n_filters": 2},
            "parameters 'nFilters' and 'n_filters' are the same one, expected it once",
        ),
        ({"nFilters": 0}, "parameter 'nFilters' got 0, expected greater than 0"),
        ({"nFilters": True}, "parameter 'nFilters' got True, expected a number"),
        (
            {"nFilters": "many"},
            (
                "parameter 'nFilters' got 'many', expected a valid integer, unable to parse string "
                "as an integer"
            ),
        ),
        ({"offsets": [1, math.inf]}, "parameter 'offsets[1]' got inf, expected a finite number"),
        ({"offsets": math.nan}, "parameter 'offsets' got nan, expected a finite number"),
        (
            {"act": "RECT"},
            (
                "parameter 'act' got 'RECT', expected one of AUTO, RECTIFIER, TANH; "
                "did you mean 'RECTIFIER'?"
            ),
        ),
        ({"act": 3}, "parameter 'act' got 3, expected one of AUTO, RECTIFIER, TANH"),
        (
            {"casOut": 5},
            "parameter 'casOut' got 5, expected a string or an object with 'name'",
        ),
        ({"casOut": {}}, "parameter 'casOut.name' is required"),
        (
            {"casOut": {"name": "a", "replce": 1}},
            (
                "parameter 'casOut.replce' is unknown, expected one of name, caslib, replace, "
                "promote, label; did you mean 'replace'?"
            ),
        ),
        ({"casOut": " "}, "parameter 'casOut.name' got ' ': a name must not be blank"),
        (
            {"srcLayers": ["a", "b\n"]},
            "parameter 'srcLayers[1]' got 'b\\n': a name must not hold control characters",
        ),
        ({"pair": [1]}, "parameter 'pair' got [1], expected a list of 2"),
        ({"extra": 3}, "parameter 'extra' got 3, expected an object"),
        (
            {"algorithm": {"method": "hevy"}},
            (
                "parameter 'algorithm.method' got 'hevy', expected one of PLAIN, HEAVY; "
                "did you mean 'HEAVY'?"
            ),
        ),
        ({"algorithm": 3}, "parameter 'algorithm' got 3, expected an object with 'method'"),
        (
            {"algorithm": {"method": "HEAVY", "momentum": 1}},
            "parameter 'algorithm.momentum' got 1, expected less than 1",
        ),
        (
            {"algorithm": {"method": "HEAVY", "METHOD": "PLAIN"}},
            "parameter 'algorithm.method' got ['HEAVY', 'PLAIN'], expected one value",
        ),
        ({"step": 1, "offsets": [1]}, "the parameters: step excludes offsets"),
        (
            {"nFilters": "x" * 200},
            (
                f"parameter 'nFilters' got '{'x' * 76}..., expected a valid integer, unable to "
                "parse string as an integer"
            ),
        ),
    ],
)
def test_a_bad_parameter_is_named_with_what_was_got_and_expected(
    raw: dict[str, Json], message: str
) -> None:
    assert refusal(**raw) == message


def test_further_failures_stand_in_the_details() -> None:
    with pytest.raises(InvalidParameters) as caught:
        from_wire(Everything, {"nFilters": 0})

    assert caught.value.message == "parameter 'modelTable' is required"
    assert caught.value.details["others"] == ["parameter 'nFilters' got 0, expected greater than 0"]


def test_details_carry_the_path_and_the_nearest_names() -> None:
    with pytest.raises(InvalidParameters) as caught:
        read(casOut={"nam": "x"})

    assert caught.value.details["parameter"] == "casOut.nam"
    assert caught.value.details["nearest"] == ["name"]


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidParameters, match=r"^the parameters got \[1\], expected an object$"):
        from_wire(Everything, [1])  # type: ignore[arg-type]


def test_what_is_known_and_not_built_is_refused_by_name() -> None:
    message = "parameter 'dataSpecs' of test.everything is not supported yet: one table is enough"
    with pytest.raises(NotSupportedError, match=f"^{re.escape(message)}$"):
        read(dataSpecs=[{"type": "IMAGE"}])


@pytest.mark.parametrize("empty", [None, False, 0, "", [], {}])
def test_an_empty_value_of_what_is_not_built_asks_for_nothing(empty: Json) -> None:
    assert read(dataspecs=empty) == read()


def test_an_unknown_parameter_can_be_dropped_with_a_warning() -> None:
    heard: list[str] = []

    params = from_wire(Everything, {"model": "m", "strange": 1}, unknown="warn", warn=heard.append)

    assert params == read()
    assert heard == ["parameter 'strange' is unknown and was ignored"]


def test_an_unknown_value_is_refused_even_where_parameters_are_dropped() -> None:
    with pytest.raises(InvalidParameters, match="expected one of AUTO, RECTIFIER, TANH"):
        from_wire(Everything, {"model": "m", "act": "x"}, unknown="warn")


def test_parameters_go_back_to_the_wire_as_they_came() -> None:
    raw: dict[str, Json] = {"modelTable": {"name": "m"}, "nFilters": 2, "srcLayers": ["a"]}

    assert to_wire(from_wire(Everything, raw)) == raw


def test_the_schema_is_in_wire_spelling_with_descriptions_and_defaults() -> None:
    schema = json_schema(Everything)
    properties = schema["properties"]

    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["description"] == "One field of every kind."
    assert schema["required"] == ["modelTable"]
    assert schema["additionalProperties"] is False
    assert properties["nFilters"] == {
        "type": "integer",
        "exclusiveMinimum": 0,
        "default": 1,
        "description": "Number of maps.",
        "x-aliases": ["filters"],
    }
    assert properties["act"]["enum"] == ["AUTO", "RECTIFIER", "TANH"]
    assert properties["act"]["x-synonyms"] == {"RELU": "RECTIFIER"}
    assert properties["includeBias"]["x-negated"] == ["noBias"]
    assert properties["step"]["type"] == ["integer", "null"]
    assert [each["title"] for each in properties["algorithm"]["oneOf"]] == ["Plain", "Heavy"]
    assert properties["algorithm"]["default"] == {"method": "PLAIN", "learningRate": 0.001}


def test_the_schema_accepts_what_is_read() -> None:
    raw = {"modelTable": "m", "pair": [1, 2], "extra": {"a": 1.5}, "gpu": 1, "order": "UP"}

    jsonschema.validate(raw, json_schema(Everything))
