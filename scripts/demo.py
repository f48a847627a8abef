"""Start a server on SQLite and a free port, run the digits example against it, stop the server."""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "digits_lenet.py"
START_S = 120.0
STOP_S = 20.0
READY = re.compile(r"serves (http://\S+)")


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run a server with its database and files in a folder, and give its address.

    Raises:
        RuntimeError: the server ended before it was ready, or does not answer.
    """
    command = [sys.executable, "-m", "castorch", "serve", "--port", "0"]
    places = ["--database", f"sqlite:///{folder / 'demo.db'}", "--data", str(folder / "data")]
    log = folder / "server.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*command, *places], stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder
        ) as server,
    ):
        try:
            line = server.stdout.readline() if server.stdout else ""
            found = READY.search(line)
            if found is None:
                raise RuntimeError(f"the server did not start:\n{log.read_text()}")
            wait_until_healthy(found[1])
            yield found[1]
        finally:
            server.terminate()
            server.wait(STOP_S)


def wait_until_healthy(url: str) -> None:
    """Ask the server whether it is well until it says so.

    Raises:
        RuntimeError: it did not say so in time.
    """
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        try:
            with urlopen(f"{url}/healthz", timeout=START_S) as answer:  # noqa: S310 - our server
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server at {url} did not become healthy in {START_S:g} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for curves.png")
    args = parser.parse_args()
    start = time.monotonic()
    with TemporaryDirectory(prefix="castorch-demo-") as folder, served(Path(folder)) as url:
        print(f"a castorch server on SQLite runs at {url}\n", flush=True)
        command = [sys.executable, str(EXAMPLE), "--url", url, "--out", str(args.out)]
        status = subprocess.run(command, check=False).returncode
    print(f"\nthe demo took {time.monotonic() - start:.0f} s")
    return status


if __name__ == "__main__":
    sys.exit(main())
