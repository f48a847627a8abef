from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from actions.analysis import Study, study
from actions.answers import Declared
from actions.context import Context
from actions.errors import InvalidParameters
from actions.expression import resolve
from actions.grouped import Part, answer
from actions.params import ActionParams, TableRef, Variable
from actions.registry import action
from actions.results import ActionResult, Cell

Floats = NDArray[np.float64]

ROC_COLUMNS: Declared = (
    ("Variable", "string"),
    ("Event", "string"),
    ("CutOff", "double"),
    ("TP", "double"),
    ("FP", "double"),
    ("FN", "double"),
    ("TN", "double"),
    ("Sensitivity", "double"),
    ("Specificity", "double"),
    ("KS", "double"),
    ("KS2", "double"),
    ("F_HALF", "double"),
    ("FPR", "double"),
    ("ACC", "double"),
    ("FDR", "double"),
    ("F1", "double"),
    ("C", "double"),
    ("GINI", "double"),
    ("GAMMA", "double"),
    ("TAU", "double"),
    ("MISCEVENT", "double"),
)
LIFT_COLUMNS: Declared = (
    ("Variable", "string"),
    ("Event", "string"),
    ("Depth", "double"),
    ("Value", "double"),
    ("NObs", "double"),
    ("NEvents", "double"),
    ("Resp", "double"),
    ("CumResp", "double"),
    ("PctResp", "double"),
    ("CumPctResp", "double"),
    ("Lift", "double"),
    ("CumLift", "double"),
)
FIT_COLUMNS: Declared = (
    ("NObs", "double"),
    ("ASE", "double"),
    ("MCE", "double"),
    ("MCLL", "double"),
)


class AssessParams(ActionParams):
    """Parameters of percentile.assess."""

    later: ClassVar[Mapping[str, str]] = {
        "weight": "every row counts as one",
        "freq": "every row counts as one",
        "pVar": "'inputs' says where the probability of the event is",
        "pEvent": "'inputs' says where the probability of the event is",
        "groupByLimit": "all groups are assessed",
        "casOut": "the measures are in the answer",
        "rocOut": "the measures are in the answer",
        "fitStatOut": "the measures are in the answer",
    }

    table: TableRef
    """The scored table, its ``where``, and the ``groupBy`` that divides its rows."""
    inputs: tuple[Variable, ...] = Field(min_length=1, max_length=1)
    """The column with the predicted probability of the event."""
    response: Variable
    """The column with the true level."""
    event: str | float | None = None
    """The level that is the event; left out: the last of all levels."""
    cut_step: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    """Distance of two cutoffs, which go from 0 to 1."""
    n_bins: Annotated[int, Field(ge=2, le=1000)] = 20
    """Parts of equal size the rows are divided into for the lift."""
    include_roc: bool = True
    """Give ``ROCInfo``."""
    include_lift: bool = True
    """Give ``LIFTInfo``."""
    include_fit_stat: bool = True
    """Give ``FitStat``."""
    max_iters: int = 100
    """Accepted; nothing is approximated."""
    epsilon: float = 1e-5
    """Accepted; as above."""


@dataclass(frozen=True)
class Scores:
    """Predicted probabilities of the event, and whether it happened."""

    values: Floats
    events: NDArray[np.bool_]


@action("percentile.assess")
def assess(ctx: Context, p: AssessParams) -> ActionResult:
    """Return how well a predicted probability tells an event: ROC curve, lift, and fit.

    ``ROCInfo`` has a row for each cutoff: a row of the table counts as predicted where its
    probability is at least the cutoff. ``C`` is the area under the curve over all rows, ties
    counting one half; ``GINI`` is 2 C - 1, ``GAMMA`` the same without ties, ``TAU`` over all pairs
    of rows. Rows that miss the probability or the level are left out.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: the probability is no number, or no row has the event.
        InvalidExpression: ``where`` cannot be read.
    """
    name = p.inputs[0].name
    with study(ctx, p.table, p.inputs, wanted="numbers", kept=(p.response.name,)) as found:
        event = _event(found, p.event)
        parts: dict[str, dict[int, list[list[Cell]]]] = {
            "ROCInfo": {},
            "LIFTInfo": {},
            "FitStat": {},
        }
        for group in found.groups:
            scores = _scores(found, group.number, event)
            shown = found.inputs[1].shown(event)
            begin: list[Cell] = [resolve(name, found.table.schema.names), shown]
            parts["ROCInfo"][group.number] = [[*begin, *row] for row in _roc(scores, p.cut_step)]
            parts["LIFTInfo"][group.number] = [[*begin, *row] for row in _lift(scores, p.n_bins)]
            parts["FitStat"][group.number] = [_fit(scores)]
        columns = {"ROCInfo": ROC_COLUMNS, "LIFTInfo": LIFT_COLUMNS, "FitStat": FIT_COLUMNS}
        wanted = {
            "ROCInfo": p.include_roc,
            "LIFTInfo": p.include_lift,
            "FitStat": p.include_fit_stat,
        }
        return answer(
            found,
            *(
                Part(each, columns[each], rows, f"{each} for {found.table.info.name.upper()}")
                for each, rows in parts.items()
                if wanted[each]
            ),
        )


def _event(found: Study, wanted: str | float | None) -> float | str:
    """Return the level that is the event."""
    levels = [
        value
        for (value,) in found.ask("SELECT DISTINCT c1 FROM rows WHERE c1 IS NOT NULL ORDER BY c1")
    ]
    response = found.inputs[1]
    if wanted is None and levels:
        return levels[-1]  # type: ignore[no-any-return]
    text = str(wanted).strip()
    for level in levels:
        if level == wanted or response.shown(level) == text or _same_number(level, text):
            return level  # type: ignore[no-any-return]
    shown = ", ".join(repr(response.shown(level)) for level in levels[:10])
    raise InvalidParameters(
        f"parameter 'event' got {wanted!r}, expected a level of {response.name!r}: {shown}",
        parameter="event",
        got=wanted,
    )


