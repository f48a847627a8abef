"""Programs that tests run in a process of its own."""

import os
import subprocess
import sys


def printed(program: str, **environment: str) -> str:
    """Return what a program prints.

    Args:
        program: in Python.
        environment: variables beside those of this process.
    """
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return done.stdout
