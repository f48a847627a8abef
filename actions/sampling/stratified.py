import numpy as np

from actions.analysis import study
from actions.context import Context
from actions.errors import InvalidParameters
from actions.params import Variable
from actions.registry import action
from actions.results import ActionResult
from actions.sampling.rows import SampleParams, check, chosen, generator, shares, write


class StratifiedParams(SampleParams):
    """Parameters of sampling.stratified."""


@action("sampling.stratified")
def stratified(ctx: Context, p: StratifiedParams) -> ActionResult:
    """Choose rows at random in every group of ``table.groupBy``, the same share of each.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: the percentages are not possible, or ``groupBy`` names no column.
        InvalidExpression: ``where`` cannot be read.
        TableExists: the name is taken and ``replace`` is false.
    """
    check(p)
    if not p.table.group_by:
        raise InvalidParameters(
            "parameter 'table.groupBy' got no column, expected at least one",
            parameter="table.groupBy",
        )
    random = generator(p.seed)
    counts = []
    with study(ctx, p.table, (Variable(name=p.table.group_by[0].name),)) as found:
        numbers = np.array([g for (g,) in found.ask("SELECT g FROM rows ORDER BY r")], np.int64)
        parts = np.zeros(len(numbers), np.int8)
        for group in found.groups:
            places = np.flatnonzero(numbers == group.number)
            taken = shares(p, len(places))
            parts[places] = chosen(len(places), taken, random)
            texts = (each.shown(value) for each, value in zip(found.by, group.values, strict=True))
            counts.append((", ".join(texts), len(places), taken.first, taken.second))
    return write(ctx, p, parts, counts)
