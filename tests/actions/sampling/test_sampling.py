import pytest

from actions.context import Context
from actions.errors import InvalidParameters
from tests.actions.house import Run, put, rows_of

OUT = {"casOut": {"name": "o", "replace": True}}


@pytest.fixture(autouse=True)
def rows(ctx: Context) -> None:
    put(ctx, "t", {"id": list(range(100)), "g": ["a"] * 60 + ["b"] * 40})


def test_a_sample_has_its_share_of_the_rows_once_each(run: Run, ctx: Context) -> None:
    run("sampling.srs", table="t", sampPct=30, seed=5, output=OUT)

    ids = [row["id"] for row in rows_of(ctx, "o")]
    assert len(ids) == len(set(ids)) == 30
    assert ids != list(range(30))


def test_the_same_seed_chooses_the_same_rows(run: Run, ctx: Context) -> None:
    found = []
    for seed in (5, 5, 6, 0, 0):
        run("sampling.srs", table="t", sampPct=20, seed=seed, output=OUT)
        found.append([row["id"] for row in rows_of(ctx, "o")])

    assert found[0] == found[1] != found[2]
    assert found[3] != found[4]


def test_parts_are_told_by_a_column(run: Run, ctx: Context) -> None:
    output = {**OUT, "copyVars": ["id"], "partIndName": "part"}

    run("sampling.srs", table="t", sampPct=70, sampPct2=20, partInd=True, seed=1, output=output)

    rows = rows_of(ctx, "o")
    assert list(rows[0]) == ["id", "part"]
    assert [row["id"] for row in rows] == list(range(100))
    parts = [row["part"] for row in rows]
    assert [parts.count(part) for part in (0.0, 1.0, 2.0)] == [10, 70, 20]


def test_every_group_gives_its_share(run: Run, ctx: Context) -> None:
    table = {"name": "t", "groupBy": "g"}

    answer = run("sampling.stratified", table=table, sampPct=10, seed=3, output=OUT)

    groups = [row["g"] for row in rows_of(ctx, "o")]
    assert (groups.count("a"), groups.count("b")) == (6, 4)
    assert answer.tables["SRSFreq"].rows == (("a", 60, 6, 0), ("b", 40, 4, 0))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, r"^parameter 'sampPct' is required$"),
        (
            {"sampPct": 80, "sampPct2": 30, "partInd": True},
            r"^parameters 'sampPct' and 'sampPct2' got 80 and 30, expected at most 100 together$",
        ),
        (
            {"sampPct": 80, "sampPct2": 10},
            r"^parameter 'sampPct2' got a value without 'partInd', expected partInd to be true$",
        ),
        (
            {"sampPct": 80, "partInd": True, "output": {**OUT, "partIndName": "ID"}},
            (
                r"^parameter 'output.partIndName' got 'ID', which is a column of the table 't', "
                r"expected another name$"
            ),
        ),
    ],
)
def test_what_is_no_sample_is_refused(run: Run, raw: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidParameters, match=message):
        run("sampling.srs", **{"table": "t", "output": OUT, **raw})


def test_strata_need_a_column(run: Run) -> None:
    message = r"^parameter 'table.groupBy' got no column, expected at least one$"
    with pytest.raises(InvalidParameters, match=message):
        run("sampling.stratified", table="t", sampPct=10, output=OUT)
