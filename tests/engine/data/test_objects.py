import re
from typing import Any

import numpy as np
import pytest

from engine.data.columns import Columns
from engine.data.encode import Encoder
from engine.data.objects import is_object_name
from engine.data.variables import ObjectsTarget
from engine.errors import DataError
from engine.graph.spec import Graph
from engine.layers.detection import Detection
from engine.layers.input import Input
from tests.engine.networks import learned, objects
from tests.engine.pictures import picture

NAN = float("nan")
TARGET = (
    "_nObjects_",
    "_Object0_",
    "_Object1_",
    *(f"_Object{place}_{name}" for place in (0, 1) for name in ("x", "y", "width", "height")),
)


def table(**changes: Any) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "_image_": objects(*[picture(10, 20)] * 3),
        "_nObjects_": np.array([2.0, 1.0, NAN]),
        "_Object0_": objects("cat", "dog", None),
        "_Object1_": objects("dog", "cat", None),
    }
    for name in TARGET[3:]:
        columns[name] = np.array([0.5, 0.25, NAN])
    return {**columns, **changes}


def schema_of(columns: Columns, graph: Graph | None = None, **request: Any) -> Any:
    target = request.pop("target", TARGET)
    return learned(graph or loose(), columns, target=target, **request)


def loose(**options: Any) -> Graph:
    """Return a graph whose detection layer is never compiled, only asked for its target."""
    given = {"detection_model_type": "YOLOV1", "grid_number": 1, "coord_type": "YOLO", **options}
    graph = Graph("net").add("data", Input(n_channels=1, width=10, height=20))
    return graph.add("found", Detection.model_validate(given), ["data"])


def test_classes_are_learned_from_all_objects_and_sorted() -> None:
    target = schema_of(table()).targets[0]

    assert isinstance(target, ObjectsTarget)
    assert target.levels == ("cat", "dog")
    assert (target.width, target.height, target.count) == (10, 20, "_nObjects_")
    assert [each.label for each in target.objects] == ["_Object0_", "_Object1_"]
    assert target.target.size == 2


def test_objects_beyond_the_count_and_those_that_are_none_are_not_there() -> None:
    columns = table(_Object1_=objects("NoObject1", "fish", None))
    schema = schema_of(columns)
    encoded = Encoder(schema).encode(columns).targets["found"]

    # fish lies beyond the count of its row
    assert schema.targets[0].levels == ("cat", "dog")
    assert encoded[:, :, 0].tolist() == [[0, -1], [1, -1], [-1, -1]]
    assert encoded[0, 0].tolist() == [0, 0.5, 0.5, 0.5, 0.5]


def test_without_a_count_every_class_is_an_object() -> None:
    columns = {name: cells for name, cells in table().items() if name != "_nObjects_"}
    schema = schema_of(columns, target=TARGET[1:])
    encoded = Encoder(schema).encode(columns).targets["found"]

    assert encoded[:, :, 0].tolist() == [[0, 1], [1, 0], [-1, -1]]


def test_a_box_without_area_is_no_object() -> None:
    columns = table(_Object0_width=np.array([0.0, 0.25, NAN]))
    encoded = Encoder(schema_of(columns)).encode(columns).targets["found"]
    assert encoded[:, 0, 0].tolist() == [-1, 1, -1]


@pytest.mark.parametrize("coordinates", ["RECT", "COCO"])
def test_pixels_become_fractions_of_the_image(coordinates: str) -> None:
    names = (
        ("x", "y", "width", "height") if coordinates == "RECT" else ("xmin", "ymin", "xmax", "ymax")
    )
    # left 1, top 2, 4 wide, 10 high, in 10 x 20 pixels
    values = (1.0, 2.0, 4.0, 10.0) if coordinates == "RECT" else (1.0, 2.0, 5.0, 12.0)
    columns: dict[str, Any] = {"_image_": objects(picture(10, 20)), "_Object0_": objects("cat")}
    columns |= {f"_Object0_{n}": np.array([v]) for n, v in zip(names, values, strict=True)}
    target = tuple(columns)[1:]

    schema = schema_of(columns, loose(coord_type=coordinates), target=target)
    encoded = Encoder(schema).encode(columns).targets["found"]

    assert encoded[0, 0].tolist() == pytest.approx([0, 0.3, 0.35, 0.4, 0.5])


def test_no_more_objects_are_read_than_asked_for() -> None:
    columns = table()
    schema = schema_of(columns, loose(max_label_per_image=1))
    assert Encoder(schema).encode(columns).targets["found"].shape == (3, 1, 5)


def test_a_scored_table_may_have_columns_for_fewer_objects_and_other_classes() -> None:
    schema = schema_of(table())
    fewer = {name: cells for name, cells in table().items() if "Object1" not in name}
    fewer["_Object0_"] = objects("fish", "dog", None)

    encoder = Encoder(schema, "validate")
    encoded = encoder.encode(fewer).targets["found"]

    assert encoded[:, :, 0].tolist() == [[-1, -1], [1, -1], [-1, -1]]
    assert encoder.unseen["_Object<i>_"] == 1


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            ("_nObjects_",),
            (
                "got the targets ['_nObjects_'], expected '_Object0_', '_Object0_x' and so on: a "
                "class and four coordinates per object"
            ),
        ),
        (
            ("_Object0_", "_Object0_x", "_Object0_y", "_Object0_width"),
            "the targets lack '_Object0_height', expected a class and four coordinates per object",
        ),
        ((), "got no target variables, expected at least one"),
    ],
)
def test_targets_that_are_no_objects_are_refused(target: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        schema_of(
            {"_image_": objects(picture(10, 20)), **table()}
            if target
            else {"_image_": objects(picture(10, 20))},
            target=target,
        )


def test_an_object_without_a_coordinate_is_named() -> None:
    columns = table(_Object0_y=np.array([0.5, NAN, NAN]))
    message = (
        "column '_Object0_y', row 8 got no value, expected a number: '_Object0_' has a class there"
    )
    with pytest.raises(DataError, match=f"^{message}$"):
        Encoder(schema_of(columns)).encode(columns, 7)


def test_a_table_without_any_object_is_refused() -> None:
    columns = table(_nObjects_=np.zeros(3))
    with pytest.raises(DataError, match=r"^column '_Object<i>_' has only missing values$"):
        schema_of(columns)


def test_training_refuses_a_table_that_lacks_a_class() -> None:
    schema = schema_of(table())
    lacking = {name: cells for name, cells in table().items() if name != "_Object1_"}
    with pytest.raises(DataError, match=r"^the table has no column '_Object1_'; did you mean"):
        Encoder(schema).encode(lacking)


def test_rows_of_numbers_have_no_boxes() -> None:
    layer = Detection(detection_model_type="YOLOV1", grid_number=1)
    graph = Graph("net").add("data", Input()).add("found", layer, ["data"])
    message = (
        "layer 'found' got no image, expected an input layer with nChannels, width and height: "
        "boxes are parts of an image"
    )
    with pytest.raises(DataError, match=f"^{message}$"):
        learned(graph, {"x": np.ones(1), "_Object0_": objects("cat")}, target=("_Object0_",))


def test_columns_of_objects_are_known_by_their_names() -> None:
    names = ["_nObjects_", "_Object0_", "_Object12_xmin", "_object3_Height", "_P_Object0_", "id"]
    assert [is_object_name(name) for name in names] == [True, True, True, True, False, False]
