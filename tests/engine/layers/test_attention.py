import re

import numpy as np
import pytest
import torch
from torch import nn

from engine.errors import LayerError, ShapeError
from engine.layers.attention import MultiHeadAttention
from engine.layers.base import BuildOptions
from engine.modules.dropout import Dropout
from engine.shapes import Shape
from tests.engine.rows import DEFAULTS, built

N, HEADS, STEPS = 12, 3, 5


def attention(shape: Shape = (STEPS, N), **options: object) -> nn.Module:
    layer = MultiHeadAttention.model_validate({"n": N, "n_attn_heads": HEADS, **options})
    module = built(layer, shape)
    for parameter in module.parameters():
        if parameter.dim() == 2:  # biases start at zero, which would hide them
            nn.init.normal_(parameter, generator=torch.Generator().manual_seed(4))
    return module


def steps(rows: int = 2, *, seed: int = 3) -> torch.Tensor:
    return torch.randn(rows, STEPS, N, generator=torch.Generator().manual_seed(seed))


def torchs(module: nn.Module) -> nn.MultiheadAttention:
    """Return torch's layer with the weights copied over; its matrices are (outputs, inputs)."""
    theirs = nn.MultiheadAttention(N, HEADS, batch_first=True)
    weight, bias = (module.get_parameter(name).detach() for name in ("weight", "bias"))
    theirs.in_proj_weight.detach().copy_(weight[:3].transpose(1, 2).reshape(3 * N, N))
    theirs.in_proj_bias.detach().copy_(bias[:3].reshape(-1))
    theirs.out_proj.weight.detach().copy_(weight[3].t())
    theirs.out_proj.bias.detach().copy_(bias[3])
    return theirs


def test_the_layer_equals_torchs() -> None:
    module, values = attention(), steps()
    expected, _ = torchs(module)(values, values, values)

    torch.testing.assert_close(module(values), expected, atol=1e-5, rtol=1e-5)


def test_gradients_equal_torchs() -> None:
    module, values = attention(), steps()
    theirs = torchs(module)

    module(values).square().sum().backward()
    theirs(values, values, values)[0].square().sum().backward()

    ours = module.get_parameter("weight").grad
    assert ours is not None
    assert theirs.in_proj_weight.grad is not None
    expected = theirs.in_proj_weight.grad.view(3, N, N).transpose(1, 2)
    torch.testing.assert_close(ours[:3], expected, atol=1e-4, rtol=1e-4)


