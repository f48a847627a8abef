"""Functions of numbers.

Source: the SAS functions of the same names. Missing arguments make a missing result, but not in
functions that describe a list of arguments, which leave missing ones out.
"""

import math
from collections.abc import Callable
from statistics import fmean, median, stdev, variance
from typing import TYPE_CHECKING

from actions.language.functions import Value, function, of_number, of_numbers, present
from engine.later import Later

if TYPE_CHECKING:
    from scipy import special
else:
    special = Later("scipy.special")


def _later(name: str) -> Callable[..., float]:
    """Return a function of ``scipy.special``, which is loaded at the first call."""
    return lambda *values: float(getattr(special, name)(*values))


_NO_ZERO = "(CASE WHEN {0} > 0 THEN %s({0}) END)"

for _name, _body, _sql in (
    ("abs", abs, "abs({0})"),
    ("ceil", math.ceil, "ceil({0})"),
    ("ceiling", math.ceil, "ceil({0})"),
    ("floor", math.floor, "floor({0})"),
    ("int", math.trunc, "trunc({0})"),
    ("exp", math.exp, None),
    ("log", math.log, _NO_ZERO % "ln"),
    ("log2", math.log2, _NO_ZERO % "log2"),
    ("log10", math.log10, _NO_ZERO % "log10"),
    ("log1px", math.log1p, None),
    ("sqrt", math.sqrt, "(CASE WHEN {0} >= 0 THEN sqrt({0}) END)"),
    ("sin", math.sin, None),
    ("cos", math.cos, None),
    ("tan", math.tan, None),
    ("arsin", math.asin, None),
    ("arcos", math.acos, None),
    ("atan", math.atan, "atan({0})"),
    ("sinh", math.sinh, None),
    ("cosh", math.cosh, None),
    ("tanh", math.tanh, None),
    ("gamma", math.gamma, None),
    ("lgamma", math.lgamma, None),
    ("digamma", _later("digamma"), None),
    ("trigamma", lambda x: special.polygamma(1, x), None),
    ("erf", math.erf, None),
    ("erfc", math.erfc, None),
    ("airy", lambda x: special.airy(x)[0], None),
    ("dairy", lambda x: special.airy(x)[1], None),
    ("probnorm", _later("ndtr"), None),
    ("fact", lambda x: math.factorial(int(x)) if x <= 170 else None, None),
):
    function(_name, "n", "number", _sql)(of_number(_body))

for _name, _body, _count in (
    ("atan2", math.atan2, 2),
    ("beta", _later("beta"), 2),
    ("logbeta", _later("betaln"), 2),
    ("power", math.pow, 2),
    ("comb", lambda n, r: special.comb(n, r, exact=False), 2),
    ("perm", lambda n, r: special.perm(n, r, exact=False), 2),
    ("cnonct", _later("chndtrinc"), 3),
    ("tnonct", lambda x, df, p: special.nctdtrinc(df, p, x), 3),
    ("fnonct", lambda x, n, d, p: special.ncfdtrinc(n, d, p, x), 4),
):
    function(_name, " ".join("n" * _count), "number")(of_numbers(_body))


@function("sign", "n", "number", "sign({0})")
@of_number
def _sign(x: float) -> float:
    return float((x > 0) - (x < 0))


@function("mod modz", "n n", "number", "(CASE WHEN {1} <> 0 THEN mod({0}, {1}) END)")
@of_numbers
def _mod(x: float, divisor: float) -> float:
    return math.fmod(x, divisor)


def _scaled(x: float, unit: float) -> tuple[float, float]:
    """Return a value in units, and what its rounded number is to be divided by."""
    if unit == 0:
        return x, 1.0
    inverse = 1 / abs(unit)
    divisor = round(inverse) if inverse >= 1 and math.isclose(inverse, round(inverse)) else inverse
    return x * divisor, divisor


@function("round roundz", "n n?", "number")
@of_numbers
def _round(x: float, unit: float = 1.0) -> float:
    """Return the nearest multiple of the unit; halves go away from zero."""
    scaled, divisor = _scaled(x, unit)
    near = round(scaled, 9)
    return math.copysign(math.floor(abs(near) + 0.5), x) / divisor


@function("rounde", "n n?", "number")
@of_numbers
def _rounde(x: float, unit: float = 1.0) -> float:
    """Return the nearest multiple of the unit; halves go to the even one."""
    scaled, divisor = _scaled(x, unit)
    return round(round(scaled, 9)) / divisor


