from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from castorch import InvalidInput, layers
from castorch._spelling import camel, params_to_wire, snake, snake_keys, to_wire

WORDS = st.lists(st.from_regex(r"[a-z][a-z]*", fullmatch=True), min_size=1, max_size=4)


def test_names_follow_one_rule() -> None:
    assert camel("n_filters") == "nFilters"
    assert camel("reg_l2") == "regL2"
    assert camel("modelTable") == "modelTable"


def test_names_that_begin_or_end_with_an_underscore_stay() -> None:
    assert camel("_label_") == "_label_"
    assert camel("_image") == "_image"


@given(WORDS)
def test_a_name_goes_there_and_back(words: list[str]) -> None:
    name = "_".join(words)

    assert snake(camel(name)) == name or any(len(word) == 1 for word in words)


def test_the_names_of_an_event_are_respelt() -> None:
    assert snake_keys({"learningRate": 0.1, "l2Norm": 3}) == {"learning_rate": 0.1, "l2_norm": 3}


def test_parameters_are_respelt_at_every_depth_and_none_is_left_out() -> None:
    params = {
        "model_table": "m",
        "src_layers": ("a", "b"),
        "optimizer": {"mini_batch_size": 4, "algorithm": {"learning_rate": 0.1}},
        "seed": None,
    }

    assert params_to_wire(params) == {
        "modelTable": "m",
        "srcLayers": ["a", "b"],
        "optimizer": {"miniBatchSize": 4, "algorithm": {"learningRate": 0.1}},
    }


def test_layers_paths_and_numpy_values_have_a_json_form() -> None:
    assert to_wire(layers.Fc(n=10)) == {"type": "fc", "n": 10}
    assert to_wire(PurePosixPath("a/b")) == "a/b"
    assert to_wire(np.float64(0.5)) == 0.5
    assert to_wire(np.arange(3)) == [0, 1, 2]
    assert to_wire(range(2)) == [0, 1]


def test_a_value_without_a_json_form_is_refused_with_its_place() -> None:
    with pytest.raises(
        InvalidInput,
        match=r"^parameter 'optimizer.hook' got a Weird, expected a value that JSON can hold$",
    ):
        params_to_wire({"optimizer": {"hook": Weird()}})


class Weird:
    """Not a number, not a list, not a layer."""


def test_a_path_object_is_written_as_text() -> None:
    assert to_wire(Path("x.csv")) == "x.csv"
