"""Train an example from end to end on a server of its own, and keep what it showed.

    python benchmarks/long_runs.py mnist FOLDER            # the four idx files of MNIST
    python benchmarks/long_runs.py sentences FOLDER        # rt-polarity.pos and rt-polarity.neg
    python benchmarks/long_runs.py cifar10 FOLDER          # cifar10_jpeg.zip; takes a graphics card
    python benchmarks/long_runs.py cifar10-short FOLDER    # the same for a processor, cut short
    python benchmarks/long_runs.py transfer FOLDER         # the four idx files of MNIST

The example says by its exit status whether it reached its goal. All it printed goes, with the time
and the machine, to ``benchmarks/results/``; ``benchmarks/long-runs.md`` is the record.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from service import HERE, started_server

EXAMPLES = HERE.parent / "examples"
RUNS: dict[str, tuple[str, ...]] = {
    "mnist": ("mnist_lenet.py", "--data", "{data}"),
    "sentences": (
        "sentences.py",
        *("--positive", "{data}/rt-polarity.pos", "--negative", "{data}/rt-polarity.neg"),
    ),
    "cifar10": ("cifar10.py", "--data", "{data}/cifar10_jpeg.zip"),
    "cifar10-short": (
        "cifar10.py",
        *("--data", "{data}/cifar10_jpeg.zip", "--rows", "5000", "--epochs", "3"),
    ),
    "transfer": ("transfer.py", "--mnist", "{data}"),
}
"""By name: the example and its arguments."""


def run(name: str, data: Path) -> dict[str, object]:
    """Run an example and return what it showed, what it took and where."""
    script, *arguments = (part.format(data=data) for part in RUNS[name])
    lines = []
    start, load = time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, started_server(Path(folder)) as url:
        command = [sys.executable, "-u", str(EXAMPLES / script), *arguments, "--url", url]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                lines.append(line.rstrip())
    return {
        "run": name,
        "reached": process.returncode == 0,
        "minutes": round((time.monotonic() - start) / 60, 2),
        "threads": os.environ.get("CASTORCH_WORKER_THREADS", os.cpu_count()),
        "load_before": load,
        "machine": f"{platform.machine()}, {os.cpu_count()} processors, {platform.system()}",
        "python": platform.python_version(),
        "torch": version("torch"),
        "date": time.strftime("%Y-%m-%d"),
        "printed": lines,
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", choices=RUNS, help="which example")
    parser.add_argument("data", type=Path, help="folder of its data")
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    found = run(args.run, args.data.resolve())
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"long-{args.run}.json").write_text(json.dumps(found, indent=1))
    verdict = "reached" if found["reached"] else "NOT reached"
    print(f"{args.run}: goal {verdict}, {found['minutes']} min on {found['threads']} thread(s)")
    return 0 if found["reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
