"""The parameter ``nWorkers`` of a training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from actions.context import Context
from engine.errors import NotSupportedError
from engine.train.replicas import ALONE, Replicas


@contextmanager
def together(ctx: Context, workers: int) -> Iterator[Callable[[str], Replicas]]:
    """Let so many workers run the action; yield how this one, on its device, meets the others.

    Raises:
        NotSupportedError: there are no others.
    """
    if workers == 1:
        yield _alone
        return
    if ctx.gather is None:
        raise NotSupportedError(
            f"parameter 'nWorkers' got {workers}, which needs a server with the setting runner = "
            "ray; expected 1",
            parameter="nWorkers",
        )
    with ctx.gather(workers) as party:
        yield party.meet


def _alone(device: str) -> Replicas:
    del device
    return ALONE
