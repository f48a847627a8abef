"""Terms and their ids; expected ids are counted by hand."""

from collections import Counter

from engine.data.vocabulary import Census, Vocabulary, words


def test_marks_of_punctuation_are_tokens_of_their_own() -> None:
    assert words("I like this movie very much!", lower=False) == [
        "I", "like", "this", "movie", "very", "much", "!",
    ]  # fmt: skip


def test_a_missing_text_has_no_tokens() -> None:
    assert words(None, lower=True) == []


def test_the_most_frequent_term_has_id_0_and_equals_go_by_alphabet() -> None:
    assert Vocabulary.of({"b": 2, "a": 2, "c": 5, "d": 1}).terms == ("c", "a", "b", "d")


def test_rare_terms_are_left_out() -> None:
    assert Vocabulary.of({"a": 1, "b": 2, "c": 3}, least=2).terms == ("c", "b")


def test_unknown_tokens_and_padding_have_id_minus_1() -> None:
    vocabulary = Vocabulary(("the", "cat"))

    ids = vocabulary.encode([["the", "dog", "cat", "the"], ["cat"], []], 3)

    assert ids.tolist() == [[0, -1, 1], [1, -1, -1], [-1, -1, -1]]


def test_a_census_counts_terms_and_knows_the_longest_text() -> None:
    census = Census(Counter())
    census.add([["a", "b", "a"], []])
    census.add([["b"]])

    assert (dict(census.counts), census.longest) == ({"a": 2, "b": 2}, 3)
