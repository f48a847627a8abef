"""Architectures by name: what there is, and models made of them."""

import pytest

from actions.context import Context
from actions.errors import InvalidParameters, TableExists
from actions.memory import MemoryStores
from actions.ports import Name
from engine.errors import EngineError, GraphError, ShapeError
from engine.zoo import ZOO
from tests.actions.house import Run, nothing_changes


def test_every_architecture_is_listed_with_what_can_be_chosen(run: Run) -> None:
    rows = {
        row["Name"]: row
        for row in run("castorch.listArchitectures").tables["Architectures"].records()
    }

    assert list(rows) == list(ZOO)
    # VGG-16: 22 layers with input and pools, 138,357,544 parameters (F42, F45)
    vgg = rows["vgg16"]
    assert (vgg["Title"], vgg["Layers"], vgg["Parameters"]) == ("VGG-16", 22, 138_357_544)
    assert vgg["Choices"] == "classes 1000; size 224; channels 3"
    assert str(vgg["Source"]).startswith("Simonyan and Zisserman")
    text = rows["textcnn"]
    assert text["Choices"] == (
        "classes 2; words 56; features 300; vocabulary; regions 3, 4, 5; filters 100"
    )
    assert all("  " not in str(row["Description"]) for row in rows.values())


def test_a_model_is_made_of_an_architecture_with_choices(run: Run, ctx: Context) -> None:
    answer = run(
        "castorch.buildArchitecture",
        model="Digits",
        architecture="ResNet20",
        nClasses=7,
        size=16,
        nChannels=1,
    )

    (made,) = answer.tables["OutputCasTables"].records()
    graph = ctx.models.load(Name("digits")).graph
    assert made["Name"] == "Digits"
    assert graph.name == "digits"
    assert graph.shapes["data"] == (1, 16, 16)
    assert graph.shapes["out"] == (7,)


def test_a_text_network_takes_its_own_choices(run: Run, ctx: Context) -> None:
    run(
        "castorch.buildArchitecture",
        model="text",
        architecture="textcnn",
        words=7,
        features=5,
        regions=[2, 3, 4],
        filters=2,
        vocabulary=50,
    )

    shapes = ctx.models.load(Name("text")).graph.shapes
    assert shapes["vectors"] == (7, 5)
    # F93: the largest value of each of six filters
    assert shapes["features"] == (6, 1, 1)


BAD: list[tuple[dict[str, object], type[EngineError], str]] = [
    (
        {"architecture": "vgg17"},
        InvalidParameters,
        (
            r"^parameter 'architecture' got 'vgg17', expected a name that "
            r"castorch.listArchitectures tells; did you mean 'vgg1.(bn)?' or 'vgg1.(bn)?' or "
            r"'vgg1.(bn)?'\?$"
        ),
    ),
    (
        {"architecture": "?"},
        InvalidParameters,
        (
            r"^parameter 'architecture' got '\?', expected a name that castorch.listArchitectures "
            r"tells$"
        ),
    ),
    (
        {"architecture": "vgg16", "groups": 3},
        InvalidParameters,
        (
            r"^parameter 'groups' got 3, expected none: the architecture 'vgg16' takes classes, "
            r"size, channels$"
        ),
    ),
    (
        {"architecture": "shufflenet", "groups": 5},
        GraphError,
        r"^choice 'groups' of the architecture got 5, expected one of 1, 2, 3, 4, 8$",
    ),
    (
        {"architecture": "shufflenetv2", "width": 3},
        GraphError,
        r"^choice 'width' of the architecture got 3.0, expected one of 0.5, 1.0, 1.5, 2.0$",
    ),
    (
        {"architecture": "unet", "depth": 9},
        InvalidParameters,
        r"^parameter 'depth' got 9, expected less than or equal to 8$",
    ),
    (
        {"architecture": "alexnet", "size": 8},
        ShapeError,
        (
            r"^layer 'conv1' \(convo\) got a window of 11 on 8 pixels with padding 0, expected at "
            r"most 8$"
        ),
    ),
    (
        {"architecture": "lenet", "size": 1_000_000},
        ShapeError,
        (
            r"^layer 'data' \(input\) makes \(1, 1000000, 1000000\) of a row, which are "
            r"1000000000000 values, expected at most 268435456$"
        ),
    ),
    (
        {"architecture": "yolov2", "anchors": [1.0]},
        InvalidParameters,
        r"^parameter 'anchors' got ",
    ),
]


@pytest.mark.parametrize(("given", "error", "message"), BAD)
def test_a_choice_that_does_not_fit_makes_nothing(
    run: Run,
    stores: MemoryStores,
    given: dict[str, object],
    error: type[EngineError],
    message: str,
) -> None:
    with nothing_changes(stores), pytest.raises(error, match=message):
        run("castorch.buildArchitecture", model="net", **given)


def test_a_model_is_not_replaced_by_an_architecture_unless_asked(
    run: Run, stores: MemoryStores
) -> None:
    run("castorch.buildArchitecture", model="net", architecture="lenet")

    with nothing_changes(stores), pytest.raises(TableExists, match=r"^the table 'net' exists in"):
        run("castorch.buildArchitecture", model="net", architecture="vgg11")

    run("castorch.buildArchitecture", model={"name": "net", "replace": True}, architecture="lenet5")


VGG16 = [
    # deepLearn reference 5.2: output, activations, weights, row for row
    ("3 x 224 x 224", 150_528, 0),
    ("64 x 224 x 224", 3_211_264, 1_728),
    ("64 x 224 x 224", 3_211_264, 36_864),
    ("64 x 112 x 112", 802_816, 0),
    ("128 x 112 x 112", 1_605_632, 73_728),
    ("128 x 112 x 112", 1_605_632, 147_456),
    ("128 x 56 x 56", 401_408, 0),
    ("256 x 56 x 56", 802_816, 294_912),
    ("256 x 56 x 56", 802_816, 589_824),
    ("256 x 56 x 56", 802_816, 589_824),
    ("256 x 28 x 28", 200_704, 0),
    ("512 x 28 x 28", 401_408, 1_179_648),
    ("512 x 28 x 28", 401_408, 2_359_296),
    ("512 x 28 x 28", 401_408, 2_359_296),
    ("512 x 14 x 14", 100_352, 0),
    ("512 x 14 x 14", 100_352, 2_359_296),
    ("512 x 14 x 14", 100_352, 2_359_296),
    ("512 x 14 x 14", 100_352, 2_359_296),
    ("512 x 7 x 7", 25_088, 0),
    ("4096", 4_096, 102_760_448),
    ("4096", 4_096, 16_777_216),
    ("1000", 1_000, 4_096_000),
]


def test_the_summary_of_vgg16_is_the_table_of_the_reference(run: Run) -> None:
    # F42 to F45
    run("castorch.buildArchitecture", model="vgg16", architecture="vgg16")

    answer = run("castorch.summary", model="vgg16")

    rows = answer.tables["Layers"].records()
    assert [(row["Output"], row["Activations"], row["Weights"]) for row in rows] == VGG16
    (totals,) = answer.tables["Totals"].records()
    assert (totals["Weights"], totals["Biases"]) == (138_344_128, 13_416)
    # the rows add up to 15.2 million values, not to the 24 million that the text names
    assert totals["Activations"] == 15_237_608
