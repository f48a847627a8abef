from castorch._sse import ServerEvent, read_events


def read(text: str) -> list[ServerEvent]:
    return list(read_events(text.split("\n")))


def test_the_fields_of_an_event_are_read() -> None:
    assert read("id: 4\nevent: epoch\ndata: {}\n\n") == [ServerEvent("4", "epoch", "{}")]


def test_several_lines_of_data_are_joined() -> None:
    # the standard's own example: two data lines become "YHOO\n+2"
    assert read("data: YHOO\ndata: +2\n\n") == [ServerEvent("", "message", "YHOO\n+2")]


def test_comments_and_unknown_fields_are_passed_over() -> None:
    assert read(": still here\n\nretry: 5\ndata:x\n\n") == [ServerEvent("", "message", "x")]


def test_only_one_blank_after_the_colon_is_dropped() -> None:
    assert read("data:  x\n\n") == [ServerEvent("", "message", " x")]


def test_the_last_id_goes_with_later_events() -> None:
    assert [event.id for event in read("id: 1\ndata: a\n\ndata: b\n\n")] == ["1", "1"]


def test_an_event_without_data_is_dropped_and_its_name_forgotten() -> None:
    assert read("event: epoch\n\ndata: a\n\n") == [ServerEvent("", "message", "a")]


def test_an_event_cut_off_by_the_end_is_dropped() -> None:
    assert read("data: a\n\ndata: b") == [ServerEvent("", "message", "a")]


def test_an_id_with_a_null_is_ignored() -> None:
    assert read("id: a\0b\ndata: x\n\n") == [ServerEvent("", "message", "x")]
