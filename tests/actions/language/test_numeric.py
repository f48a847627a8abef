"""Functions of numbers; the values are those of the SAS function pages, or worked by hand."""

import pytest
from scipy import stats

from actions.language.functions import FUNCTIONS


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("skewness", (0, 1, 1), -1.732050808),
        ("skewness", (2, 4, 6, 3, 1), 0.5901286564),
        ("skewness", (2, 0, 0), 1.7320508076),
        ("skewness", (2, 0, None), None),
        ("skewness", (2, 2, 2), None),
        ("kurtosis", (5, 9, 3, 6), 0.928),
        ("kurtosis", (5, 8, 9, 6, None), -3.3),
        ("kurtosis", (8, 9, 6, 1), 1.5),
        ("kurtosis", (8, 1, 6, 1), -4.483379501),
        ("kurtosis", (8, 1, 6), None),
        ("mean", (2, None, None, 6), 4),
        ("mean", (None, None), None),
        ("median", (2, 4, 1, 3), 2.5),
        ("median", (5, 8, 0, 3, 4), 4),
        ("std", (2, 6), 2.8284271247),
        ("var", (4, 2, 3.5, 6), 2.7291666667),
        ("stderr", (2, 6, 3, 4), 0.8539125638),
        ("cv", (5, 9, 3, 6), 43.4782608696),
        ("range", (2, 6, 3, None), 4),
        ("uss", (4, 2, 3.5, 6), 68.25),
        ("css", (5, 9, 3, 6), 18.75),
        ("css", (5,), 0),
        ("geomean", (1, 2, 2, 4), 2),
        ("smallest", (2, 456, 789, 0.1, 123), 123),
        ("smallest", (5, 456, 789, 0.1, 123), None),
        ("largest", (1, 456, 789, 0.1, 123), 789),
        ("round", (1234.56789, 100), 1200),
        ("round", (-2.5,), -3),
        ("round", (0.15, 0.1), 0.2),
        ("rounde", (2.5,), 2),
        ("mod", (10, 3), 1),
        ("mod", (-7, 3), -1),
        ("mod", (1, 0), None),
        ("sign", (-5,), -1),
        ("int", (-2.7,), -2),
        ("ceil", (-2.4,), -2),
        ("fuzz", (5.9999999999999,), 6),
        ("fact", (5,), 120),
        ("fact", (171,), None),
        ("comb", (5, 2), 10),
        ("perm", (5, 2), 20),
        ("beta", (5, 3), 0.9523809524e-2),
        ("gamma", (6,), 120),
        ("lgamma", (2,), 0),
        ("digamma", (1,), -0.577215664901533),
        ("trigamma", (3,), 0.3949340668),
        ("erf", (1,), 0.8427007929),
        ("probnorm", (1.96,), 0.9750021049),
        ("airy", (2,), 0.0349241304),
        ("dairy", (2,), -0.0530903844),
        ("log", (0,), None),
        ("exp", (1000,), None),
        ("atan2", (-1, 0.5), -1.107148718),
        ("whichn", (3, 1, 2, 3), 3),
        ("whichn", (9, 1, 2, 3), 0),
        ("choosen", (-1, 5, 6, 7), 7),
        ("choosen", (4, 5, 6, 7), None),
        ("coalesce", (None, 3, 4), 3),
        ("constant", ("PI",), 3.141592653589793),
        ("constant", ("tea",), None),
        ("nmiss", (1, None, None), 2),
        ("n", (1, None, None), 1),
    ],
)
def test_a_function_of_numbers_gives(
    name: str, values: tuple[float | str | None, ...], expected: float | None
) -> None:
    found = FUNCTIONS[name].run(*values)

    assert found == (None if expected is None else pytest.approx(expected, rel=1e-8, abs=1e-12))


def test_the_limits_of_a_noncentral_distribution_are_found_again() -> None:
    assert FUNCTIONS["cnonct"].run(2.0, 4.0, stats.ncx2.cdf(2, 4, 1.5)) == pytest.approx(1.5)
    assert FUNCTIONS["tnonct"].run(2.0, 4.0, stats.nct.cdf(2, 4, 1.5)) == pytest.approx(1.5)
    assert FUNCTIONS["fnonct"].run(2.0, 4.0, 5.0, stats.ncf.cdf(2, 4, 5, 1.5)) == (
        pytest.approx(1.5, rel=1e-4)  # it is searched for
    )
