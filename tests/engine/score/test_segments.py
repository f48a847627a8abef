from base64 import b64decode
from io import BytesIO
from math import log
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.data.variables import PixelsTarget
from engine.losses import ABSENT, UNSEEN, Target
from engine.score.makers import make_report
from engine.score.reports import Report, ReportRequest
from engine.tasks.segmentation import PixelEntropy, PixelValues

TRUTH = torch.tensor([[[0, 0, 1, 1]], [[ABSENT] * 4]], dtype=torch.int16)
RAW = torch.tensor([[[[2.0, 2.0, 2.0, 0.0]], [[0.0, 0.0, 0.0, 2.0]]]]).expand(2, -1, -1, -1)
SURE = float(np.exp(2) / (1 + np.exp(2)))


def classes(levels: tuple[str, ...] = ("0", "255"), **options: Any) -> Report:
    target = PixelsTarget(layer="mask", names=("y",), is_image=True, shape=(1, 1, 4), levels=levels)
    return make_report(ReportRequest(PixelEntropy(target.target, **options), target))


def numbers(channels: int = 1, **options: Any) -> Report:
    target = PixelsTarget(
        layer="mask", names=("y",), is_image=True, shape=(channels, 1, 2), levels=(), scale=0.5
    )
    task = PixelValues(Target("interval", 2 * channels), lambda raw: raw, **options)
    return make_report(ReportRequest(task, target))


def opened(data: bytes) -> list[Any]:
    with Image.open(BytesIO(data)) as image:
        pixels: list[Any] = np.asarray(image).tolist()
        return pixels


def test_every_pixel_has_a_column_and_every_image_four_measures() -> None:
    made = classes()
    values = made.add(RAW, TRUTH)

    assert [column.name for column in made.columns] == [
        *(f"_DL_PredName{place}_" for place in range(4)),
        "_DL_Pixel_Acc_",
        "_DL_Mean_Acc_",
        "_DL_Mean_IU_",
        "_DL_Freq_IU_",
    ]
    assert [values[f"_DL_PredName{place}_"][0] for place in range(4)] == ["0", "0", "0", "255"]
    # true 0 0 1 1, found 0 0 0 1: overlaps 2 of 3 and 1 of 2
    measures = [values[column.name] for column in made.columns[4:]]
    found = [cells[0] for cells in measures]
    assert found == pytest.approx(
        [3 / 4, (1 + 1 / 2) / 2, (2 / 3 + 1 / 2) / 2, (2 / 3 + 1 / 2) / 2]
    )
    assert all(np.isnan(cells[1]) for cells in measures)


def test_the_summary_is_of_all_pixels_in_percent() -> None:
    made = classes()
    made.add(RAW, TRUTH)
    findings = made.findings()

    assert findings.facts == pytest.approx(
        {
            "Misclassification Error (%)": 25.0,
            "Pixel Accuracy (%)": 75.0,
            "Mean Accuracy (%)": 75.0,
            "Mean IoU (%)": 100 * 7 / 12,
            "Frequency Weighted IoU (%)": 100 * 7 / 12,
        }
    )
    # a sum over pixels: three at odds of e² to 1, one the wrong way round
    assert findings.loss == pytest.approx(-3 * np.log(SURE) - np.log(1 - SURE))
    assert [(each.name, each.frequency, each.correct) for each in findings.classes] == [
        ("0", 2, 2),
        ("255", 2, 1),
    ]


def test_pixels_of_a_class_not_seen_in_training_are_wrong() -> None:
    made = classes()
    made.add(RAW[:1], torch.tensor([[[0, 0, UNSEEN, UNSEEN]]], dtype=torch.int16))
    assert made.findings().facts["Pixel Accuracy (%)"] == 50.0


def test_without_truth_there_are_predictions_alone() -> None:
    made = classes(tells_probability=True)
    values = made.add(RAW[:1], None)

    assert values["_DL_PredP0_"].tolist() == pytest.approx([SURE])
    assert np.isnan(values["_DL_Pixel_Acc_"]).all()
    assert (made.findings().facts, made.findings().loss) == ({}, None)


@pytest.mark.parametrize(
    ("levels", "shades"), [(("0", "255"), [0, 0, 0, 255]), (("0.5", "2"), [0, 0, 0, 1])]
)
def test_a_label_image_has_the_values_of_the_classes(
    levels: tuple[str, ...], shades: list[int]
) -> None:
    made = classes(levels, image_type="PNG")
    values = made.add(RAW[:1], None)

    assert (made.columns[0].name, made.columns[0].type) == ("_DL_PredImg_", "binary")
    assert opened(values["_DL_PredImg_"][0]) == [shades]


@pytest.mark.parametrize("kind", ["PNG", "BASE64"])
def test_probabilities_may_lie_beside_a_label_image(kind: str) -> None:
    made = classes(image_type=kind, tells_probability=True)
    names = [column.name for column in made.columns]
    raw = torch.zeros(1, 2, 1, 4)
    raw[0, 1, 0, :2] = torch.tensor([log(3.0), -log(4.0)])
    values = made.add(raw, None)

    assert names[:3] == ["_DL_PredImg_", "_DL_PredP0_", "_DL_PredP1_"]
    # 3 / (1 + 3) and 1 / (1 + 1/4)
    assert values["_DL_PredP0_"].tolist() == pytest.approx([0.75])
    assert values["_DL_PredP1_"].tolist() == pytest.approx([0.8])


def test_a_label_image_may_be_text() -> None:
    made = classes(image_type="BASE64")
    values = made.add(RAW[:1], None)

    assert made.columns[0].type == "string"
    assert opened(b64decode(values["_DL_PredImg_"][0])) == [[0, 0, 0, 255]]


def test_numbers_are_told_in_their_own_units_with_their_absolute_error() -> None:
    made = numbers()
    raw = torch.tensor([[[[1.0, 4.0]]], [[[0.0, 0.0]]]])
    truth = torch.tensor([[[[2.0, 4.5]]], [[[float("nan")] * 2]]])
    values = made.add(raw, truth)

    assert [column.name for column in made.columns] == ["_DL_Pred0_", "_DL_Pred1_"]
    assert values["_DL_Pred1_"].tolist() == [8.0, 0.0]
    # errors 1 and 1/2 in training's units, twice that in the target's
    assert made.findings().facts == {"Mean Absolute Error": 1.5}
    assert made.findings().loss == pytest.approx((1 + 0.25) / 2)


def test_numbers_may_be_an_image_of_red_green_and_blue() -> None:
    made = numbers(3, image_type="PNG")
    raw = torch.tensor([[[[0.0, 5.0]], [[10.0, 0.0]], [[-3.0, 999.0]]]])
    values = made.add(raw, None)

    assert opened(values["_DL_PredImg_"][0]) == [[[0, 20, 0], [255, 0, 10]]]
    assert made.findings().facts == {}
