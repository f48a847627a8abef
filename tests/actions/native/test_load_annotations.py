"""Boxes around objects, from the files of annotation programs."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from actions.context import Context
from actions.errors import FileNotFound, InvalidFile, InvalidParameters
from actions.memory import MemoryStores
from tests.actions.house import Run, nothing_changes, picture, rows_of

CAT = "<object><name>cat</name><bndbox><xmin>20</xmin><ymin>10</ymin><xmax>60</xmax><ymax>30</ymax>"
VOC = (
    "<annotation><filename>far/{0}.png</filename>{2}"
    "<size><width>{1}</width><height>50</height></size></annotation>"
)
COCO: dict[str, Any] = {
    "images": [
        {"id": 5, "file_name": "a/5.jpg", "width": 100, "height": 50},
        {"id": 6, "file_name": "6.jpg", "width": 10, "height": 10},
    ],
    "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}],
    "annotations": [
        {"image_id": 5, "category_id": 9, "bbox": [20, 10, 40, 20]},
        {"image_id": 5, "category_id": 3, "bbox": [0, 0, 100, 50], "iscrowd": 1},
        {"image_id": 5, "category_id": 3, "bbox": [0, 0, 100, 50], "iscrowd": 0},
    ],
}


@pytest.fixture
def public(ctx: Context) -> Path:
    return ctx.caslibs.find("PUBLIC").path


@pytest.fixture(autouse=True)
def files(public: Path) -> None:
    """The same box of 20..60 x 10..30 in an image of 100 x 50, in three formats."""
    for name in ("voc", "yolo"):
        (public / name).mkdir()
    end = "</bndbox></object>"
    flat = (CAT + end).replace("<xmax>60", "<xmax>20").replace("cat", "dog")
    (public / "voc" / "1.xml").write_text(VOC.format(1, 100, CAT + end + flat))
    (public / "voc" / "2.xml").write_text(VOC.format(2, 100, ""))
    (public / "voc" / "1.png").write_bytes(picture(np.zeros((2, 2))))
    (public / "coco.json").write_text(json.dumps(COCO))
    (public / "yolo" / "1.txt").write_text("1 0.4 0.4 0.4 0.4\n\n0 0.5 0.5 1 1\n")
    (public / "yolo" / "2.txt").write_text("")
    (public / "yolo" / "classes.txt").write_text("cat\ndog\n")


def load(run: Run, ctx: Context, **raw: Any) -> list[dict[str, Any]]:
    run("castorch.loadAnnotations", caslib="PUBLIC", casOut={"name": "o", "replace": True}, **raw)
    return rows_of(ctx, "o")


def test_pascal_voc_is_read(run: Run, ctx: Context) -> None:
    first, second = load(run, ctx, path="voc", format="voc")

    assert first == {
        "_filename_0": "1.png",
        "_nObjects_": 1,
        "_Object0_": "cat",
        "_Object0_x": 0.4,
        "_Object0_y": 0.4,
        "_Object0_width": 0.4,
        "_Object0_height": 0.4,
    }
    assert (second["_filename_0"], second["_nObjects_"], second["_Object0_"]) == ("2.png", 0, None)
    assert [each.text for each in ctx.messages] == ["1 boxes without area were left out."]


def test_coco_is_read(run: Run, ctx: Context) -> None:
    first, second = load(run, ctx, path="coco.json", format="COCO")
    assert [first[f"_Object0_{s}"] for s in ("x", "y", "width", "height")] == [0.4] * 4
    assert [first[name] for name in ("_filename_0", "_nObjects_", "_Object0_", "_Object1_")] == [
        "5.jpg", 2, "dog", "cat",
    ]  # fmt: skip
    assert second["_nObjects_"] == 0


@pytest.mark.parametrize(
    ("classes", "labels"), [(["cat", "dog"], ["dog", "cat"]), ([], ["1", "0"])]
)
def test_the_text_of_darknet_is_read(
    run: Run, ctx: Context, classes: list[str], labels: list[str]
) -> None:
    first, second = load(run, ctx, path="yolo", format="YOLO", classes=classes, imageEnding=".png")
    assert [first["_Object0_"], first["_Object1_"]] == labels
    assert (first["_Object0_x"], second["_filename_0"]) == (0.4, "2.png")


@pytest.mark.parametrize(
    ("kind", "names", "values"),
    [
        ("COCO", ("xmin", "ymin", "xmax", "ymax"), [40, 80, 120, 240]),
        ("RECT", ("x", "y", "width", "height"), [40, 80, 80, 160]),
    ],
)
def test_boxes_may_be_told_in_pixels(
    run: Run, ctx: Context, kind: str, names: tuple[str, ...], values: list[float]
) -> None:
    # 0.2 to 0.6 of 200 pixels across, of 400 down
    size = {"coordType": kind, "width": 200, "height": 400}
    first = load(run, ctx, path="voc", format="VOC", **size)[0]
    assert [first[f"_Object0_{name}"] for name in names] == pytest.approx(values)


def test_images_classes_and_objects_are_chosen(run: Run, ctx: Context, public: Path) -> None:
    (public / "train.txt").write_text("5\n")
    (only,) = load(run, ctx, path="coco.json", format="COCO", names="train.txt", classes="cat")
    assert (only["_Object0_"], only["_nObjects_"]) == ("cat", 1)
    first = load(run, ctx, path="coco.json", format="COCO", maxObjects=1)[0]
    assert (first["_Object0_"], first["_nObjects_"], "_Object1_" in first) == ("dog", 1, False)
    assert ctx.messages[-1].text == "Images have up to 2 objects; the first 1 of each are kept."


def test_a_network_learns_from_images_joined_with_their_boxes(run: Run, ctx: Context) -> None:
    load(run, ctx, path="voc", format="VOC")
    run("image.loadImages", caslib="PUBLIC", path="voc", casOut="pictures")
    run(
        "deepLearn.dlJoin",
        left="pictures",
        right="o",
        id="_filename_0",
        joinType="INNER",
        casOut="j",
    )
    detection = {"type": "detection", "detectionModelType": "YOLOV2", "classNumber": 1}
    layers = [
        {"name": "data", "layer": {"type": "input", "nChannels": 1, "width": 2, "height": 2}},
        {"name": "c", "layer": {"type": "convo", "nFilters": 6, "width": 1}, "srcLayers": "data"},
        {
            "name": "cells",
            "layer": {**detection, "gridNumber": 2, "predictionsPerGrid": 1, "anchors": [1, 1]},
            "srcLayers": "c",
        },
    ]
    run("castorch.declareModel", modelTable="m", layers=layers)
    answer = run(
        "deepLearn.dlTrain",
        table="j",
        modelTable="m",
        modelWeights="w",
        dataSpecs=[
            {"layer": "data", "type": "IMAGE", "data": "_image_"},
            {
                "layer": "cells",
                "type": "OBJECTDETECTION",
                "data": ["_nObjects_", "_Object0_"]
                + [f"_Object0_{name}" for name in ("x", "y", "width", "height")],
            },
        ],
        optimizer={"maxEpochs": 1, "totalMiniBatchSize": 1},
    )
    assert len(answer.tables["OptIterHistory"].rows) == 1


BAD: list[tuple[str, bytes, dict[str, Any], str]] = [
    (
        "voc/3.xml",
        b"<annotation>",
        {"format": "VOC"},
        "^annotation '3.xml' is no Pascal VOC: no el",
    ),
    (
        "voc/3.xml",
        b"<a/>",
        {"format": "VOC"},
        "^annotation '3.xml' is no Pascal VOC: <size/width> i",
    ),
    (
        "voc/3.xml",
        b'<!DOCTYPE a [<!ENTITY b "c">]><a/>',
        {"format": "VOC"},
        "^annotation '3.xml' declares entities, expected none$",
    ),
    ("voc/3.xml", b"\xff\xfe", {"format": "VOC"}, "^annotation '3.xml' is no UTF-8 text$"),
    (
        "yolo/3.txt",
        b"0 1 1 1 1\n2 1 1 1 1",
        {"format": "YOLO", "classes": ["a", "b"]},
        "^line 2 of annotation '3.txt' got '2 1 1 1 1', expected a class from 0 to 1 and four ",
    ),
    ("yolo/3.txt", b"0 1 1 1", {"format": "YOLO"}, "expected a class and four numbers$"),
    ("c.json", b"[]", {"format": "COCO"}, "^the file 'c.json' is no COCO annotation: list indices"),
    (
        "c.json",
        b"{}",
        {"format": "COCO"},
        "^the file 'c.json' is no COCO annotation: 'categories' is ",
    ),
    (
        "empty/a.md",
        b"",
        {"format": "VOC"},
        "^there is no file that ends in .xml, expected at least one$",
    ),
    (
        "empty/a.md",
        b"",
        {"format": "COCO"},
        "^the path 'empty' is a folder, expected a JSON file with",
    ),
    (
        "c.json",
        b"",
        {"format": "YOLO"},
        "^the path 'c.json' is a file, expected a folder with the form",
    ),
    (
        "yolo/n.txt",
        b"",
        {"format": "YOLO", "names": "yolo/n.txt"},
        "^there is no annotation of an image that counts, expected at least one$",
    ),
    (
        "voc/x.xml.names",
        b"\xff",
        {"format": "VOC", "names": "voc/x.xml.names"},
        "^the list 'voc/x.xml.names' is no text of names$",
    ),
]


@pytest.mark.parametrize(("name", "data", "raw", "message"), BAD)
def test_what_is_no_annotation_is_named(
    run: Run,
    stores: MemoryStores,
    public: Path,
    name: str,
    data: bytes,
    raw: dict[str, Any],
    message: str,
) -> None:
    (public / name).parent.mkdir(exist_ok=True)
    (public / name).write_bytes(data)
    path = name if name == "c.json" else name.partition("/")[0]
    with nothing_changes(stores), pytest.raises(InvalidFile, match=message):
        run("castorch.loadAnnotations", caslib="PUBLIC", path=path, casOut="o", **raw)


def test_pixels_need_a_size(run: Run) -> None:
    message = (
        r"^parameter 'coordType' got COCO, which counts pixels; expected 'width' and 'height' of "
        r"the images a network sees$"
    )
    with pytest.raises(InvalidParameters, match=message):
        run("castorch.loadAnnotations", path="voc", format="VOC", coordType="COCO", casOut="o")


def test_a_folder_that_is_not_there_is_named(run: Run) -> None:
    with pytest.raises(
        FileNotFound, match=r"^caslib 'PUBLIC' has no file 'vok'; did you mean 'voc'"
    ):
        run("castorch.loadAnnotations", caslib="PUBLIC", path="vok", format="VOC", casOut="o")
