import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss, roc_auc_score, roc_curve

from actions.context import Context
from actions.errors import InvalidParameters
from tests.actions.house import Run, put, rows_of


def test_percentiles_average_where_the_definition_says_so(run: Run, ctx: Context) -> None:
    put(ctx, "t", {"x": [1.0, 2.0, 3.0, 4.0, None], "s": ["a"] * 5})

    answer = run("percentile.percentile", table="t", values=[0, 25, 30, 50, 100])

    # n p / 100 of 4 values: 0: the first, 1: mean of 1st and 2nd, 1.2: 2nd, 2: 2.5, 4: last
    assert answer.tables["Percentile"].rows == tuple(
        ("x", float(p), value, 1.0)
        for p, value in [(0, 1.0), (25, 1.5), (30, 2.0), (50, 2.5), (100, 4.0)]
    )


def test_percentiles_are_those_of_numpy(run: Run, ctx: Context) -> None:
    values = np.random.default_rng(1).normal(size=57)
    put(ctx, "t", {"x": values})
    wanted = [5.0, 25.0, 33.3, 50.0, 99.0]

    rows = run("percentile.percentile", table="t", values=wanted).tables["Percentile"].rows

    expected = np.percentile(values, wanted, method="averaged_inverted_cdf")
    assert [row[2] for row in rows] == pytest.approx(expected)


def test_percentiles_are_stored_by_group(run: Run, ctx: Context) -> None:
    put(ctx, "t", {"x": [1.0, 3.0, 5.0], "g": ["a", "a", "b"]})

    run("percentile.percentile", table={"name": "t", "groupBy": "g"}, values=50, casOut="o")

    assert [(row["g"], row["_Pctl_"], row["_Value_"]) for row in rows_of(ctx, "o")] == [
        ("a", 50.0, 2.0),
        ("b", 50.0, 5.0),
    ]


class TestAssess:
    @pytest.fixture(autouse=True)
    def scored(self, ctx: Context) -> None:
        random = np.random.default_rng(7)
        self.truth = random.random(200) < 0.4
        self.p = np.round(np.clip(0.3 * self.truth + random.random(200) * 0.7, 0, 1), 2)
        level = np.where(self.truth, "yes", "no")
        put(ctx, "t", {"p": self.p.tolist(), "y": level.tolist()})

    def test_the_curve_is_that_of_scikit_learn(self, run: Run) -> None:
        answer = run("percentile.assess", table="t", inputs="p", response="y", event="yes")

        rows = answer.tables["ROCInfo"].records()
        assert [row["CutOff"] for row in rows] == pytest.approx(np.linspace(0, 1, 101))
        fpr, tpr, cuts = roc_curve(self.truth, self.p, drop_intermediate=False)
        at = {round(float(cut), 2): place for place, cut in enumerate(cuts)}
        for row in rows:
            place = at.get(round(float(str(row["CutOff"])), 2))
            if place is not None:
                assert (row["Sensitivity"], row["FPR"]) == pytest.approx((tpr[place], fpr[place]))
        assert rows[0]["C"] == pytest.approx(roc_auc_score(self.truth, self.p))
        assert sum(float(str(row["KS"])) for row in rows) == 1.0

    def test_counts_and_rates_of_a_cutoff(self, run: Run) -> None:
        answer = run(
            "percentile.assess", table="t", inputs="p", response="y", event="yes", cutStep=0.1
        )

        row = answer.tables["ROCInfo"].records()[5]
        said = self.p >= 0.5
        tp, fp = int((said & self.truth).sum()), int((said & ~self.truth).sum())
        assert (row["TP"], row["FP"]) == (tp, fp)
        assert row["FDR"] == pytest.approx(fp / (tp + fp))
        assert row["F1"] == pytest.approx(f1_score(self.truth, said))
        assert row["ACC"] == pytest.approx((said == self.truth).mean())
        assert row["MISCEVENT"] == pytest.approx((said != self.truth).mean())

    def test_the_fit_and_the_lift(self, run: Run) -> None:
        answer = run("percentile.assess", table="t", inputs="p", response="y", event="yes")

        (fit,) = answer.tables["FitStat"].records()
        assert fit["ASE"] == pytest.approx(((self.p - self.truth) ** 2).mean())
        assert fit["MCLL"] == pytest.approx(log_loss(self.truth, np.clip(self.p, 1e-15, 1 - 1e-15)))
        lift = answer.tables["LIFTInfo"].records()
        assert (len(lift), lift[-1]["CumLift"], lift[-1]["CumResp"]) == (20, 1.0, 100.0)

    def test_the_event_may_be_a_number_in_quotes(self, run: Run, ctx: Context) -> None:
        put(ctx, "n", {"p": [0.1, 0.9], "y": [0, 1]})

        answer = run("percentile.assess", table="n", inputs="p", response="y", event="1")

        assert answer.tables["ROCInfo"].records()[0]["C"] == 1.0

    def test_an_event_that_never_happens_is_refused(self, run: Run) -> None:
        message = r"^parameter 'event' got 'maybe', expected a level of 'y': 'no', 'yes'$"
        with pytest.raises(InvalidParameters, match=message):
            run("percentile.assess", table="t", inputs="p", response="y", event="maybe")
