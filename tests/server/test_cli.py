import logging
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from server.cli import main, migrate, serve, token, worker
from server.store import SqlStores
from tests.server.running import START_S

Launch = Callable[..., "Process"]
EXTENSIONS = '["tests.server.trial_actions"]'


@pytest.fixture(autouse=True)
def same_logging() -> Iterator[None]:
    """Put the logging of the tests back after a command has set up its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Process:
    """A server in a process of its own."""

    def __init__(self, popen: "subprocess.Popen[str]", line: str) -> None:
        self.popen = popen
        self.line = line
        self.url = line.rpartition(" ")[2]

    def post(self, action: str, prefer: str = "wait", **params: object) -> httpx.Response:
        url = f"{self.url}/v1/actions/{action}"
        return httpx.post(
            url, json=params, headers={"Prefer": prefer}, timeout=START_S, trust_env=False
        )

    def get(self, path: str) -> dict[str, object]:
        body: dict[str, object] = httpx.get(
            f"{self.url}{path}", timeout=START_S, trust_env=False
        ).json()
        return body

    def until(self, job: str, *states: str) -> dict[str, object]:
        deadline = time.monotonic() + START_S
        while (body := self.get(f"/v1/jobs/{job}"))["state"] not in states:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return body

    def warm_worker(self) -> int:
        """Wait until the only worker is ready, and return its process id."""
        deadline = time.monotonic() + START_S
        while self.get("/readyz")["workers"] != {"ready": 1, "of": 1}:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return self.workers()[0]

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.popen.pid}/task").glob("*/children")
        return [int(pid) for each in children for pid in each.read_text().split()]


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'castorch.db'}"


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start ``python -m server serve`` in the test's folder; killed after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str, **settings: str) -> Process:
        given = {f"CASTORCH_{name.upper()}": value for name, value in settings.items()}
        with (tmp_path / f"log-{len(started)}").open("w") as log:
            popen = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-P", "-m", "server", "serve", "--port", "0", *options],
                cwd=tmp_path,
                env={**os.environ, "CASTORCH_EXTENSIONS": EXTENSIONS, **given},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        started.append(popen)
        assert popen.stdout is not None
        assert select.select([popen.stdout], [], [], START_S)[0]
        return Process(popen, popen.stdout.readline().strip())

    yield start
    for popen in started:
        popen.kill()
        popen.wait()
        if popen.stdout is not None:
            popen.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_says_one_line_and_ends_well_when_asked_to(
    launch: Launch, number: signal.Signals, tmp_path: Path
) -> None:
    process = launch("--workers", "1")
    assert re.fullmatch(r"castorch \S+ serves http://127\.0\.0\.1:\d+", process.line)
    assert process.post("trial.train", epochs=1).status_code == 200
    (pid,) = process.workers()

    process.popen.send_signal(number)
    code = process.popen.wait(START_S)

    assert code == 0
    assert process.popen.stdout is not None
    assert process.popen.stdout.read() == ""
    assert not Path(f"/proc/{pid}").exists()
    assert (tmp_path / "castorch.db").exists()
    assert list((tmp_path / "castorch-data" / "castorch-spool").iterdir()) == []


@pytest.mark.slow
def test_a_server_that_is_asked_to_stop_fails_its_running_jobs_with_a_reason(
    launch: Launch, tmp_path: Path
) -> None:
    process = launch("--workers", "1", stop_grace_s="0")
    job = process.post("trial.train", "respond-async", epochs=1000, pause_s=5).json()["job"]["id"]
    process.until(job, "running")

    process.popen.terminate()
    assert process.popen.wait(START_S) == 0

    stores = SqlStores.open(url_of(tmp_path), data=tmp_path)
    found = stores.jobs.find(job, "local")
    stores.close()
    assert found.state == "failed"
    assert found.error is not None
    assert found.error["message"] == "the worker was stopped while the job ran"


@pytest.mark.slow
def test_what_was_committed_survives_a_server_killed_at_rest(launch: Launch) -> None:
    first = launch("--workers", "0")
    made = httpx.post(f"{first.url}/v1/sessions", json={"name": "kept"}, trust_env=False).json()

    first.popen.kill()
    first.popen.wait()
    second = launch("--workers", "0")

    assert second.get(f"/v1/sessions/{made['id']}")["name"] == "kept"


@pytest.mark.slow
def test_a_worker_whose_server_was_killed_finishes_its_job_and_ends(launch: Launch) -> None:
    first = launch("--workers", "1")
    answer = first.post("trial.train", "respond-async", epochs=20, pause_s=0.1, text="kept")
    job = answer.json()["job"]["id"]
    first.until(job, "running")
    (pid,) = first.workers()

    first.popen.kill()
    first.popen.wait()
    second = launch("--workers", "0")
    ended = second.until(job, "done", "failed", "cancelled")

    assert ended["state"] == "done"
    assert ended["result"]["values"]["text"] == "kept"  # type: ignore[index]
    deadline = time.monotonic() + START_S
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_a_job_killed_with_its_server_has_failed_with_a_reason_after_a_restart(
    launch: Launch,
) -> None:
    first = launch("--workers", "1", job_lease_s="1")
    made = first.post("trial.train", "respond-async", epochs=1000, pause_s=5).json()["job"]["id"]
    first.until(made, "running")
    (pid,) = first.workers()

    first.popen.kill()
    os.kill(pid, signal.SIGKILL)
    first.popen.wait()
    second = launch("--workers", "1", job_lease_s="1")
    ended = second.until(made, "done", "failed", "cancelled")
    after = second.post("trial.train", epochs=1)

    assert ended["state"] == "failed"
    assert isinstance(ended["error"], dict)
    assert ended["error"]["code"] == "job.failed"
    assert re.fullmatch(
        r"the worker '\S+' has not been heard of for 1 s", ended["error"]["message"]
    )
    assert after.status_code == 200


@pytest.mark.slow
def test_a_server_ends_in_time_while_a_request_computes(launch: Launch) -> None:
    server = launch("--workers", "0")
    with ThreadPoolExecutor() as pool:
        computing = pool.submit(server.post, "trial.compute", pauseS=90)
        time.sleep(1.0)

        server.popen.terminate()
        began = time.monotonic()

        assert server.popen.wait(START_S) == 0
        assert time.monotonic() - began < 20.0
        answer = computing.result()
    assert answer.status_code == 503
    assert answer.json()["code"] == "request.unfinished"
    assert answer.json()["message"] == "the server was stopped before the request came to its end"


@pytest.mark.slow
def test_a_worker_of_its_own_runs_the_jobs_of_a_server_without_any(
    launch: Launch, tmp_path: Path
) -> None:
    process = launch("--workers", "0", poll_s="0.05")
    other = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-P", "-m", "server", "worker", "--database", url_of(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "CASTORCH_EXTENSIONS": EXTENSIONS},
        stderr=subprocess.DEVNULL,
    )
    try:
        answer = process.post("trial.train", epochs=1)

        assert answer.json()["values"]["pid"] == other.pid
        other.terminate()
        assert other.wait(START_S) == 0
    finally:
        other.kill()
        other.wait()


@pytest.mark.slow
@pytest.mark.postgres
def test_workers_of_two_servers_share_the_jobs_of_one_postgresql(
    launch: Launch, postgres_url: str
) -> None:
    first = launch("--workers", "1", "--database", postgres_url)
    second = launch("--workers", "1", "--database", postgres_url)
    pids = {each.warm_worker() for each in (first, second)}

    jobs = [
        first.post("trial.train", "respond-async", epochs=1, pause_s=0.5).json()["job"]["id"]
        for _ in range(8)
    ]
    ended = [second.until(job, "done", "failed", "cancelled") for job in jobs]

    assert {body["state"] for body in ended} == {"done"}
    assert {body["result"]["values"]["pid"] for body in ended} == pids  # type: ignore[index]


def test_a_server_of_the_network_refuses_to_start_without_tokens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--host", "0.0.0.0", "--port", "0", "--workers", "0"]  # noqa: S104 - that is the test
    code = serve([*options, "--database", url_of(tmp_path), "--data", str(tmp_path)])

    assert code == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "castorch serve: the server is to listen beyond this machine and has no tokens; "
        "make one with 'castorch token add NAME', or listen on 127.0.0.1"
    )


def test_a_port_that_is_taken_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from server.serving import bind

    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        code = serve(["--port", str(port), "--database", url_of(tmp_path)])

    assert code == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"castorch serve: cannot listen on 127.0.0.1:{port}: Address already in use"
    )


def test_a_host_that_is_no_address_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(["--host", "no host"]) == 1
    assert capsys.readouterr().err.startswith("castorch serve: cannot listen on no host:8080: ")


def test_a_setting_out_of_range_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(["--port", "70000"]) == 2
    assert capsys.readouterr().err == (
        "castorch serve: setting 'port' got 70000: Input should be less than or equal to 65535\n"
    )


def test_tokens_are_shown_once_listed_without_secret_and_removed_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    database = ["--database", url_of(tmp_path)]

    assert token(["add", "ann", *database]) == 0
    secret = capsys.readouterr().out.strip()
    assert token(["list", *database]) == 0
    listed = capsys.readouterr().out
    assert token(["remove", "ann", *database]) == 0
    removed = capsys.readouterr().out
    assert token(["remove", "ann", *database]) == 1
    missing = capsys.readouterr().err

    assert len(secret) >= 32
    assert listed.startswith("ann  ")
    assert secret not in listed
    assert removed == "removed 1 token of 'ann'\n"
    assert missing == "castorch token remove: 'ann' has no token\n"


def test_a_token_needs_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert token(["add"]) == 2
    assert capsys.readouterr().err == "castorch token add: expected a NAME\n"


def test_migrate_says_which_database_is_up_to_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CASTORCH_DATABASE", "sqlite:///other.db")

    assert migrate([]) == 0
    assert capsys.readouterr().out == "the database is up to date: sqlite:///other.db\n"
    assert (tmp_path / "other.db").exists()


def test_a_database_of_another_kind_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert migrate(["--database", "mysql://x/y"]) == 1
    assert "mysql" in capsys.readouterr().err


def test_a_worker_can_be_checked_without_running_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert worker(["--check", "--database", url_of(tmp_path)]) == 0


def test_commands_are_listed_with_their_summaries(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    assert main(["sever"]) == 2
    assert main([]) == 2

    assert "  serve    Serve the HTTP interface and run jobs in worker processes." in told
    assert "  token    Add, list or remove the tokens" in told


def test_help_of_a_command_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--help"]) == 0
    assert "--port" in capsys.readouterr().out
    assert serve(["--prot", "1"]) == 2


def test_help_is_quick_because_torch_is_not_loaded() -> None:
    code = "import sys, server.cli as c; c.serve(['--help']); print('torch' in sys.modules)"
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "False"
