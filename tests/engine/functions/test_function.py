import pickle
import re
from math import erf, exp, log, sqrt

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.errors import LayerError, NotSupportedError
from engine.functions.function import (
    ACTIVATION,
    FORWARD,
    LEARNING_RATE,
    LOSS,
    Elementwise,
    Signature,
    compile_function,
    evaluate,
    uses,
)

POINTS = np.array([[-2.5, -0.5, 0.25], [0.75, 1.5, 3.0]])
GELU = "x * (1 + erf(x / sqrt(2))) / 2"
SWITCH = """
FUNCTION Bend(v);
    IF v > 0 THEN DO;
        y = sqrt(v);           /* no slope at zero and below */
        y = y + log(1 + v);
    END;
    ELSE y = -v / 4;
    RETURN(y);
ENDSUB;
"""
EARLY = """
function bend(v);
    if v > 1 then return(1 / v);
    if v > 0 then return(exp(v));
    return(v ** 3);
endsub;
"""
SERIES = """
function power(v);
    total = 0; term = 1;
    do i = 1 to 4;
        term = term * v / i;
        if mod(i, 2) = 0 then total = total - term; else total = total + term;
    end;
    do j = 3 to 1 by -1; total = total + j; end;
    do until_ = 2 to 1; total = 0; end;
    return(total);
endsub;
"""


def run(text: str, points: np.ndarray = POINTS) -> np.ndarray:
    return Elementwise(compile_function(text, ACTIVATION))(torch.tensor(points)).numpy()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", POINTS),
        ("2", np.full_like(POINTS, 2.0)),
        ("-x ** 2", -(POINTS**2)),
        ("2 ** -x", 2.0**-POINTS),
        ("2 ** 3 ** 2 + 0 * x", np.full_like(POINTS, 512.0)),
        ("1 - x - 2 * x / 4", 1 - POINTS - POINTS / 2),
        ("+x;", POINTS),
        ("x > 0.5 and not (x > 2) | x = -0.5", (POINTS > 0.5) & ~(POINTS > 2) | (POINTS == -0.5)),
        ("x ge 0.75", POINTS >= 0.75),
        ("(x lt 0) + (x <= -0.5) + (x ne 3) + (x ^= 3)", None),
        ("max(x, 0)", np.maximum(POINTS, 0)),
        ("min(x, 0, -1)", np.minimum(POINTS, -1)),
        ("sum(x, 1, x)", 2 * POINTS + 1),
        ("mean(x, 1)", (POINTS + 1) / 2),
        ("exp(x) / sum(exp(x))", np.exp(POINTS) / np.exp(POINTS).sum(1, keepdims=True)),
        ("x - max(x) + min(x)", POINTS - [[0.25], [3.0]] + [[-2.5], [0.75]]),
        ("x - average(x)", POINTS - POINTS.mean(1, keepdims=True)),
        ("mean(x)", np.repeat(POINTS.mean(1, keepdims=True), 3, 1)),
        ("logistic(x) + tanh(x)", 1 / (1 + np.exp(-POINTS)) + np.tanh(POINTS)),
        ("ifn(x < 0, -x, 5)", np.where(POINTS < 0, -POINTS, 5.0)),
        ("round(x) + int(x)", [[-5.0, -1.0, 0.0], [1.0, 3.0, 6.0]]),
        ("floor(x) + ceil(x) + sign(x)", [[-6.0, -2.0, 2.0], [2.0, 4.0, 7.0]]),
        ("mod(x, 2)", np.fmod(POINTS, 2)),
        (GELU, [[v * (1 + erf(v / sqrt(2))) / 2 for v in row] for row in POINTS]),
        (
            SWITCH,
            [[v**0.5 + log(1 + v) if v > 0 else -v / 4 for v in row] for row in POINTS],
        ),
        (
            EARLY,
            [[1 / v if v > 1 else exp(v) if v > 0 else v**3 for v in row] for row in POINTS],
        ),
        (SERIES, POINTS - POINTS**2 / 2 + POINTS**3 / 6 - POINTS**4 / 24 + 6),
    ],
)
def test_a_text_is_what_it_says(text: str, expected: np.ndarray | None) -> None:
    if expected is None:
        expected = 1.0 * (POINTS < 0) + (POINTS <= -0.5) + 2 * (POINTS != 3)
    np.testing.assert_allclose(run(text), np.asarray(expected, float), atol=1e-12)


@pytest.mark.parametrize("text", [GELU, SWITCH, EARLY, SERIES, "x * sigmoid(x)", "exp(x)/sum(x)"])
def test_slopes_are_those_of_differences(text: str) -> None:
    x = torch.tensor(POINTS, requires_grad=True)
    assert torch.autograd.gradcheck(Elementwise(compile_function(text, ACTIVATION)), (x,))


