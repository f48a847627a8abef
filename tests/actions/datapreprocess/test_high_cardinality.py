from actions.context import Context
from tests.actions.house import Run, put


def test_different_values_are_counted_without_missing_ones(run: Run, ctx: Context) -> None:
    put(ctx, "t", {"a": [1, 1, 2, None], "s": ["x", "x ", "", None]})

    table = run("dataPreprocess.highCardinality", table="t").tables["HighCardinalityDetails"]

    assert table.rows == (("a", 2.0, 4.0, 1.0), ("s", 1.0, 4.0, 2.0))
