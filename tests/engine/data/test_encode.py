from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from engine.data.encode import ABSENT, UNSEEN, Encoder
from engine.errors import DataError
from engine.layers.input import Input
from engine.layers.output import Output
from tests.engine.networks import Array, learned, network, objects

NAN = float("nan")
TABLE = {
    "x": np.array([1.0, NAN, 3.0]),
    "c": objects("red", "blue", "red"),
    "y": objects("no", "yes", "no"),
}


def picture(*greys: int) -> bytes:
    out = BytesIO()
    Image.fromarray(np.array([greys], dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def test_rows_become_vectors_and_codes() -> None:
    encoded = Encoder(learned(network(), TABLE)).encode(TABLE)

    # x (missing: mean 2), then c = blue, c = red
    assert encoded.inputs["data"].tolist() == [[1, 0, 1], [2, 1, 0], [3, 0, 1]]
    assert encoded.inputs["data"].dtype == torch.float32
    assert encoded.targets["out"].tolist() == [0, 1, 0]
    assert encoded.used.all()


def test_standardised_variables_are_centred_and_scaled() -> None:
    columns = {"x": np.array([2.0, 6.0, 10.0]), "y": np.array([1.0, 2.0, 5.0])}
    graph = network(source=Input(std="MIDRANGE"), output=Output(target_std="MIDRANGE"))
    encoded = Encoder(learned(graph, columns)).encode(columns)

    assert encoded.inputs["data"].tolist() == [[-1.0], [0.0], [1.0]]
    assert encoded.targets["out"].tolist() == [[-1.0], [-0.5], [1.0]]


def test_a_missing_value_is_replaced_before_it_is_scaled() -> None:
    columns = {"x": np.array([2.0, 10.0, NAN]), "y": np.zeros(3)}
    graph = network(source=Input(std="MIDRANGE"))
    encoded = Encoder(learned(graph, columns, missing="MAX")).encode(columns)
    assert encoded.inputs["data"].tolist() == [[-1.0], [1.0], [1.0]]


def test_rows_with_missing_values_are_dropped_under_the_rule_none() -> None:
    # the level of the dropped row is not in the schema, and need not be
    columns = {**TABLE, "y": objects("no", "maybe", "yes")}
    encoded = Encoder(learned(network(), columns, missing="NONE")).encode(columns)

    assert encoded.used.tolist() == [True, False, True]
    assert encoded.targets["out"].tolist() == [0, 1]
    assert encoded.rows == 2


def test_a_missing_nominal_input_is_a_level_of_its_own() -> None:
    columns = {"c": objects("red", None), "y": np.zeros(2)}
    encoded = Encoder(learned(network(), columns)).encode(columns)
    assert encoded.inputs["data"].tolist() == [[1, 0], [0, 1]]


def test_an_input_level_not_seen_in_training_is_all_zeros_and_counted() -> None:
    schema = learned(network(), TABLE)
    encoder = Encoder(schema, "score")

    encoded = encoder.encode({"x": np.zeros(2), "c": objects("green", None)})

    assert encoded.inputs["data"].tolist() == [[0, 0, 0], [0, 0, 0]]
    assert encoder.unseen["c"] == 2
    assert encoded.targets == {}


def test_scoring_keeps_rows_whose_target_is_missing_or_unknown() -> None:
    encoder = Encoder(learned(network(), TABLE), "score")
    encoded = encoder.encode({**TABLE, "y": objects("maybe", None, "yes")})

    assert encoded.targets["out"].tolist() == [UNSEEN, ABSENT, 1]
    assert encoder.unseen["y"] == 1


def test_validation_drops_rows_without_a_target() -> None:
    encoder = Encoder(learned(network(), TABLE), "validate")
    encoded = encoder.encode({**TABLE, "y": objects("maybe", None, "yes")})
    assert encoded.targets["out"].tolist() == [UNSEEN, 1]


def test_a_missing_interval_target_is_replaced_except_when_scoring() -> None:
    columns = {"x": np.zeros(3), "y": np.array([1.0, 2.0, NAN])}
    schema = learned(network(), columns)

    trained, scored = (Encoder(schema, p).encode(columns) for p in ("train", "score"))

    assert trained.targets["out"].tolist() == [[1.0], [2.0], [1.5]]
    assert scored.targets["out"][2].isnan().all()


def test_a_number_is_the_level_its_text_names() -> None:
    columns = {"x": np.array([1, 2]), "y": np.array([3, 4])}
    schema = learned(network(), columns, nominals=("x", "y"))
    encoded = Encoder(schema).encode({"x": objects("2", "1"), "y": np.array([4.0, 3.0])})
    assert encoded.inputs["data"].tolist() == [[0, 1], [1, 0]]
    assert encoded.targets["out"].tolist() == [1, 0]


def test_pictures_stay_bytes_and_missing_ones_drop_their_row() -> None:
    columns = {"pic": objects(picture(7, 9), None), "y": np.array([1.0, 2.0])}
    graph = network(source=Input(n_channels=1, width=2, height=1))
    encoded = Encoder(learned(graph, columns)).encode(columns)

    assert encoded.inputs["data"].dtype == torch.uint8
    assert encoded.inputs["data"].tolist() == [[[[7, 9]]]]
    assert encoded.targets["out"].tolist() == [[1.0]]


def test_variables_of_an_image_layer_become_its_pixels() -> None:
    columns = {"a": np.array([1.0]), "b": np.array([2.0]), "y": np.array([0.0])}
    graph = network(source=Input(n_channels=1, width=2, height=1))
    encoded = Encoder(learned(graph, columns)).encode(columns)
    assert encoded.inputs["data"].tolist() == [[[[1.0, 2.0]]]]


IMAGES = {"pic": objects(picture(7, 9)), "y": np.array([1.0])}


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("a.png", r"^column 'pic', row 5 got 'a.png', expected the bytes of an image$"),
        (b"?", r"^column 'pic', row 5 got 1 bytes that are no readable image, expected one of "),
        (picture(1), r"^column 'pic', row 5 got an image of 1 x 1 pixels, expected 2 x 1 as "),
    ],
)
def test_a_cell_that_is_no_such_picture_is_named_by_row_and_column(
    cell: object, message: str
) -> None:
    graph = network(source=Input(n_channels=1, width=2, height=1))
    encoder = Encoder(learned(graph, IMAGES))
    with pytest.raises(DataError, match=message):
        encoder.encode({**IMAGES, "pic": objects(cell)}, first_row=5)


