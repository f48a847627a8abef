import subprocess
import sys

HEAVY = ["alembic", "duckdb", "h5py", "optuna", "pandas", "psycopg", "pyarrow.parquet", "scipy"]
HEAVY += ["pyarrow.compute", "sympy", "torch._dynamo"]


def said(program: str) -> str:
    """Return the last line that a program of its own process prints."""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return done.stdout.splitlines()[-1]


def test_a_worker_loads_no_library_that_most_jobs_do_without() -> None:
    found = said(
        "import sys, server.jobs.worker, server.wiring\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )

    assert found == "[]"


def test_arrow_makes_arrays_without_pandas() -> None:
    found = said(
        "import sys, pyarrow as pa\n"
        "from server.lean import spare_pandas\n"
        "spare_pandas()\n"
        "print(pa.array([1, None]).to_pylist(), 'pandas' in sys.modules)"
    )

    assert found == "[1, None] False"


def test_arrow_that_was_spared_pandas_gives_tables_of_it_all_the_same() -> None:
    found = said(
        "import pyarrow as pa\n"
        "from server.lean import spare_pandas\n"
        "spare_pandas()\n"
        "import pandas as pd\n"
        "frame = pa.table({'a': [7]}).to_pandas()\n"
        "print(frame['a'].tolist(), pa.array(pd.Series([3])).to_pylist())"
    )

    assert found == "[7] [3]"


def test_pandas_that_is_loaded_stays_known_to_arrow() -> None:
    found = said(
        "import pandas as pd, pyarrow as pa\n"
        "from server.lean import spare_pandas\n"
        "spare_pandas()\n"
        "print(pa.array(pd.Series([1.0, float('nan')])).null_count)"  # NaN of pandas is missing
    )

    assert found == "1"
