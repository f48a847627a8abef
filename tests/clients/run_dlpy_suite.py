"""Run sas-dlpy's own unit tests, as they are, against a server of ours, and count what passes.

    .venv-clients/bin/python tests/clients/run_dlpy_suite.py PATH [--only layers,network]

PATH is a checkout or an unpacked source distribution of sas-dlpy 1.3.0. Folders of pictures that a
source distribution lacks are made up in it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.clients import stand_ins

HERE = Path(__file__).resolve().parent
COMMAND = os.environ.get("CASTORCH_COMMAND", str(HERE.parents[1] / ".venv" / "bin" / "castorch"))
OUTCOMES = ("passed", "failed", "skipped")


def main() -> int:
    """Run the files one by one and print a line of counts for each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--only", default="", help="names of files without test_ and .py")
    parser.add_argument("--select", default="", help="a pytest expression, as with -k")
    parser.add_argument("--seconds", type=int, default=120, help="longest time of one test")
    parser.add_argument("--url", help="a server that runs already; left out: one is started")
    parser.add_argument("--reports", type=Path, help="folder for what pytest prints")
    options = parser.parse_args()
    stand_ins.make(options.checkout / "dlpy" / "tests" / "datasources")
    with tempfile.TemporaryDirectory(prefix="dlpy-") as folder:
        reports = options.reports or Path(folder)
        reports.mkdir(parents=True, exist_ok=True)
        if options.url:
            run_files(options, options.url, reports)
            return 0
        with server(Path(folder), options.checkout) as process:
            assert process.stdout is not None
            run_files(options, process.stdout.readline().split()[-1], reports)
            process.terminate()
    return 0


def server(folder: Path, checkout: Path) -> "subprocess.Popen[str]":
    """Start a server that may read and write the data of the tests."""
    roots = '["{}", "{}"]'.format(checkout.resolve(), tempfile.gettempdir())
    database = "sqlite:///{}".format(folder / "castorch.db")
    return subprocess.Popen(  # noqa: S603 - our own server
        [COMMAND, "serve", "--port", "0", "--database", database, "--data", str(folder / "data")],
        stdout=subprocess.PIPE,
        stderr=(folder / "server.log").open("w"),
        text=True,
        cwd=str(folder),
        env={**os.environ, "CASTORCH_CASLIB_ROOTS": roots},
    )


def run_files(options: argparse.Namespace, url: str, reports: Path) -> None:
    """Run every file of tests, and print counts for each and for all."""
    wanted = [name for name in options.only.split(",") if name]
    folder = options.checkout / "dlpy" / "tests"
    names = wanted or sorted(each.stem[len("test_") :] for each in folder.glob("test_*.py"))
    total: Dict[str, int] = dict.fromkeys(OUTCOMES, 0)
    for name in names:
        started = time.monotonic()
        counts = run_file(options, folder / "test_{}.py".format(name), url, reports)
        print(line(name, counts, time.monotonic() - started), flush=True)
        total = {each: total[each] + counts[each] for each in OUTCOMES}
    print(line("all", total, 0.0))


def line(name: str, counts: Dict[str, int], seconds: float) -> str:
    """Return the counts of a file as text."""
    shown = "  ".join("{} {:4d}".format(each, counts[each]) for each in OUTCOMES)
    return "{:24s}{}  {:6.0f} s".format(name, shown, seconds)


def run_file(options: argparse.Namespace, file: Path, url: str, reports: Path) -> Dict[str, int]:
    """Run one file and return how many of its tests passed, failed and were skipped."""
    report = reports / (file.stem + ".xml")
    command: List[str] = [sys.executable, "-m", "pytest", "-q", "-p", "tests.clients.deadlines"]
    command += ["-p", "no:cacheprovider", "--junitxml", str(report), "-ra"]
    command += ["-k", options.select] if options.select else []
    with (reports / (file.stem + ".txt")).open("w") as printed:
        subprocess.run(  # noqa: S603 - pytest on the given folder
            [*command, str(file.resolve())],
            cwd=str(options.checkout),
            stdout=printed,
            stderr=subprocess.STDOUT,
            env=environment(options, url),
            check=False,
        )
    return counted(report)


def environment(options: argparse.Namespace, url: str) -> Dict[str, str]:
    """Return what the tests read from their environment."""
    host, port = url.rpartition("/")[2].split(":")
    data = str((options.checkout / "dlpy" / "tests" / "datasources").resolve()) + "/"
    paths = [str(options.checkout.resolve()), str(HERE.parents[1])]
    return {
        **os.environ,
        "CASHOST": host,
        "CASPORT": port,
        "CASPROTOCOL": "http",
        "CASUSER": "dlpy",
        "CASPASSWORD": "dlpy",
        "DLPY_DATA_DIR": data,
        "DLPY_DATA_DIR_LOCAL": data,
        "DLPY_DATA_DIR_SERVER": data,
        "MPLBACKEND": "Agg",
        "PYTHONPATH": os.pathsep.join(paths),
        "TEST_SECONDS": str(options.seconds),
    }


def counted(report: Path) -> Dict[str, int]:
    """Return the counts of a report of pytest; errors count as failures."""
    counts = dict.fromkeys(OUTCOMES, 0)
    if not report.exists():
        return counts
    for case in ElementTree.parse(str(report)).getroot().iter("testcase"):  # noqa: S314
        kinds = {each.tag for each in case}
        failed = kinds & {"failure", "error"}
        counts["failed" if failed else "skipped" if "skipped" in kinds else "passed"] += 1
    return counts


if __name__ == "__main__":
    sys.exit(main())
