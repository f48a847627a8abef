"""Names of activations and what they compute.

The functions of ``activation`` may overwrite their argument, those of ``pure_activation`` never do.

Source: the deepLearn reference, activations; the slope of LEAKY is Darknet's 0.1.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from engine.errors import LayerError
from engine.functions.function import ACTIVATION, Elementwise, compile_function
from engine.layers.base import Synonyms
from engine.modules.finish import Activation

ActivationName = Literal[
    "AUTO",
    "IDENTITY",
    "LOGISTIC",
    "TANH",
    "RECTIFIER",
    "SOFTPLUS",
    "ELU",
    "LEAKY",
    "GELU",
    "EXP",
    "SIN",
    "COS",
    "FCMP",
]
OutputActivationName = Literal[ActivationName, "SOFTMAX"]

ACTIVATION_SYNONYMS = Synonyms(
    {
        "RELU": "RECTIFIER",
        "SIGMOID": "LOGISTIC",
        "SOFPLUS": "SOFTPLUS",
        "AUTOMATIC": "AUTO",
        "HYPERBOLIC TANGENT": "TANH",
        "LEAKY ACTIVATION FUNCTION": "LEAKY",
        "EXPONENTIAL": "EXP",
        "SINE": "SIN",
        "COSINE": "COS",
    }
)
"""Other names, the last of them from model tables, which clients read and send again."""

LEAKY_SLOPE = 0.1
FAR_BELOW = -20.0
"""Where ln(1 + exp x) equals exp x to the last bit of a float32."""


def rectifier(x: Tensor) -> Tensor:
    """Return max(0, x)."""
    return x.relu_()


def leaky(x: Tensor) -> Tensor:
    """Return x where it is positive, else 0.1 x."""
    return functional.leaky_relu(x, LEAKY_SLOPE, inplace=True)


def gelu(x: Tensor) -> Tensor:
    """Return x times the standard normal distribution function of x, in its exact form."""
    return functional.gelu(x)


def softplus(x: Tensor) -> Tensor:
    """Return ln(1 + exp x)."""
    return functional.softplus(x)


def elu(x: Tensor) -> Tensor:
    """Return x where it is positive, else exp(x) - 1."""
    return functional.elu(x, inplace=True)


def identity(x: Tensor) -> Tensor:
    """Return x."""
    return x


ACTIVATIONS: dict[str, Activation] = {
    "IDENTITY": identity,
    "LOGISTIC": torch.sigmoid,
    "TANH": torch.tanh,
    "RECTIFIER": rectifier,
    "SOFTPLUS": softplus,
    "ELU": elu,
    "LEAKY": leaky,
    "GELU": gelu,
    "EXP": torch.exp,
    "SIN": torch.sin,
    "COS": torch.cos,
}


FALLING = {"GELU", "SIN", "COS"}
"""Activations that fall somewhere."""


def log_softplus(x: Tensor) -> Tensor:
    """Return ln ln(1 + exp x), which approaches x far below zero."""
    return torch.where(x < FAR_BELOW, x, functional.softplus(x.clamp_min(FAR_BELOW)).log())


_PURE: dict[str, Activation] = {
    "RECTIFIER": torch.relu,
    "LEAKY": lambda x: functional.leaky_relu(x, LEAKY_SLOPE),
    "ELU": functional.elu,
}

_LOGARITHMS: dict[str, Activation] = {
    "EXP": identity,
    "SOFTPLUS": log_softplus,
    "LOGISTIC": functional.logsigmoid,
}


def activation(name: str, automatic: str, function: str | None = None) -> Activation | None:
    """Return the function of a name, None for the identity.

    Args:
        name: one of ``ActivationName``.
        automatic: the name AUTO stands for in this layer.
        function: the text of FCMP.
    """
    resolved = automatic if name == "AUTO" else name
    if resolved == "IDENTITY":
        return None
    return ACTIVATIONS[resolved] if function is None else user_activation(function)


def pure_activation(name: str, function: str | None = None) -> Activation:
    """Return the function of a resolved name, which leaves its argument as it is."""
    if function is not None:
        return user_activation(function)
    return _PURE.get(name) or ACTIVATIONS[name]


def user_activation(text: str) -> Activation:
    """Return the function of a text with one argument, x."""
    return Elementwise(compile_function(text, ACTIVATION))


def never_falls(function: Activation | None) -> bool:
    """Return whether what ``activation`` returned is known not to fall anywhere.

    The largest of some values then becomes the largest of what it makes of them.
    """
    rising = (each for name, each in ACTIVATIONS.items() if name not in FALLING)
    return function is None or any(function is each for each in rising)


def log_activation(name: str) -> Activation | None:
    """Return the logarithm of a positive activation, without overflow; None for the others."""
    return _LOGARITHMS.get(name)


def check_user_function(act: str, function: str | None) -> None:
    """Check that FCMP, and it alone, comes with the text of a function that can be run.

    Raises:
        LayerError: text and name do not go together, or the text cannot be run.
        NotSupportedError: it holds a statement that is not run.
    """
    if (act == "FCMP") != (function is not None):
        got = "no text" if function is None else "a text"
        raise LayerError(
            f"options 'act' and 'fcmpAct' got {act!r} and {got}, expected the text of a function "
            "with 'FCMP' and none without",
            options=["act", "fcmpAct"],
        )
    if function is not None:
        compile_function(function, ACTIVATION)
