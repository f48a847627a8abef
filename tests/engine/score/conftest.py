import pytest
import torch
from torch import Tensor

from engine.compile.lower import CompiledModel
from tests.engine.compile.test_passes import PLAIN, trained
from tests.engine.score.parts import IMAGES


@pytest.fixture
def model() -> CompiledModel:
    return trained(PLAIN)


@pytest.fixture
def expected(model: CompiledModel) -> Tensor:
    """What the model gives for all images."""
    with torch.no_grad():
        return model({"data": IMAGES})["out"]
