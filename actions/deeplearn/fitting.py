"""The mini-batch to take when one did not fit into memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from actions.deeplearn.summary import training_bytes
from engine.devices import choose_device, memory_told
from engine.errors import MemoryExhausted
from engine.graph.infer import account
from engine.memory import free_bytes

if TYPE_CHECKING:
    from actions.deeplearn.training import Training

SHARE = 0.25
"""Of the free memory that a mini-batch is given; the rest is for what the estimate leaves out: what
operations keep on the way, and room the heap grows ahead. A wide network took 3.2 times the
estimate."""

MEGABYTE = 1 << 20


@contextmanager
def batch_told(training: "Training") -> Iterator[None]:
    """Tell, when memory runs out inside the block, which mini-batch would fit.

    Raises:
        MemoryExhausted: an allocation was refused.
    """
    free = free_bytes(choose_device(training.device), training.ctx.memory_bytes)
    try:
        with memory_told():
            yield
    except MemoryExhausted as error:
        raise _explained(training, free) from error


def fitting_rows(free: int, fixed: int, row: int, rows: int) -> int:
    """Return a mini-batch that fits where one of ``rows`` did not, a power of two; 0: none.

    Args:
        free: bytes there were before training.
        fixed: bytes that do not depend on the mini-batch.
        row: bytes of every row of a mini-batch.
        rows: of the mini-batch that did not fit.
    """
    fits = min(int(SHARE * free - fixed) // max(1, row), rows // 2)
    return 1 << (fits.bit_length() - 1) if fits > 0 else 0


def _explained(training: "Training", free: int) -> MemoryExhausted:
    layers, rows = account(training.graph, training.schema.options), training.batch_rows
    fixed = training_bytes(layers, 0)
    row = training_bytes(layers, 1) - fixed
    threads = training.p.n_threads or 1
    size = fitting_rows(free, fixed, row, rows) // threads
    way = f"miniBatchSize {size} would fit" if size else "use a smaller model"
    limit = training.ctx.memory_bytes
    whose = "the memory there is" if limit is None else f"the {_megabytes(limit)} MB of a job"
    return MemoryExhausted(
        f"training does not fit into {whose}: a mini-batch of {rows} rows needs at least "
        f"{_megabytes(fixed + rows * row)} MB, of which {_megabytes(free)} MB were free; {way}",
        batch_rows=rows,
        needed_bytes=fixed + rows * row,
        free_bytes=free,
        limit_bytes=limit,
        mini_batch_size=size or None,
    )


def _megabytes(count: int) -> int:
    return -(-count // MEGABYTE)
