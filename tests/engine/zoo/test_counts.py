"""Parameters of every architecture against the numbers that are published."""

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from engine.graph.infer import account
from engine.zoo import ZOO


class Published(NamedTuple):
    """A count and where it is published; statistics count where ``whole`` is true."""

    parameters: int
    source: str
    choices: Mapping[str, object] = {}
    whole: bool = False


TORCHVISION = "torchvision, model weights, num_params"
IMGCLSMOB = "osmr/imgclsmob, table of models"

PUBLISHED: list[tuple[str, Published]] = [
    # 60,000 before the classes (section II.B), and 84 x 10 weights and 10 biases of the softmax
    ("lenet5", Published(60_000 + 850, "LeCun et al., 1998")),
    ("lenet", Published(431_080, "deepLearn reference F77: 520 + 25,050 + 400,500 + 5,010")),
    ("alexnet", Published(60_965_224, "BVLC AlexNet, Netscope; 60 million in the paper")),
    ("zfnet", Published(62_357_608, "Computational analysis and deep learning, table 1.4")),
    ("vgg11", Published(132_863_336, TORCHVISION)),
    ("vgg11bn", Published(132_868_840, TORCHVISION)),
    ("vgg13", Published(133_047_848, TORCHVISION)),
    ("vgg13bn", Published(133_053_736, TORCHVISION)),
    ("vgg16", Published(138_357_544, TORCHVISION)),
    ("vgg16bn", Published(138_365_992, TORCHVISION)),
    ("vgg19", Published(143_667_240, TORCHVISION)),
    ("vgg19bn", Published(143_678_248, TORCHVISION)),
    ("googlenet", Published(6_998_552, "BVLC GoogLeNet, Netscope, without its two classifiers")),
    ("inceptionv3", Published(23_834_568, "torchvision inception_v3, aux_logits=False")),
    ("resnet18", Published(11_689_512, TORCHVISION)),
    ("resnet34", Published(21_797_672, TORCHVISION)),
    ("resnet50", Published(25_557_032, TORCHVISION)),
    ("resnet101", Published(44_549_160, TORCHVISION)),
    ("resnet152", Published(60_192_808, TORCHVISION)),
    # there the first convolution is followed by a normalisation too: gamma and beta of 64 maps
    ("resnet18v2", Published(11_687_848 - 128, f"{IMGCLSMOB}, PreResNet-18")),
    ("resnet34v2", Published(21_796_008 - 128, f"{IMGCLSMOB}, PreResNet-34")),
    ("resnet50v2", Published(25_549_352, "Kolesnikov et al., Big Transfer, R50x1")),
    ("resnet101v2", Published(44_541_480, "Kolesnikov et al., Big Transfer, R101x1")),
    ("resnet164v2", Published(1_703_258, f"{IMGCLSMOB}, PreResNet-164(BN), CIFAR-10")),
    ("densenet121", Published(7_978_856, TORCHVISION)),
    ("densenet161", Published(28_681_000, TORCHVISION)),
    ("densenet169", Published(14_149_480, TORCHVISION)),
    ("densenet201", Published(20_013_928, TORCHVISION)),
    ("mobilenet", Published(4_231_976, "TensorFlow models, mobilenet_v1_1.0_224")),
    ("mobilenet", Published(2_585_560, f"{IMGCLSMOB}, MobileNet x0.75", {"width": 0.75})),
    ("mobilenetv2", Published(3_504_872, TORCHVISION)),
    ("shufflenetv2", Published(2_278_604, TORCHVISION)),
    ("shufflenetv2", Published(1_366_792, TORCHVISION, {"width": 0.5})),
    ("shufflenetv2", Published(3_503_624, TORCHVISION, {"width": 1.5})),
    ("shufflenetv2", Published(7_393_996, TORCHVISION, {"width": 2.0})),
    ("efficientnetb0", Published(5_288_548, TORCHVISION)),
    ("unet", Published(31_030_593, "EdgeAttNet, model complexity, U-Net", {"classes": 1})),
    # by hand: 27 x 16, 144 x 32, 288 x 64, 576 x 128, 1152 x 256, 2304 x 512, 4608 x 1024 and
    # 9216 x 256 weights, four numbers for each of 2,288 filters, 12,544 x 1,470 and 1,470
    (
        "tinyyolov1",
        Published(8_649_648 + 9_152 + 18_441_150, "Darknet, yolov1-tiny.cfg", whole=True),
    ),
    # tiny-yolo-voc.weights and yolov2.weights hold as many numbers
    ("tinyyolov2", Published(15_867_885, "YAD2K, tiny-yolo-voc", whole=True)),
    ("yolov2", Published(50_983_561, "YAD2K, yolo", {"classes": 80, "size": 608}, whole=True)),
    # (3 + 4 + 5) x 300 x 100 weights, 300 biases, 300 x 2 + 2
    ("textcnn", Published(360_902, "Kim, 2014, section 3.1")),
    # 2 (2 + 3 + 4) 5 = 90 and 6, 6 x 2 + 2
    (
        "textcnn",
        Published(
            110,
            "Zhang and Wallace, 2015, figure 1; deepLearn reference F94",
            {"words": 7, "features": 5, "regions": (2, 3, 4), "filters": 2},
        ),
    ),
]


