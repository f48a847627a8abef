"""castorch.tokenizeText: ids counted by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from actions.context import Context
from actions.errors import ColumnNotFound, InvalidParameters, TableExists
from actions.memory import MemoryStores
from actions.results import ActionResult
from engine.errors import DataError
from tests.actions.house import nothing_changes, put, rows_of

Run = Callable[..., ActionResult]

TEXTS = ["A cat, a dog.", "the dog", None, "A bird"]


@pytest.fixture
def said(ctx: Context) -> Context:
    put(ctx, "said", {"id": [1, 2, 3, 4], "text": TEXTS})
    return ctx


def tokenize(run: Run, **more: Any) -> ActionResult:
    return run("castorch.tokenizeText", table="said", text="text", casOut="ids", **more)


def test_texts_become_ids_by_falling_frequency(said: Context, run: Run) -> None:
    # a 3, dog 2, then once each, by code point: "," "." bird cat the
    answer = tokenize(run, vocabularyOut="terms", copyVars=["id"])

    assert answer.values == {"alphabetSize": 7, "tokens": 6}
    assert [row["_Term_"] for row in rows_of(said, "terms")] == [
        "a", "dog", ",", ".", "bird", "cat", "the",
    ]  # fmt: skip
    assert [row["_Count_"] for row in rows_of(said, "terms")] == [3, 2, 1, 1, 1, 1, 1]
    assert [list(row.values()) for row in rows_of(said, "ids")] == [
        [1, 6, 0, 5, 2, 0, 1, 3],
        [2, 2, 6, 1, -1, -1, -1, -1],
        [3, 0, -1, -1, -1, -1, -1, -1],
        [4, 2, 0, 4, -1, -1, -1, -1],
    ]


def test_other_texts_are_turned_with_the_terms_of_the_first(said: Context, run: Run) -> None:
    tokenize(run, vocabularyOut="terms", minCount=2)
    put(said, "said", {"text": ["the dog a"]})

    answer = run(
        "castorch.tokenizeText",
        table="said",
        text="TEXT",
        casOut={"name": "ids", "replace": True},
        vocabulary="terms",
        maxTokens=2,
    )

    assert answer.values == {"alphabetSize": 2, "tokens": 2}
    assert rows_of(said, "ids") == [{"_Length_": 2, "_Token0_": -1, "_Token1_": 1}]


@pytest.mark.usefixtures("said")
def test_with_a_vocabulary_the_longest_text_still_gives_the_tokens(run: Run) -> None:
    tokenize(run, vocabularyOut="terms")

    again = run("castorch.tokenizeText", table="said", text="text", casOut="x", vocabulary="terms")

    assert again.values == {"alphabetSize": 7, "tokens": 6}


def test_case_is_kept_when_asked(said: Context, run: Run) -> None:
    tokenize(run, vocabularyOut="terms", lowercase=False)

    terms = [row["_Term_"] for row in rows_of(said, "terms")]

    assert terms[:2] == ["A", "dog"]
    assert "a" in terms


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"vocabulary": "said", "vocabularyOut": "terms"},
            (
                "parameter 'vocabularyOut' makes a vocabulary, expected it without 'vocabulary', "
                "which gives one"
            ),
        ),
        (
            {"vocabulary": "said", "minCount": 2},
            (
                "parameter 'minCount' makes a vocabulary, expected it without 'vocabulary', "
                "which gives one"
            ),
        ),
        ({"maxTokens": 1001}, "parameter 'maxTokens' got 1001, expected 1 to 1000"),
    ],
)
def test_parameters_that_contradict_are_refused(
    stores: MemoryStores, run: Run, more: dict[str, Any], message: str
) -> None:
    with nothing_changes(stores), pytest.raises(InvalidParameters) as caught:
        tokenize(run, **more)
    assert str(caught.value) == message


@pytest.mark.usefixtures("said")
def test_numbers_are_no_texts(run: Run) -> None:
    with pytest.raises(DataError) as caught:
        run("castorch.tokenizeText", table="said", text="id", casOut="ids")
    assert str(caught.value) == "column 'id' of the table 'said' got int64, expected text"


def test_texts_without_a_token_are_refused(ctx: Context, run: Run) -> None:
    put(ctx, "said", {"text": [" ", None]})

    with pytest.raises(DataError) as caught:
        tokenize(run)
    assert str(caught.value) == (
        "column 'text' of the table 'said' has no token in any row, expected texts"
    )


def test_a_vocabulary_whose_ids_have_gaps_is_refused(said: Context, run: Run) -> None:
    put(said, "terms", {"_Term_": ["a", "b"], "_TermID_": [0, 2]})

    with pytest.raises(DataError) as caught:
        tokenize(run, vocabulary="terms")
    assert str(caught.value) == (
        "the table 'terms' got term 'b' with id 2, expected ids 0, 1, 2 and so on, here 1, each "
        "with a text"
    )


def test_an_empty_vocabulary_is_refused(said: Context, run: Run) -> None:
    put(said, "terms", {"_Term_": ["a"], "_TermID_": [0]})

    with pytest.raises(DataError) as caught:
        tokenize(run, vocabulary={"name": "terms", "where": "_TermID_ > 5"})
    assert str(caught.value) == "the table 'terms' has no rows, expected at least one term"


@pytest.mark.usefixtures("said")
def test_an_unknown_column_is_named(run: Run) -> None:
    with pytest.raises(
        ColumnNotFound, match=r"^the table 'said' has no column 'txt'; did you mean"
    ):
        run("castorch.tokenizeText", table="said", text="txt", casOut="ids")


def test_both_tables_are_made_or_none(said: Context, stores: MemoryStores, run: Run) -> None:
    put(said, "terms", {"x": [1]})

    with nothing_changes(stores), pytest.raises(TableExists):
        tokenize(run, vocabularyOut="terms")
