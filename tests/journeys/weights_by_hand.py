"""A network scored in NumPy from the rows of its weight table alone; nothing of ours is used.

The network is fixed: input 8x8 (scale 1/255), convo 4 filters 3x3 without bias and identity,
batchnorm rectifier, pool 2x2 max, fc 10 tanh, output 10 softmax.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

FILTERS, SIDE, HIDDEN, LEVELS = 4, 8, 10, 10
CONVO, NORM, FC, OUT = 1, 2, 4, 5
"""Layer ids, in order of declaration: data 0, convo 1, batchnorm 2, pool 3, fc 4, output 5."""


def numbers(rows: list[tuple[int, int, float]], layer: int) -> Floats:
    """Return a layer's weights by ``_WeightID_``."""
    own = sorted((weight_id, value) for layer_id, weight_id, value in rows if layer_id == layer)
    assert [weight_id for weight_id, _ in own] == list(range(len(own)))
    return np.array([value for _, value in own])


def scores(pixels: Floats, rows: list[tuple[int, int, float]]) -> Floats:
    """Return the probabilities (N, 10) of grey images (N, 8, 8)."""
    kernel = numbers(rows, CONVO).reshape(FILTERS, 3, 3)
    padded = np.pad(pixels / 255.0, ((0, 0), (1, 1), (1, 1)))
    maps = np.zeros((len(pixels), FILTERS, SIDE, SIDE))
    for row in range(3):
        for column in range(3):
            window = padded[:, row : row + SIDE, column : column + SIDE]
            maps += kernel[None, :, row, column, None, None] * window[:, None]

    pairs = numbers(rows, NORM).reshape(2, FILTERS, 2)
    gamma, beta = pairs[0].T[..., None, None]
    mean, deviation = pairs[1].T[..., None, None]
    maps = np.maximum(0.0, gamma * (maps - mean) / np.sqrt(deviation**2 + 1e-5) + beta)

    half = SIDE // 2
    pooled = maps.reshape(-1, FILTERS, half, 2, half, 2).max(axis=(3, 5)).reshape(len(pixels), -1)
    hidden = np.tanh(_dense(pooled, numbers(rows, FC), HIDDEN))
    raw = _dense(hidden, numbers(rows, OUT), LEVELS)
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _dense(values: Floats, own: Floats, neurons: int) -> Floats:
    weights = own[:-neurons].reshape(values.shape[1], neurons)
    return values @ weights + own[-neurons:]
