import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from server.spool import Spool


def test_a_file_is_gone_after_its_block_even_when_that_failed(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)

    with suppress(ZeroDivisionError), spool.file() as path:
        path.write_bytes(b"x")
        1 / 0  # noqa: B018 - fails

    assert list(spool.folder.iterdir()) == []


def test_files_have_names_of_their_own(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)

    with spool.file() as first, spool.file() as second:
        assert first != second


def test_what_a_killed_process_left_is_removed_and_what_a_running_one_has_is_kept(
    tmp_path: Path,
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for pid in (gone.pid, os.getpid(), os.getppid(), 1):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "body").touch()
    (tmp_path / "notes").mkdir()

    spool = Spool.open(tmp_path)

    assert not (tmp_path / str(gone.pid)).exists()
    assert list(spool.folder.iterdir()) == []
    assert (tmp_path / str(os.getppid()) / "body").exists()
    assert (tmp_path / "1" / "body").exists()
    assert (tmp_path / "notes").exists()


def test_closing_removes_the_folder(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)

    spool.close()

    assert list(tmp_path.iterdir()) == []
