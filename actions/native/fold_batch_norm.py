from actions.context import Context
from actions.native.operating import Operation, OperationParams, operate
from actions.registry import action
from actions.results import ActionResult
from engine.surgery.folding import fold_norms


class FoldBatchNormParams(OperationParams):
    """Parameters of castorch.foldBatchNorm."""


@action("castorch.foldBatchNorm")
def fold_batch_norm(ctx: Context, p: FoldBatchNormParams) -> ActionResult:
    """Make a model whose batch normalisations are part of the weights before them.

    With the stored mean and standard deviation, act(gamma (w x + b - mean) / s + beta) is the layer
    of weights w gamma / s and bias (b - mean) gamma / s + beta. The new model scores as the old one
    does, with fewer layers. Normalisations are folded into convo, groupconvo and fc layers without
    activation and dropout that feed nothing else; others stay. ``changed`` names the layers that
    took one in.

    Raises:
        TableNotFound: the session sees no such table.
        WrongKind: a table is of another kind.
        WeightsError: the weights belong to another model.
        GraphError: there is no normalisation that can be folded.
        InvalidParameters: both results have one name.
        TableExists: a name is taken and ``replace`` is false.
    """
    return operate(ctx, p, Operation("folded", fold_norms))