@function("fuzz", "n", "number")
@of_number
def _fuzz(x: float) -> float:
    return float(round(x)) if abs(x - round(x)) < 1e-12 else x


@function("constant", "t n?", "number")
def _constant(name: str, of: float | None = None) -> float | None:
    del of
    known = {"pi": math.pi, "e": math.e, "euler": 0.5772156649015329, "maceps": math.ulp(1.0)}
    known |= {"big": 1.7976931348623157e308, "small": 2.2250738585072014e-308}
    known |= {"exactint": 2.0**53}
    return known.get(name.strip().lower())


@function("missing", "a", "number", "{missing}")
def missing(value: Value) -> float:
    """Return 1 for a missing number or blank text, else 0."""
    return float(value is None or (isinstance(value, str | bytes) and not value.strip()))


@function("n", "n*", "number")
def _n(*values: Value) -> float:
    return float(len(present(values)))


@function("nmiss", "n*", "number")
def _nmiss(*values: Value) -> float:
    return float(sum(value is None for value in values))


@function("cmiss", "a*", "number")
def _cmiss(*values: Value) -> float:
    return float(sum(map(missing, values)))


def _described(
    names: str, body: Callable[[list[float]], float], least: int = 1, sql: str | None = None
) -> None:
    def run(*values: Value) -> float | None:
        found = present(values)
        return float(body(found)) if len(found) >= least else None

    function(names, "n+", "number", sql)(run)


def _standardized(x: list[float], power: int) -> float:
    """Return the sum of a power of the distances from the mean, in standard deviations."""
    center, deviation = fmean(x), stdev(x)
    return math.fsum(((each - center) / deviation) ** power for each in x)


def _skewness(x: list[float]) -> float:
    n = len(x)
    return n / ((n - 1) * (n - 2)) * _standardized(x, 3)


def _kurtosis(x: list[float]) -> float:
    """Return the kurtosis over that of a normal distribution, corrected for bias."""
    n = len(x)
    weight = n * (n + 1) / ((n - 1) * (n - 2) * (n - 3))
    return weight * _standardized(x, 4) - 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))


_described("min least", min, sql="least({all})")
_described("max greatest", max, sql="greatest({all})")
_described("sum", math.fsum)
_described("mean", fmean)
_described("median", median)
_described("std", stdev, 2)
_described("var", variance, 2)
_described("stderr", lambda x: stdev(x) / math.sqrt(len(x)), 2)
_described("cv", lambda x: 100 * stdev(x) / fmean(x), 2)
_described("range", lambda x: max(x) - min(x))
_described("uss", lambda x: math.fsum(each * each for each in x))
_described("css", lambda x: variance(x) * (len(x) - 1) if len(x) > 1 else 0.0)
_described("skewness", _skewness, 3)
_described("kurtosis", _kurtosis, 4)
_described("geomean", lambda x: math.exp(fmean(map(math.log, x))))


@function("smallest", "n n+", "number")
def _smallest(place: float | None, *values: Value) -> float | None:
    found = sorted(present(values))
    return found[int(place) - 1] if place is not None and 1 <= place <= len(found) else None


@function("largest", "n n+", "number")
def _largest(place: float | None, *values: Value) -> float | None:
    found = sorted(present(values), reverse=True)
    return found[int(place) - 1] if place is not None and 1 <= place <= len(found) else None


@function("whichn", "n n+", "number")
def _whichn(wanted: float | None, *values: Value) -> float | None:
    return None if wanted is None else float(values.index(wanted) + 1 if wanted in values else 0)


@function("ifn", "n n n", "number", "(CASE WHEN coalesce({0}, 0) <> 0 THEN {1} ELSE {2} END)")
def _ifn(condition: float | None, yes: Value, no: Value) -> Value:
    return yes if condition else no


@function("choosen", "n n+", "number")
def _choosen(place: float | None, *values: Value) -> Value:
    return choose(place, values, None)


def choose(place: float | None, values: tuple[Value, ...], default: Value) -> Value:
    """Return the value at a place counted from 1, or from the end where it is negative."""
    if place is None or not 1 <= abs(int(place)) <= len(values):
        return default
    return values[int(place) - 1 if place > 0 else int(place)]


@function("coalesce", "a+", "like")
def _coalesce(*values: Value) -> Value:
    found = (value for value in values if not missing(value))
    return next(found, "" if isinstance(values[0], str) else None)
