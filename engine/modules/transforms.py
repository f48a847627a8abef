"""The matrices of Winograd's form of a convolution, along one axis.

F(Q, S) gives Q neighbouring outputs of a filter of S cells by Q + S - 1 multiplications: the inputs
d they look at become Bᵀ d, the filter g becomes G g, and Aᵀ (G g ⊙ Bᵀ d) are the outputs. A product
of two polynomials is found from its values at some points and infinity; a correlation is the
transposed of that.

Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016, section 4.1;
Winograd, "Arithmetic complexity of computations", 1980.
"""

import torch
from torch import Tensor

POINTS = {
    4: (0.0, 1.0, -1.0),
    6: (0.0, 2 / 3, -2 / 3, 3 / 2, -3 / 2),
    8: (0.0, 1.0, -1.0, 1 / 2, -1 / 2, 2.0, -2.0),
}
"""Where polynomials are evaluated beside infinity, by number of multiplications: 0, and pairs ±c.
The loops rely on this order.

Rounding errors of sums over 256 maps are about 6 times those of a direct convolution with 3 x 3
filters, in tiles of 6 x 6, and 18 times with 5 x 5 filters, in tiles of 8 x 8 (mean squares). With
the customary ±1, ±2 they would be 2.2 times as large for 6; for 8 no other three pairs of 16
fractions between 1/4 and 3 gave smaller ones (measured).

Source: Alam, Anderson, Barabasz and Gregg, "Winograd convolution for deep neural networks:
efficient point selection", 2022.
"""


def matrices(outputs: int, side: int) -> tuple[Tensor, ...]:
    """Return Bᵀ (P, P), G (P, S) and Aᵀ (Q, P) of F(Q, S), P = Q + S - 1, in float64.

    Args:
        outputs: Q.
        side: S.
    """
    products = outputs + side - 1
    inverse = torch.linalg.inv(_values(products, products))
    return inverse.T, _values(products, side), _values(products, outputs).T


def _values(products: int, coefficients: int) -> Tensor:
    """Return what turns the coefficients of a polynomial into its values at the points."""
    points = torch.tensor(POINTS[products], dtype=torch.float64)
    finite = points[:, None] ** torch.arange(coefficients)
    infinite = torch.zeros(1, coefficients, dtype=torch.float64)
    infinite[0, -1] = 1.0
    return torch.cat([finite, infinite])
