import pytest

from actions.context import Context
from actions.errors import InvalidParameters
from tests.actions.house import Run, put, rows_of


@pytest.fixture(autouse=True)
def rows(ctx: Context) -> None:
    put(
        ctx,
        "t",
        {"a": [2, 1, 2, None, None], "s": ["x", "y", "x ", "z", "w"], "i": [0, 1, 2, 3, 4]},
    )


def kept(run: Run, ctx: Context, by: list[str], **options: bool) -> list[int]:
    table = {"name": "t", "groupBy": by}
    run("deduplication.deduplicate", table=table, casOut={"name": "o", "replace": True}, **options)
    return [row["i"] for row in rows_of(ctx, "o")]


def test_the_first_row_of_each_key_is_kept_in_its_place(run: Run, ctx: Context) -> None:
    assert kept(run, ctx, ["a"], noDuplicateKeys=True) == [0, 1, 3]
    assert kept(run, ctx, ["a", "s"], noDuplicateKeys=True) == [0, 1, 3, 4]


def test_rows_without_duplicates_may_be_left_out(run: Run, ctx: Context) -> None:
    assert kept(run, ctx, ["a"], noUniqueKeys=True) == [0, 2, 3, 4]
    assert kept(run, ctx, ["a"], noUniqueKeys=True, noDuplicateKeys=True) == [0, 3]


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (
            {"name": "t"},
            {"noDuplicateKeys": True},
            r"^parameter 'table.groupBy' got no column, expected at least one$",
        ),
        (
            {"name": "t", "groupBy": "a"},
            {},
            (
                r"^parameters 'noDuplicateKeys' and 'noUniqueKeys' got false both, expected one of "
                r"them to be true$"
            ),
        ),
    ],
)
def test_what_says_nothing_is_refused(
    run: Run, table: dict[str, str], options: dict[str, bool], message: str
) -> None:
    with pytest.raises(InvalidParameters, match=message):
        run("deduplication.deduplicate", table=table, casOut="o", **options)
