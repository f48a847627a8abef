import os
from pathlib import Path

import pytest

from actions.errors import FileNotFound, PathForbidden
from actions.paths import existing, inside
from actions.ports import Caslib


@pytest.fixture
def caslib(tmp_path: Path) -> Caslib:
    folder = tmp_path / "inside"
    folder.mkdir()
    (folder / "digits.csv").write_text("a\n1\n")
    (tmp_path / "secret.txt").write_text("secret")
    return Caslib("CASUSER", folder, "global")


def test_a_path_is_found_inside_its_folder(caslib: Caslib) -> None:
    assert existing(caslib, "digits.csv") == caslib.path / "digits.csv"
    assert inside(caslib, "new/file.csv") == caslib.path / "new" / "file.csv"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "is empty"),
        (" ", "is empty"),
        (".", "is empty"),
        ("../secret.txt", "climbs with '..'"),
        ("a/../../secret.txt", "climbs with '..'"),
        ("/etc/passwd", "is not relative"),
        ("~/secret.txt", "is not relative"),
        ("a\0b", "holds a character that is not allowed"),
        ("a\nb", "holds a character that is not allowed"),
        ("..\\secret.txt", "holds a character that is not allowed"),
        ("C:secret.txt", "holds a character that is not allowed"),
        ("nul", "names a device"),
        ("a/COM1.csv", "names a device"),
        ("x" * 2000, "is longer than 1024 characters"),
    ],
)
def test_a_path_that_leads_out_is_refused(caslib: Caslib, path: str, reason: str) -> None:
    with pytest.raises(PathForbidden) as caught:
        inside(caslib, path)

    assert caught.value.message.endswith(f"{reason}, expected a path inside caslib 'CASUSER'")


def test_a_link_that_leads_out_is_refused(caslib: Caslib) -> None:
    (caslib.path / "way").symlink_to(caslib.path.parent)

    for path in ("way", "way/secret.txt", "way/new.csv"):
        with pytest.raises(PathForbidden, match=r"leads out of the caslib's folder"):
            inside(caslib, path)


def test_a_link_that_stays_inside_is_followed(caslib: Caslib) -> None:
    (caslib.path / "same.csv").symlink_to(caslib.path / "digits.csv")

    assert existing(caslib, "same.csv") == caslib.path / "digits.csv"


def test_a_pipe_is_no_file(caslib: Caslib) -> None:
    os.mkfifo(caslib.path / "pipe")

    with pytest.raises(PathForbidden, match=r"^the path 'pipe' is neither a file nor a folder"):
        inside(caslib, "pipe")


def test_a_file_that_is_not_there_is_named_with_the_nearest(caslib: Caslib) -> None:
    message = r"^caslib 'CASUSER' has no file 'digit.csv'; did you mean 'digits.csv'\?$"
    with pytest.raises(FileNotFound, match=message):
        existing(caslib, "digit.csv")
    with pytest.raises(FileNotFound, match=r"^caslib 'CASUSER' has no file 'no/such'$"):
        existing(caslib, "no/such")