def test_a_way_not_taken_spoils_no_slope() -> None:
    x = torch.tensor([-1.0, 0.0, 4.0, 800.0], requires_grad=True)
    text = "function f(x); y = 0; if x > 1 then y = sqrt(x); else y = exp(x); return(y); endsub;"

    (slope,) = torch.autograd.grad(compile_function(text, ACTIVATION)(x).sum(), x)

    assert slope.tolist() == pytest.approx([exp(-1), 1.0, 0.25, 0.5 / sqrt(800)])


def test_elements_count_from_one() -> None:
    function = compile_function("x[1] * w[2] + w[1]", FORWARD)
    found = function(torch.tensor([[3.0, 9.0], [4.0, 9.0]]), torch.tensor([0.5, 2.0]))
    assert found.tolist() == [[6.5], [8.5]]


def test_a_loss_is_called_by_its_own_names() -> None:
    text = "function mine(truth, guess); return(abs(truth - guess)); endsub;"
    found = compile_function(text, LOSS)(torch.tensor([1.0]), torch.tensor([3.0]))
    assert found.tolist() == [2.0]


def test_a_compiled_function_can_be_sent_to_another_process() -> None:
    function = compile_function(SWITCH, ACTIVATION)
    assert pickle.loads(pickle.dumps(function)) == function  # noqa: S301


def test_texts_see_nothing_but_their_arguments() -> None:
    for word in ("torch", "self", "__import__", "open", "eval", "inputs", "steps"):
        with pytest.raises(LayerError, match=r"got the (name|function) "):
            compile_function(f"{word} + x", ACTIVATION)
        with pytest.raises(LayerError, match=r"got the (name|function) "):
            compile_function(f"{word}(x)", ACTIVATION)


AT = "option 'fcmpAct': function at line 1, column"
MANY_CHOICES = "function f(x); do i = 1 to 90; if x > i then return(i); end; return(x); endsub;"
REFUSED = [
    ("", "option 'fcmpAct': function got an empty text, expected an expression or a function"),
    ("x" * 8001 + "+1", "option 'fcmpAct': function got 8003 characters, expected at most 8000"),
    (
        "mine",
        (
            "option 'fcmpAct' got the bare name 'mine', expected the text of the function itself: "
            "an "
            "expression of (x), or function name(x); ..."
        ),
    ),
    ("x.data", f"{AT} 2 got '.', expected '(', ')', ',', ';', '[', ']', 'by', 'then', 'to', an"),
    ("import os", f"{AT} 8 got 'os', expected "),
    ("(x", f"{AT} 3 got the end of the text, expected ')'"),
    ("x +", f"{AT} 4 got the end of the text, expected "),
    ("x < 1 < 2", f"{AT} 7 got '<', expected "),
    ("'x'", f'{AT} 1 got "\'", expected '),
    ("x; x", f"{AT} 4 got 'x', expected the end"),
    ("tanhh(x)", f"{AT} 1 got the function 'tanhh', expected one that is known; the nearest is "),
    ("y", "option 'fcmpAct' got the bare name 'y', expected "),
    ("y + 1", f"{AT} 1 got the name 'y', expected one of x"),
    ("tanh()", f"{AT} 1 got 0 arguments of 'tanh', expected 1"),
    ("max()", f"{AT} 1 got 0 arguments of 'max', expected 1 or more"),
    ("x[1]", f"{AT} 1 got an element of 'x', expected an argument that is an array"),
    ("dim(x)", f"{AT} 1 got 'dim' of no array of numbers, expected an argument that is one"),
    ("9 ** 9 ** 9 ** 9", f"{AT} 8 got a value of inf, expected a finite one"),
    ("x + 1 / 0", f"{AT} 7 got a value of inf, expected a finite one"),
    ("x + 1e999", f"{AT} 5 got a value of inf, expected a finite one"),
    ("(" * 900 + "x" + ")" * 900 + " + (", f"{AT} 1806 got the end of the text, expected "),
    ("-" * 900 + "x", f"{AT} 861 got more than 40 expressions or statements inside one another"),
    ("tanh(" * 50 + "x" + ")" * 50, f"{AT} 51 got more than 40 expressions or statements inside"),
    (
        "function f(x); " + "if x > 0 then " * 50 + "x = 1; return(x); endsub;",
        f"{AT} 142 got more than 40 expressions or statements inside one another, expected fewer",
    ),
    (
        "function f(x); " + "do i = 1 to 2; " * 50 + "end; " * 50 + "return(x); endsub;",
        "got more than 40 expressions or statements inside one another, expected fewer",
    ),
    ("+".join(["x*x"] * 1500), "got more than 2000 operations, expected a shorter function"),
    (
        "function f(x); do i = 1 to 1e9; end; return(x); endsub;",
        f"{AT} 19 got a loop of 1000000000 turns, expected at most 10000 turns",
    ),
    (
        "function f(x); do i = 1 to 2 by 0; end; return(x); endsub;",
        f"{AT} 19 got a loop that never ends, expected at most 10000 turns",
    ),
    (
        "function f(x); do i = 1 to x; end; return(x); endsub;",
        f"{AT} 28 got a value that depends on the data, expected a constant",
    ),
    (
        "function f(x); do i = 1 to 9999; do j = 1 to 9999; y = j; end; end; return(x); endsub;",
        "got more than 200000 steps of work, expected a shorter function",
    ),
    (
        (
            "function f(x); do i = 1 to 9000; "
            "y = 1 + 2 + 3 + 4 + 5 + 6 + 7 + 8 + 9 + 10 + 11 + 12 + 13 + 14 + 15 + 16 + 17 + 18;"
            "end; return(x); endsub;"
        ),
        "got more than 200000 steps of work, expected a shorter function",
    ),
    (
        MANY_CHOICES,
        f"{AT} 32 got more than 60 choices inside or after one another, expected fewer, or ifn(",
    ),
    (
        "function f(x); if x > 0 then y = 1; return(y); endsub;",
        f"{AT} 44 got the name 'y', expected one of x",
    ),
    (
        "function f(x); if x > 0 then return(x); endsub;",
        (
            "option 'fcmpAct': function 'f' got a way through without a return, expected "
            "return(value); at the end"
        ),
    ),
    (
        "function f(a, b); return(a); endsub;",
        (
            "option 'fcmpAct' got a function of (a, b), expected 1 arguments with names of "
            "their own, "
            "for (x)"
        ),
    ),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=range(len(REFUSED)))
