"""Images of a table, as files."""

import io

import numpy as np
import pytest
from PIL import Image

from actions.context import Context
from actions.errors import InvalidParameters, TooLarge
from actions.image import fetch_images
from tests.actions.house import Run, picture, put

PIXELS = [np.full((2, 3), value, np.uint8) for value in (10, 20, 30)]


@pytest.fixture(autouse=True)
def pictures(ctx: Context) -> None:
    put(
        ctx,
        "pets",
        {
            "_id_": [3, 1, 2],
            "_image_": [picture(each) for each in PIXELS],
            "_label_": ["cat", "dog", None],
            "other": [b"x", b"y", b"z"],
        },
    )


def test_images_come_with_their_labels_and_what_is_asked_for(run: Run) -> None:
    table = run(
        "image.fetchImages",
        imageTable={"name": "pets", "where": "_id_ < 3"},
        fetchImagesVars=["_id_", "_image_", "_label_"],
        sortBy="_id_",
        to=1000,
    ).tables["Images"]

    assert [each.name for each in table.columns] == ["Image", "Label", "_id_"]
    assert [each.media_type for each in table.columns] == ["image/png", "", ""]
    shown = [np.asarray(Image.open(io.BytesIO(row[0])))[0, 0] for row in table.rows]  # type: ignore[arg-type]
    assert shown == [20, 30]
    assert [row[1:] for row in table.rows] == [("dog", 1), (None, 2)]
    assert table.title == "Selected Images from Table PETS"


def test_a_page_is_cut_as_in_fetch(run: Run) -> None:
    def ids(**raw: int) -> list[object]:
        answer = run("image.fetchImages", table="pets", fetchVars="_id_", **raw)
        return [row[2] for row in answer.tables["Images"].rows]

    assert ids() == [3, 1, 2]
    assert ids(**{"from": 2, "to": 2}) == [1]
    assert ids(maxRows=1) == [3]


def test_the_kind_is_that_of_the_first_image(run: Run, ctx: Context) -> None:
    out = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(out, "JPEG")
    put(ctx, "photos", {"layer": [None, out.getvalue()]})

    table = run("image.fetchImages", table="photos", image="LAYER").tables["Images"]

    assert (table.columns[0].name, table.columns[0].media_type) == ("Image", "image/jpeg")
    assert len(table.columns) == 1


def test_other_columns_of_images_are_images_too(run: Run, ctx: Context) -> None:
    pair = [picture(PIXELS[0])]
    put(ctx, "pairs", {"_image_": pair, "_image_1": pair, "_id_": [1], "raw": [b"x"]})

    asked = ["_image_1", "_id_", "raw"]
    table = run("image.fetchImages", table="pairs", fetchImagesVars=asked).tables["Images"]

    assert [each.media_type for each in table.columns] == ["image/png", "image/png", "", ""]


def test_a_table_without_rows_gives_none(run: Run) -> None:
    table = run("image.fetchImages", table={"name": "pets", "where": "_id_ > 9"}).tables["Images"]
    assert (table.rows, table.columns[0].media_type) == ((), "image/png")


@pytest.mark.parametrize("column", ["_id_", "other"])
def test_a_column_without_images_is_refused(run: Run, column: str) -> None:
    message = rf"^parameter 'image' got column '{column}' of the table 'pets', which holds no image"
    with pytest.raises(InvalidParameters, match=message):
        run("image.fetchImages", table="pets", image=column)


def test_more_than_an_answer_holds_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_images, "ANSWER_BYTES", 100)
    with pytest.raises(TooLarge, match=r"^the rows got more than 100 bytes, expected at most as "):
        run("image.fetchImages", table="pets")
