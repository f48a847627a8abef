import torch

from engine.compile.halves import halved
from tests.engine.compile.test_passes import IMAGES, PLAIN, trained


def test_halves_give_what_the_network_gives_in_half_precision_bit_for_bit() -> None:
    model, other = trained(PLAIN), trained(PLAIN)
    other.precision = "FP16"

    with torch.inference_mode():
        found, expected = halved(model)({"data": IMAGES}), other({"data": IMAGES})

    # rounding weights once gives the bits of rounding them every time
    assert torch.equal(found["out"], expected["out"])
    assert found["out"].dtype == torch.float32


def test_halves_leave_the_given_model_as_it_was() -> None:
    model = trained(PLAIN)
    before = [each.clone() for each in model.module.state_dict().values()]

    made = halved(model)

    after = model.module.state_dict().values()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert (model.precision, made.precision, made.specs) == ("FP32", "FP16", ())


def test_only_what_is_multiplied_is_rounded() -> None:
    made = halved(trained(PLAIN))

    kinds = {name.rpartition(".")[2]: each.dtype for name, each in made.module.named_parameters()}
    assert kinds == {
        "weight": torch.bfloat16,
        "bias": torch.bfloat16,
        "affine": torch.float32,
    }
