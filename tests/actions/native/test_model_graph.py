"""A model as a picture."""

from xml.etree import ElementTree as ET

import pytest

from actions.errors import TableNotFound
from tests.actions.house import SMALL_CNN, Run, build

SVG = "{http://www.w3.org/2000/svg}"


def test_a_model_is_drawn_with_a_box_per_layer(run: Run) -> None:
    build(run, SMALL_CNN)

    picture = ET.fromstring(str(run("castorch.modelGraph", model="net").values["svg"]))  # noqa: S314

    texts = [each.text for each in picture.iter(f"{SVG}text")]
    assert texts[::2] == ["data", "conv1", "pool1", "out"]
    assert texts[1::2] == [
        "input · 1 x 4 x 4",
        "3x3 · 2 x 4 x 4",
        "max 2x2/2 · 2 x 2 x 2",
        "output · 2",
    ]
    assert len(list(picture.iter(f"{SVG}rect"))) == 4


def test_a_model_that_is_not_there_is_not_drawn(run: Run) -> None:
    with pytest.raises(TableNotFound, match=r"^no table is named 'nothing' in"):
        run("castorch.modelGraph", model="nothing")
