from actions.context import Context
from actions.reading import open_table
from actions.registry import action
from actions.results import ActionResult
from actions.sampling.rows import SampleParams, check, chosen, generator, shares, write


class SrsParams(SampleParams):
    """Parameters of sampling.srs."""


@action("sampling.srs")
def srs(ctx: Context, p: SrsParams) -> ActionResult:
    """Choose rows of a table at random, all with the same chance and none twice.

    The samples have exactly the asked-for share of the rows, rounded. The same seed chooses the
    same rows of the same table.

    Raises:
        TableNotFound: the session sees no such table.
        ColumnNotFound: a column does not exist.
        InvalidParameters: the percentages are not possible.
        InvalidExpression: ``where`` cannot be read.
        TableExists: the name is taken and ``replace`` is false.
    """
    check(p)
    rows = sum(batch.num_rows for batch in open_table(ctx, p.table).batches())
    taken = shares(p, rows)
    parts = chosen(rows, taken, generator(p.seed))
    return write(ctx, p, parts, [(None, rows, taken.first, taken.second)])
