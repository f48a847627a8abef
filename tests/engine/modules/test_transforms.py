import pytest
import torch

from engine.modules.transforms import POINTS, matrices


@pytest.mark.parametrize(
    ("outputs", "side"), [(2, 3), (4, 3), (6, 3), (2, 5), (4, 5), (2, 7), (3, 2)]
)
def test_output_q_is_input_q_plus_s_times_cell_s_and_nothing_else(outputs: int, side: int) -> None:
    """The sum over products is 1 where the input is q + s, and 0 elsewhere."""
    into_products, of_filters, into_outputs = matrices(outputs, side)
    products = outputs + side - 1
    expected = torch.zeros(outputs, side, products, dtype=torch.float64)
    for output in range(outputs):
        for cell in range(side):
            expected[output, cell, output + cell] = 1.0

    found = torch.einsum("qp,ps,pi->qsi", into_outputs, of_filters, into_products)

    assert products in POINTS
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_the_smallest_form_is_the_published_one() -> None:
    """F(2, 3) of Lavin and Gray: rows of Bᵀ and G may share a factor, and with it a sign."""
    into_products, of_filters, into_outputs = matrices(2, 3)

    published = torch.tensor(
        [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, -1, 0, 1]], dtype=torch.float64
    )
    factors = torch.tensor([1.0, 0.5, 0.5, 1.0], dtype=torch.float64)
    torch.testing.assert_close(into_products, published * factors[:, None])
    cells = torch.tensor(
        [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], dtype=torch.float64
    )
    torch.testing.assert_close(of_filters, cells / factors[:, None])
    ends = torch.tensor([[1, 1, 1, 0], [0, 1, -1, 1]], dtype=torch.float64)
    torch.testing.assert_close(into_outputs, ends)
