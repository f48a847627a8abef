"""Whether a model fits, and what speaks against its layers."""

import pytest

from engine.errors import DeviceError
from tests.actions.house import SMALL_CNN, SMALL_DNN, Run, build

# parameters 18 + 2 + 16 + 2 = 38, three times 4 bytes: 456; values 16 + 32 + 8 + 2 = 58 of a row,
# twice 4 bytes: 464
FIXED, EACH = 456, 464


def test_a_model_that_fits_says_how_large_a_batch_may_be(run: Run) -> None:
    build(run, SMALL_CNN)

    answer = run("castorch.checkModel", model="net", miniBatchSize=2, memory=FIXED + 5 * EACH + 1)

    assert answer.tables["Fit"].records() == [
        {
            "Device": "given",
            "BatchSize": 2,
            "Memory": FIXED + 5 * EACH + 1,
            "Needed": FIXED + 2 * EACH,
            "Fits": True,
            "LargestBatch": 5,
        }
    ]
    assert answer.tables["Advice"].rows == ()


@pytest.mark.parametrize(("memory", "largest"), [(FIXED + 2 * EACH - 1, 1), (FIXED - 1, 0)])
def test_a_batch_that_does_not_fit_is_told_the_one_that_would(
    run: Run, memory: int, largest: int
) -> None:
    # F52
    build(run, SMALL_CNN)

    (fit,) = (
        run("castorch.checkModel", model="net", batchSize=2, memory=memory).tables["Fit"].records()
    )

    assert (fit["Fits"], fit["LargestBatch"]) == (False, largest)


def test_vgg16_does_not_fit_a_device_of_its_time_with_a_batch_of_64(run: Run) -> None:
    run("castorch.buildArchitecture", model="vgg16", architecture="vgg16")

    (fit,) = (
        run("castorch.checkModel", model="vgg16", batchSize=64, memory=6 * 1024**3)
        .tables["Fit"]
        .records()
    )

    # F51: 3 x 138,357,544 and 2 x 64 x 15,237,608 values of 4 bytes, against 6 GB
    assert fit["Needed"] == 4 * (3 * 138_357_544 + 2 * 64 * 15_237_608)
    # (6 x 2^30 - 1,660,290,528) / 121,900,864 = 39.2
    assert (fit["Fits"], fit["LargestBatch"]) == (False, 39)


def test_the_memory_of_this_machine_is_taken_unless_one_is_given(run: Run) -> None:
    build(run, SMALL_CNN)

    (fit,) = run("castorch.checkModel", model="net", device="cpu").tables["Fit"].records()

    assert (fit["Device"], fit["Fits"]) == ("cpu", True)


def test_a_device_that_is_not_there_is_refused(run: Run) -> None:
    build(run, SMALL_CNN)

    with pytest.raises(DeviceError, match=r"^device got 'cuda:9', expected one of cpu"):
        run("castorch.checkModel", model="net", device="cuda:9")


def test_what_a_model_needs_is_missing_until_data_is_seen(run: Run) -> None:
    build(run, SMALL_DNN)

    (fit,) = run("castorch.checkModel", model="net", memory=1000).tables["Fit"].records()

    assert (fit["Needed"], fit["Fits"], fit["LargestBatch"]) == (None, None, None)


def test_advice_names_layer_rule_and_reason(run: Run) -> None:
    build(run, SMALL_CNN)
    run(
        "deepLearn.addLayer",
        model="net",
        name="pool1",
        replace=True,
        layer={"type": "pool", "width": 3, "stride": 2, "padding": 0},
        srcLayers="conv1",
    )

    advice = run("castorch.checkModel", model="net").tables["Advice"].records()

    assert [(each["Layer"], each["Rule"]) for each in advice] == [("pool1", "exactFit")] * 2
    assert advice[1]["Reason"] == (
        "(4 - 3 + 0) / 2 + 1 along the width is 1.5, so 1 pixel at the end goes unseen"
    )