def test_text_in_a_numeric_column_is_refused() -> None:
    encoder = Encoder(learned(network(), TABLE), "score")
    with pytest.raises(DataError, match=r"^column 'x', row 8 got 'big', expected a number$"):
        encoder.encode({"x": objects(1.0, "big"), "c": objects("red", "red")}, first_row=7)


def test_a_number_beyond_float32_is_refused() -> None:
    encoder = Encoder(learned(network(), TABLE), "score")
    with pytest.raises(
        DataError,
        match=r"^column 'x', row 0 got 1e\+200, expected a number that float32 can hold$",
    ):
        encoder.encode({"x": np.array([1e200]), "c": objects("red")})


def test_a_column_that_is_not_there_is_named() -> None:
    encoder = Encoder(learned(network(), TABLE), "score")
    with pytest.raises(DataError, match=r"^the table has no column 'c'$"):
        encoder.encode({"x": np.zeros(1)})


def test_training_refuses_a_level_the_schema_does_not_have() -> None:
    encoder = Encoder(learned(network(), TABLE))
    with pytest.raises(
        DataError,
        match=r"^target 'y', row 1 got 'maybe', expected one of the 2 levels of the schema$",
    ):
        encoder.encode({**TABLE, "y": objects("no", "maybe", "no")})


def test_a_number_of_an_array_is_shown_as_a_plain_one() -> None:
    table = {**TABLE, "y": np.array([0, 1, 0])}
    encoder = Encoder(learned(network(), table, nominals=("y",)))
    with pytest.raises(
        DataError, match=r"^target 'y', row 2 got 7, expected one of the 2 levels of the schema$"
    ):
        encoder.encode({**table, "y": np.array([0, 1, 7])})


def test_encoding_does_not_depend_on_how_rows_are_batched() -> None:
    schema = learned(network(), TABLE)
    parts: list[Array] = []
    for row in range(3):
        part = {name: column[row : row + 1] for name, column in TABLE.items()}
        parts.append(Encoder(schema).encode(part, row).inputs["data"].numpy())
    whole = Encoder(schema).encode(TABLE).inputs["data"].numpy()
    np.testing.assert_array_equal(np.concatenate(parts), whole)