def _same_number(level: object, text: str) -> bool:
    try:
        return isinstance(level, float) and float(text) == level
    except ValueError:
        return False


def _scores(found: Study, group: int, event: float | str) -> Scores:
    sql = "SELECT c0, c1 = ? FROM rows WHERE g = ? AND c0 IS NOT NULL AND c1 IS NOT NULL"
    columns = found.duck.execute(sql, [event, group]).fetchnumpy()
    values, events = columns.values()
    return Scores(np.asarray(values, np.float64), np.asarray(events, np.bool_))


def _roc(scores: Scores, step: float) -> Sequence[list[Cell]]:
    events = np.sort(scores.values[scores.events])
    others = np.sort(scores.values[~scores.events])
    if not len(events) and not len(others):
        return []
    count = round(1 / step)
    cutoffs = [min(1.0, round(place * step, 12)) for place in range(count)] + [1.0]
    pairs = _pairs(events, others)
    rows = []
    for cutoff in cutoffs:
        tp = len(events) - int(np.searchsorted(events, cutoff))
        fp = len(others) - int(np.searchsorted(others, cutoff))
        rows.append(_cut(cutoff, tp, fp, len(events) - tp, len(others) - fp))
    best = max(range(len(rows)), key=lambda at: float(rows[at][6] or 0))  # type: ignore[arg-type]
    for at, row in enumerate(rows):
        row[5 + 2] = float(at == best)
    return [[*_ordered(row), *pairs, _misclassified(row)] for row in rows]


def _cut(cutoff: float, tp: int, fp: int, fn: int, tn: int) -> list[Cell]:
    sensitivity, false_rate = _ratio(tp, tp + fn), _ratio(fp, fp + tn)
    precision = _ratio(tp, tp + fp)
    return [
        cutoff,
        float(tp),
        float(fp),
        float(fn),
        float(tn),
        sensitivity,
        None if sensitivity is None or false_rate is None else sensitivity - false_rate,
        0.0,
        false_rate,
        precision,
    ]


def _ordered(row: list[Cell]) -> list[Cell]:
    """Return the columns of a cutoff up to F1, in their order."""
    cutoff, tp, fp, fn, tn, sensitivity, distance, is_best, false_rate, precision = row
    counts = [float(each or 0) for each in (tp, fp, fn, tn)]  # type: ignore[arg-type]
    return [
        cutoff,
        *counts,
        sensitivity,
        None if false_rate is None else 1 - float(false_rate),  # type: ignore[arg-type]
        is_best,
        distance,
        _f(counts, 0.5),
        false_rate,
        _ratio(counts[0] + counts[3], sum(counts)),
        None if precision is None else 1 - float(precision),  # type: ignore[arg-type]
        _f(counts, 1.0),
    ]


def _f(counts: Sequence[float], beta: float) -> float | None:
    """Return the F score, which weighs recall beta times as much as precision."""
    tp, fp, fn, _ = counts
    weight = beta * beta
    return _ratio((1 + weight) * tp, (1 + weight) * tp + weight * fn + fp)


def _misclassified(row: list[Cell]) -> float | None:
    _, tp, fp, fn, tn, *_ = (float(each or 0) for each in row)  # type: ignore[arg-type]
    return _ratio(fp + fn, tp + fp + fn + tn)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _pairs(events: Floats, others: Floats) -> list[Cell]:
    """Return C, GINI, GAMMA and TAU from pairs of a row with the event and one without."""
    every = float(len(events)) * len(others)
    if not every:
        return [None, None, None, None]
    below = float(np.searchsorted(others, events, "left").sum())
    tied = float(np.searchsorted(others, events, "right").sum()) - below
    above = every - below - tied
    rows = len(events) + len(others)
    gamma = _ratio(below - above, below + above)
    return [
        (below + tied / 2) / every,
        (below - above) / every,
        gamma,
        (below - above) / (rows * (rows - 1) / 2),
    ]


def _lift(scores: Scores, bins: int) -> list[list[Cell]]:
    """Return the share of events in parts of the rows, the most probable first."""
    order = np.argsort(-scores.values, kind="stable")
    rows, total = len(order), int(scores.events.sum())
    if not rows or not total:
        return []
    happened = scores.events[order]
    found: list[list[Cell]] = []
    for place in range(bins):
        first, last = round(place * rows / bins), round((place + 1) * rows / bins)
        if first == last:
            continue
        own, so_far = int(happened[first:last].sum()), int(happened[:last].sum())
        rate = total / rows
        found.append(
            [
                100.0 * (place + 1) / bins,
                float(scores.values[order[last - 1]]),
                float(last - first),
                float(own),
                100.0 * own / total,
                100.0 * so_far / total,
                100.0 * own / (last - first),
                100.0 * so_far / last,
                own / (last - first) / rate,
                so_far / last / rate,
            ]
        )
    return found


def _fit(scores: Scores) -> list[Cell]:
    """Return the mean squared error, the misclassification at one half, and the mean log loss."""
    rows = len(scores.values)
    if not rows:
        return [0.0, None, None, None]
    happened = scores.events.astype(np.float64)
    error = float(np.mean((scores.values - happened) ** 2))
    wrong = float(np.mean((scores.values >= 0.5) != scores.events))
    near = np.clip(np.where(scores.events, scores.values, 1 - scores.values), 1e-15, 1.0)
    return [float(rows), error, wrong, -sum(map(log, near.tolist())) / rows]