def reference(module: nn.Module, values: np.ndarray, *, causal: bool = False) -> np.ndarray:
    """Return softmax(Q K' / √d) V head by head, the heads side by side, times the output."""
    weight, bias = (
        module.get_parameter(name).detach().double().numpy() for name in ("weight", "bias")
    )
    query, key, value = (values @ weight[i] + bias[i] for i in range(3))
    heads = []
    for head in range(HEADS):
        here = slice(head * N // HEADS, (head + 1) * N // HEADS)
        scores = query[:, here] @ key[:, here].T / np.sqrt(N / HEADS)
        if causal:
            scores[np.triu_indices(STEPS, 1)] = -np.inf
        looks = np.exp(scores - scores.max(1, keepdims=True))
        heads.append(looks / looks.sum(1, keepdims=True) @ value[:, here])
    result: np.ndarray = np.concatenate(heads, 1) @ weight[3] + bias[3]
    return result


@pytest.mark.parametrize("mask", ["NONE", "CAUSAL"])
@pytest.mark.parametrize("attn_dropout", [0.0, 0.25])
def test_the_layer_equals_its_formula(mask: str, attn_dropout: float) -> None:
    # INVERTED changes nothing when scoring, so that the path with dropout is compared too
    layer = MultiHeadAttention.model_validate(
        {"n": N, "n_attn_heads": HEADS, "mask": mask, "attn_dropout": attn_dropout}
    )
    module = built(layer, (STEPS, N), options=BuildOptions(dropout_type="INVERTED")).eval()
    values = steps(1)

    expected = reference(module, values[0].double().numpy(), causal=mask == "CAUSAL")

    np.testing.assert_allclose(module(values)[0].detach().numpy(), expected, atol=1e-5)


def test_a_causal_step_does_not_see_later_ones() -> None:
    module, values = attention(mask="CAUSAL"), steps()
    changed = values.clone()
    changed[:, 3:] += 1.0

    torch.testing.assert_close(module(changed)[:, :3], module(values)[:, :3])
    assert not torch.allclose(module(changed)[:, 3:], module(values)[:, 3:])


def test_one_map_counts_as_a_sequence_of_its_rows() -> None:
    module, values = attention(), steps()

    assert torch.equal(module(values[:, None])[:, 0], module(values))
    layer = MultiHeadAttention(n=N, n_attn_heads=HEADS)
    assert layer.infer([(1, STEPS, N)], DEFAULTS) == (1, STEPS, N)


def test_weights_and_biases_are_four_of_each() -> None:
    # 2.4: BERT's 768 values have 4 * 768² weights and 4 * 768 biases
    layer = MultiHeadAttention(n=768, n_attn_heads=12)
    tensors = layer.tensors([(128, 768)], DEFAULTS)

    assert [(spec.part, spec.shape) for spec in tensors] == [
        ("weights", (4, 768, 768)),
        ("biases", (4, 768)),
    ]
    assert [spec.size for spec in tensors] == [4 * 768**2, 4 * 768]


def test_multiplications_are_those_of_the_matrices_and_the_looks() -> None:
    # 4 products of (5, 12) with (12, 12); 3 heads of (5, 4) x (4, 5) and (5, 5) x (5, 4)
    layer = MultiHeadAttention(n=N, n_attn_heads=HEADS)

    assert layer.multiply_adds([(STEPS, N)], DEFAULTS) == 4 * 5 * 144 + 2 * 3 * 5 * 5 * 4


def test_looks_are_dropped_in_training_from_the_generator() -> None:
    module, values = attention(attn_dropout=0.5), steps()
    drop = module.get_submodule("attention_dropout")
    assert isinstance(drop, Dropout)

    def drawn(seed: int) -> torch.Tensor:
        drop.generator = torch.Generator().manual_seed(seed)
        result: torch.Tensor = module(values)
        return result

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))


def test_outputs_are_activated_and_dropped() -> None:
    result = attention(act="EXP", dropout=0.5)(steps(20))

    assert (result == 0).float().mean().item() == pytest.approx(0.5, abs=0.07)
    assert bool((result >= 0).all())


def test_a_layer_may_have_no_bias() -> None:
    layer = MultiHeadAttention(n=N, n_attn_heads=HEADS, include_bias=False)

    assert [spec.part for spec in layer.tensors([(STEPS, N)], DEFAULTS)] == ["weights"]
    assert built(layer, (STEPS, N))(steps()).shape == (2, STEPS, N)


def test_heads_must_share_the_values_equally() -> None:
    message = (
        "options 'n' and 'nAttnHeads' got 10 and 3, expected a number of values that the heads "
        "can share equally"
    )
    with pytest.raises(LayerError, match=f"^{message}$"):
        MultiHeadAttention(n=10, n_attn_heads=3)


def test_steps_of_another_length_are_refused() -> None:
    message = "got steps of 8 values, expected 12: the option 'n'"
    with pytest.raises(ShapeError, match=f"^{message}$"):
        MultiHeadAttention(n=N, n_attn_heads=HEADS).infer([(STEPS, 8)], DEFAULTS)


@pytest.mark.parametrize("shape", [(12,), (3, 5, 12)])
def test_what_is_no_sequence_is_refused(shape: Shape) -> None:
    message = (
        f"got {shape}, expected (steps, values) or one map of that size; put a reshape layer "
        "before it"
    )
    with pytest.raises(ShapeError, match=f"^{re.escape(message)}$"):
        MultiHeadAttention(n=N, n_attn_heads=HEADS).infer([shape], DEFAULTS)