def counted(name: str, choices: Mapping[str, object], *, whole: bool = False) -> int:
    layers = account(ZOO[name].build(**choices))
    return sum(
        (layer.weights or 0) + (layer.biases or 0) + ((whole and layer.statistics) or 0)
        for layer in layers
    )


@pytest.mark.parametrize(("name", "published"), PUBLISHED)
def test_an_architecture_has_the_parameters_that_are_published(
    name: str, published: Published
) -> None:
    count = counted(name, published.choices, whole=published.whole)

    assert count == published.parameters, published.source


IN_MILLIONS = [
    # He et al., 2015, table 6
    ("resnet20", 0.27),
    ("resnet32", 0.46),
    ("resnet44", 0.66),
    ("resnet56", 0.85),
    ("resnet110", 1.7),
    # He et al., 2016, table 4: 1.7M
    ("resnet110v2", 1.7),
    # megvii-model/ShuffleNet-Series, README: 1.0x (group=3), 1.9M
    ("shufflenet", 1.9),
    # timm, resnetv2_152x1: 60.19
    ("resnet152v2", 60.19),
]


@pytest.mark.parametrize(("name", "millions"), IN_MILLIONS)
def test_an_architecture_has_the_parameters_that_are_published_in_millions(
    name: str, millions: float
) -> None:
    digits = len(str(millions).partition(".")[2])

    assert round(counted(name, {}) / 1e6, digits) == millions


MULTIPLICATIONS = [
    # Krizhevsky et al., 2012, Netscope: 724M; Simonyan, Zisserman: 15.5G
    ("alexnet", 724e6, 1e6),
    ("vgg16", 15.47e9, 1e7),
    # torchvision, _ops in billions
    ("resnet18", 1.814e9, 1e6),
    ("resnet50", 4.089e9, 1e6),
    ("densenet121", 2.834e9, 1e6),
    ("inceptionv3", 5.713e9, 1e6),
    ("efficientnetb0", 0.386e9, 1e6),
    ("mobilenetv2", 0.301e9, 1e6),
    ("shufflenetv2", 0.145e9, 1e6),
    # Howard et al., 2017, table 8: 569M; Zhang et al., 2018, table 2: 137M for 3 groups
    ("mobilenet", 569e6, 1e6),
    ("shufflenet", 137e6, 1e6),
]


@pytest.mark.parametrize(("name", "published", "digit"), MULTIPLICATIONS)
def test_an_architecture_costs_the_multiplications_that_are_published(
    name: str, published: float, digit: float
) -> None:
    cost = sum(layer.multiply_adds or 0 for layer in account(ZOO[name].build()))

    assert abs(cost - published) < digit


def test_every_architecture_has_a_published_count() -> None:
    assert {name for name, *_ in (*PUBLISHED, *IN_MILLIONS)} == set(ZOO)
