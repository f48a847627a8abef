"""Turns the statements the parser finds into nodes, while it reads."""

from typing import Any, cast

from lark import Token

from actions.language.nodes import (
    Array,
    Assign,
    By,
    CallRoutine,
    Choose,
    Constant,
    DataSet,
    Formats,
    If,
    Keep,
    Leave,
    Length,
    Loop,
    Option,
    Output,
    Place,
    Rename,
    Retain,
    Source,
    Statement,
    Step,
    Sum,
)
from actions.language.reading import (
    Expressions,
    Found,
    depth_of,
    place_of,
    plain,
    signed,
    table_of,
)


class Reader(Expressions):
    """Builds the nodes of conditions, programs and steps."""

    def block(self, found: Found) -> tuple[Statement, ...]:
        return tuple(each for part in found for each in _many(part))

    def group(self, found: Found) -> tuple[Statement, ...]:
        return _many(found[1])

    def empty(self, found: Found) -> tuple[Statement, ...]:
        del found
        return ()

    def assign(self, found: Found) -> Assign:
        return Assign(found[0].place, found[0], found[2])

    def sum_up(self, found: Found) -> Sum:
        return Sum(place_of(found[0]), plain(found[0]), found[1])

    def branch(self, found: Found) -> If:
        word, condition, _, then, _, otherwise = found
        place, yes, no = place_of(word), _many(then), _many(otherwise)
        return If(place, condition, yes, no, depth_of((*yes, *no), place))

    def subset(self, found: Found) -> Keep:
        return Keep(place_of(found[0]), found[1])

    def where(self, found: Found) -> Keep:
        return Keep(place_of(found[0]), found[1], is_where=True)

    def loop(self, found: Found) -> Loop:
        word, control, _, condition, until, stop, body, _ = found
        condition = condition if until is None else stop
        return self._loop(word, control, condition, body, until=until is not None)

    def while_loop(self, found: Found) -> Loop:
        return self._loop(found[0], ("", (), None, None), found[2], found[3], until=False)

    def until_loop(self, found: Found) -> Loop:
        return self._loop(found[0], ("", (), None, None), found[2], found[3], until=True)

    def _loop(
        self, word: Token, control: tuple[Any, ...], condition: Any, body: Any, *, until: bool
    ) -> Loop:
        place, inner = place_of(word), _many(body)
        name, values, last, step = control
        depth = depth_of(inner, place)
        return Loop(place, name, values, last, step, condition, until, inner, depth)

    def control(self, found: Found) -> tuple[Any, ...]:
        name, _, *rest = found
        *values, _, last, _, step = rest
        return str(name), tuple(values), last, step

    def output(self, found: Found) -> Output:
        return Output(place_of(found[0]), tuple(table_of(each) for each in found[1:]))

    def leave(self, found: Found) -> Leave:
        return Leave(place_of(found[0]), str(found[0]).lower())

    def length(self, found: Found) -> tuple[Length, ...]:
        place = place_of(found[0])
        return tuple(Length(place, names, *sized) for names, sized in found[1:])

    def sized(self, found: Found) -> tuple[Any, ...]:
        return tuple(found)

    def char_length(self, found: Found) -> tuple[str, int | None]:
        return "text", 8 if found[0] is None else int(float(found[0]))

    def varchar_length(self, found: Found) -> tuple[str, int | None]:
        return "text", int(float(found[1])) if len(found) > 1 else None

    def varbinary_length(self, found: Found) -> tuple[str, int | None]:
        return "binary", int(float(found[1])) if len(found) > 1 else None

    def number_length(self, found: Found) -> tuple[str, int | None]:
        del found
        return "number", None

    def retain(self, found: Found) -> tuple[Retain, ...]:
        place = place_of(found[0])
        return tuple(
            Retain(place, names, value.value if value else None, value is not None)
            for names, value in found[1:]
        )

    retained = sized
    formatted = sized

    def formats(self, found: Found) -> tuple[Formats, ...]:
        place = place_of(found[0])
        return tuple(Formats(place, names, str(shown)) for names, shown in found[1:])

    def value(self, found: Found) -> Constant:
        return signed(*found)

    def choose(self, found: Found) -> Choose:
        return Choose(place_of(found[0]), str(found[0]).lower(), found[1])

    def rename(self, found: Found) -> Rename:
        return Rename(place_of(found[0]), tuple(found[1:]))

    def pair(self, found: Found) -> tuple[str, str]:
        return plain(found[0]), plain(found[2])

    def array(self, found: Found) -> Array:
        word, name, size, text, temporary, names, items = found
        return Array(
            place_of(word),
            str(name),
            None if size is None else size[0],
            text is not None,
            None if text is None else text[0],
            names or (),
            tuple(each.value for each in items or ()),
            temporary is not None,
        )

    def size(self, found: Found) -> tuple[int | None]:
        return (int(float(found[0])) if found else None,)

    def text_size(self, found: Found) -> tuple[int | None]:
        return (None if found[0] is None else int(float(found[0])),)

    def temporary(self, found: Found) -> bool:
        return bool(found)

    def routine(self, found: Found) -> CallRoutine:
        word, name, args = found
        return CallRoutine(place_of(word), str(name).lower(), args or ())

    def source(self, found: Found) -> Source:
        word, *rest = found
        tables = tuple(each for each in rest if isinstance(each, DataSet))
        options = dict(each for each in rest if not isinstance(each, DataSet))
        return Source(
            place_of(word),
            str(word).lower(),
            tables,
            options.get("end", ""),
            options.get("nobs", ""),
        )

    def source_option(self, found: Found) -> tuple[str, str]:
        return str(found[0]).rstrip("=").strip().lower(), str(found[1])

    def data_set(self, found: Found) -> DataSet:
        (place, name), *options = found
        return DataSet(place, name, tuple(each for each in options if each is not None))

    def table_name(self, found: Found) -> tuple[Place, str]:
        return place_of(found[0]), ".".join(table_of(each) for each in found)

    def option_names(self, found: Found) -> Option:
        return Option(place_of(found[0]), _word(found[0]), names=found[1])

    def option_pairs(self, found: Found) -> Option:
        return Option(place_of(found[0]), "rename", pairs=tuple(found[1:]))

    def option_where(self, found: Found) -> Option:
        return Option(place_of(found[0]), "where", condition=found[1])

    def option_text(self, found: Found) -> Option:
        return Option(place_of(found[0]), _word(found[0]), text=table_of(found[1]))

    def by(self, found: Found) -> By:
        return By(place_of(found[0]), tuple(found[1:]))

    def key(self, found: Found) -> tuple[str, bool]:
        return plain(found[1]), found[0] is not None

    def step(self, found: Found) -> Step:
        word, *tables, body, _ = found
        return Step(place_of(word), tuple(tables), body)


def _word(token: Token) -> str:
    return str(token).rstrip("=").strip().lower()


def _many(found: object) -> tuple[Statement, ...]:
    """Return one statement, those of a group, or none, as a tuple."""
    if found is None:
        return ()
    return found if isinstance(found, tuple) else (cast("Statement", found),)
