"""The parameter ``nWorkers``."""

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
    check_others(ctx.gather, workers)
    assert ctx.gather is not None  # noqa: S101 - it was looked at
    with ctx.gather(workers) as party:
        yield party.meet


def check_others(way: object, workers: int) -> None:
    """Refuse several workers where there is no way to others.

    Raises:
        NotSupportedError: there is none.
    """
    if way is None:
        raise NotSupportedError(
            f"parameter 'nWorkers' got {workers}, which needs a server with the setting runner = "
            "ray; expected 1",
            parameter="nWorkers",
        )


def _alone(device: str) -> Replicas:
    del device
    return ALONE
