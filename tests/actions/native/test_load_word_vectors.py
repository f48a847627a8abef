"""castorch.loadWordVectors over files in both text forms."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from actions.context import Context
from actions.errors import InvalidFile
from actions.files.word_vectors import LONGEST_LINE
from actions.results import ActionResult
from tests.actions.house import put, rows_of

Run = Callable[..., ActionResult]

GLOVE = "the 0.5 -1\ncat 2 3e-1\n"
ROWS = [
    {"_Term_": "the", "_V0_": 0.5, "_V1_": -1.0},
    {"_Term_": "cat", "_V0_": 2.0, "_V1_": pytest.approx(0.3)},
]


@pytest.fixture
def folder(ctx: Context) -> Path:
    path = Path(ctx.caslibs.find(None).path)
    path.mkdir(parents=True, exist_ok=True)
    return path


def load(run: Run, **more: object) -> ActionResult:
    return run("castorch.loadWordVectors", path="vectors.txt", casOut="vectors", **more)


@pytest.mark.parametrize(
    "body",
    [GLOVE.encode(), f"2 2\n{GLOVE}".encode(), gzip.compress(GLOVE.encode())],
    ids=["glove", "word2vec", "gzip"],
)
def test_terms_and_vectors_are_read(ctx: Context, run: Run, folder: Path, body: bytes) -> None:
    (folder / "vectors.txt").write_bytes(body)

    load(run)

    assert rows_of(ctx, "vectors") == ROWS


def test_only_the_terms_of_a_vocabulary_are_loaded(ctx: Context, run: Run, folder: Path) -> None:
    (folder / "vectors.txt").write_text(GLOVE)
    put(ctx, "terms", {"_Term_": ["dog", "cat"], "_TermID_": [0, 1]})

    load(run, vocabulary="terms")

    assert rows_of(ctx, "vectors") == ROWS[1:]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            b"",
            "the file 'vectors.txt' has no word vectors, expected lines of a term and numbers",
        ),
        (
            b"2 2\n",
            "the file 'vectors.txt' has no word vectors, expected lines of a term and numbers",
        ),
        (
            b"the 1 2\ncat 3\n",
            "line 2 of 'vectors.txt' has 1 cells after the term, expected 2 finite numbers",
        ),
        (
            b"the 1 2\ncat 3 nan\n",
            "line 2 of 'vectors.txt' has 2 cells after the term, expected 2 finite numbers",
        ),
        (
            b"the 1 2\ncat 3 x\n",
            "line 2 of 'vectors.txt' has 2 cells after the term, expected 2 finite numbers",
        ),
        (
            b"the 1 2\n" + b"x" * (LONGEST_LINE + 1),
            "line 2 of 'vectors.txt' is longer than 1048576 bytes, expected a term and numbers",
        ),
        (
            b"the 1 2\n\xff\xfe 1 2\n",
            (
                "line 2 of 'vectors.txt' cannot be read: 'utf-8' codec can't decode byte 0xff in "
                "position 0: invalid start byte; expected text in UTF-8"
            ),
        ),
        (
            gzip.compress(GLOVE.encode() * 100)[:14],
            (
                "line 1 of 'vectors.txt' cannot be read: Compressed file ended before the "
                "end-of-stream marker was reached; expected text in UTF-8"
            ),
        ),
    ],
    ids=["empty", "head-only", "short", "nan", "word", "long", "bytes", "cut"],
)
def test_a_line_that_is_no_vector_is_named(
    run: Run, folder: Path, body: bytes, message: str
) -> None:
    (folder / "vectors.txt").write_bytes(body)

    with pytest.raises(InvalidFile) as caught:
        load(run)
    assert str(caught.value) == message
