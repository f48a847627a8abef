"""Finds the compiled loops that this processor can run."""

import ctypes
import logging
from functools import cache
from pathlib import Path

import torch

LOG = logging.getLogger(__name__)

FOLDER = Path(__file__).parent

BUILT_FOR = {"AVX512": "avx512", "AVX2": "avx2"}
"""What the processor is capable of, as torch calls it, and the part of a file's name."""


@cache
def library(name: str, *handed: type[ctypes.Structure]) -> ctypes.CDLL | None:
    """Return a library; None: it was not built, or not for this processor or of other sources.

    Its loops run in torch's own threads (``GOMP_parallel``), as many as torch may use here.

    Args:
        name: of its source, without the ending.
        handed: what its loops are handed; were they built to read something else, they would read
            and write anywhere.
    """
    built_for = BUILT_FOR.get(torch.backends.cpu.get_cpu_capability())
    path = FOLDER / f"{name}-{built_for}.so"
    if not path.exists():
        return None
    try:
        found = ctypes.CDLL(str(path))
        expected, built = sum(map(ctypes.sizeof, handed)), found.castorch_handed_bytes()
    except (OSError, AttributeError) as error:
        LOG.warning("%s is not used: %s", path.name, error)
        return None
    if built != expected:
        told = f"it is handed {built} bytes, expected {expected}; install the package again"
        LOG.warning("%s is not used: %s", path.name, told)
        return None
    return found


@cache
def lanes(library: ctypes.CDLL) -> int:
    """Return how many numbers a vector of a library's loops has."""
    return int(library.castorch_lanes())