def test_what_cannot_be_run_is_refused(text: str, message: str) -> None:
    with pytest.raises(LayerError, match=re.escape(message)):
        compile_function(text, ACTIVATION)


@pytest.mark.parametrize(
    ("statement", "word"),
    [("array z[3];", "array"), ("do while (x > 1); end;", "while"), ("call f(x);", "call")],
)
def test_statements_of_the_dialect_that_are_not_run_are_named(statement: str, word: str) -> None:
    message = (
        rf"^option 'fcmpAct': function at line 2, column \d+ got the statement '{word}', which is "
        "not supported yet; expected an assignment, if, do or return$"
    )
    with pytest.raises(NotSupportedError, match=message):
        compile_function(f"function f(x);\n{statement} return(x); endsub;", ACTIVATION)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x[0]", "got element 0, expected a whole number from 1"),
        ("x[1.5]", "got element 1.5, expected a whole number from 1"),
        (
            "function f(x[*], w[*]); w = 1; return(w); endsub;",
            "got an assignment to the argument 'w', expected another name",
        ),
    ],
)
def test_arrays_are_read_by_whole_places_only(text: str, message: str) -> None:
    with pytest.raises(LayerError, match=re.escape(message)):
        compile_function(text, FORWARD)


def test_an_element_that_is_not_there_is_an_error() -> None:
    function = compile_function("x[3]", FORWARD)
    with pytest.raises(IndexError, match=r"^element 3 of 2$"):
        function(torch.ones(1, 2), torch.ones(0))


SERIES_OF = Signature("fcmpLearningRate", ("a", "loss"), ("loss",))


@pytest.mark.parametrize(
    ("text", "losses", "expected"),
    [
        ("loss + a", (), 2.0),
        ("loss + a", (3.0, 5.0), 7.0),
        ("loss[1] * dim(loss)", (3.0, 5.0), 6.0),
        ("min(loss) + max(loss) + sum(loss) + mean(loss)", (3.0, 5.0), 20.0),
        ("function f(b, l[*]); if b > 1 then return(10); return(sqrt(-1)); endsub;", (), 10.0),
    ],
)
def test_numbers_give_a_number(text: str, losses: tuple[float, ...], expected: float) -> None:
    assert evaluate(text, SERIES_OF, (2.0, losses)) == expected


def test_an_element_beyond_the_numbers_is_refused() -> None:
    message = (
        "option 'fcmpLearningRate': function at line 1, column 1 got element 2, expected a whole "
        "number from 1 to 1"
    )
    with pytest.raises(LayerError, match=f"^{message}$"):
        evaluate("loss[2]", SERIES_OF, (2.0, (1.0,)))


def test_which_arguments_are_read_is_known() -> None:
    text = "function f(a, b, c, d, e, now, l[*]); x = l[1]; return(a * now); endsub;"
    assert uses(text, LEARNING_RATE, "batch")
    assert uses(text, LEARNING_RATE, "loss")
    assert not uses(text, LEARNING_RATE, "gamma")


def test_the_value_of_single_precision_stays_single() -> None:
    x: Tensor = torch.ones(2)
    assert compile_function("ifn(x > 0, 0.1, 0.2)", ACTIVATION)(x).dtype == torch.float32
