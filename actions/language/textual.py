"""Functions of text.

Source: the SAS functions of the same names. Positions are counted from 1; blank text is missing.
"""

import re
import string
from collections.abc import Callable

from actions.language.functions import LONGEST_TEXT, Value, function
from actions.language.numeric import choose
from actions.values import best

DELIMITERS = " !$%&()*+,-./;<^|"
"""What parts words where SCAN is told nothing."""

_CLASSES = {
    "a": string.ascii_letters,
    "d": string.digits,
    "f": string.ascii_letters + "_",
    "l": string.ascii_lowercase,
    "n": string.ascii_letters + string.digits + "_",
    "p": string.punctuation,
    "s": string.whitespace,
    "u": string.ascii_uppercase,
    "w": string.printable,
    "x": string.hexdigits,
}

for _names, _body, _sql in (
    ("upcase upper", str.upper, "upper({0})"),
    ("lowcase lower", str.lower, "lower({0})"),
    ("trim trimn", lambda s: s.rstrip(" "), "rtrim({0}, ' ')"),
    ("strip", lambda s: s.strip(" "), "trim({0}, ' ')"),
    ("left", lambda s: s.lstrip(" ") + " " * (len(s) - len(s.lstrip(" "))), None),
    ("reverse", lambda s: s[::-1], "reverse({0})"),
    ("first", lambda s: s[:1], None),
    ("quote", lambda s: '"' + s.replace('"', '""') + '"', None),
):
    function(_names, "t", "text", _sql)(_body)


@function("length", "t", "number", "greatest(length(rtrim({0}, ' ')), 1)::DOUBLE")
def _length(s: str) -> float:
    return float(max(len(s.rstrip(" ")), 1))


@function("lengthn", "t", "number", "length(rtrim({0}, ' '))::DOUBLE")
def _lengthn(s: str) -> float:
    return float(len(s.rstrip(" ")))


@function("lengthc", "t", "number", "length({0})::DOUBLE")
def _lengthc(s: str) -> float:
    return float(len(s))


@function("index", "t t", "number", "(CASE WHEN {1} = '' THEN 0 ELSE instr({0}, {1}) END)::DOUBLE")
def _index(s: str, part: str) -> float:
    return float(s.find(part) + 1) if part else 0.0


@function("indexc", "t t+", "number")
def _indexc(s: str, *wanted: str) -> float:
    chars = set("".join(wanted))
    return float(next((at for at, c in enumerate(s, start=1) if c in chars), 0))


@function("indexw", "t t t?", "number")
def _indexw(s: str, word: str, delimiters: str = " ") -> float:
    edge = f"[{re.escape(delimiters)}]"
    match = re.search(f"(?:^|(?<={edge})){re.escape(word.strip())}(?=$|{edge})", s)
    return 0.0 if match is None else float(match.start() + 1)


@function("find", "t t a? a?", "number")
def _find(s: str, part: str, *more: Value) -> float:
    """Return the place of a part; a negative start searches backwards from there."""
    modifiers = next((each.lower() for each in more if isinstance(each, str)), "")
    start = next((each for each in more if not isinstance(each, str)), 1.0)
    if "t" in modifiers:
        s, part = s.rstrip(" "), part.rstrip(" ")
    if "i" in modifiers:
        s, part = s.lower(), part.lower()
    if start is None or start == 0 or not part:
        return 0.0
    if start > 0:
        return float(s.find(part, int(start) - 1) + 1)
    return float(s.rfind(part, 0, int(-start) - 1 + len(part)) + 1)


@function("substr substring substrn", "t n n?", "text")
def _substr(s: str, start: float | None, length: float | None = None) -> str:
    if start is None:
        return ""
    begin = int(start) - 1
    end = len(s) if length is None else max(0, begin + max(0, int(length)))
    return s[max(0, begin) : end]


@function("char", "t n", "text")
def _char(s: str, place: float | None) -> str:
    return s[int(place) - 1 : int(place)] if place is not None and place >= 1 else ""


@function("scan", "t n t? t?", "text")
def _scan(s: str, place: float | None, delimiters: str = DELIMITERS, modifiers: str = "") -> str:
    """Return a word of a text, counted from the end where the place is negative."""
    if place is None or int(place) == 0:
        return ""
    words = re.split(f"[{re.escape(_set(delimiters, modifiers))}]", s) if delimiters else [s]
    if "m" not in modifiers.lower():
        words = [word for word in words if word]
    at = int(place) - 1 if place > 0 else len(words) + int(place)
    return words[at] if 0 <= at < len(words) else ""


@function("countw", "t t?", "number")
def _countw(s: str, delimiters: str = DELIMITERS) -> float:
    return float(len([word for word in re.split(f"[{re.escape(delimiters)}]", s) if word]))


def _set(chars: str, modifiers: str) -> str:
    """Return characters, with those of the classes that modifiers name."""
    every = chars + "".join(_CLASSES.get(each, "") for each in modifiers.lower())
    return every + every.swapcase() if "i" in modifiers.lower() else every


@function("compress", "t t? t?", "text")
def _compress(s: str, chars: str | None = None, modifiers: str = "") -> str:
    """Return text without blanks, or without (with k: with none but) given characters."""
    chars = chars if chars is not None else " "
    chosen = set(_set("" if modifiers and not chars.strip(" ") else chars, modifiers))
    keeps = "k" in modifiers.lower()
    return "".join(c for c in s if (c in chosen) == keeps)


@function("compbl", "t", "text")
def _compbl(s: str) -> str:
    return re.sub(" {2,}", " ", s)


@function("propcase", "t t?", "text")
def _propcase(s: str, delimiters: str = " /-(.\t") -> str:
    made, begins = [], True
    for c in s:
        made.append(c.upper() if begins else c.lower())
        begins = c in delimiters
    return "".join(made)


@function("repeat", "t n", "text")
def _repeat(s: str, times: float | None) -> str:
    if times is None or times < 0 or not s:
        return s if times is not None and times >= 0 else ""
    return (s * min(int(times) + 1, LONGEST_TEXT // len(s) + 1))[:LONGEST_TEXT]


@function("count", "t t t?", "number")
def _count(s: str, part: str, modifiers: str = "") -> float:
    if "i" in modifiers.lower():
        s, part = s.lower(), part.lower()
    return float(s.count(part)) if part else 0.0


@function("countc", "t t", "number")
def _countc(s: str, chars: str) -> float:
    return float(sum(c in chars for c in s))


@function("verify", "t t+", "number")
def _verify(s: str, *allowed: str) -> float:
    chars = set("".join(allowed))
    return float(next((at for at, c in enumerate(s, start=1) if c not in chars), 0))


@function("translate", "t t t", "text")
def _translate(s: str, to: str, chars: str) -> str:
    padded = to.ljust(len(chars))
    return s.translate({ord(a): b for a, b in zip(chars, padded, strict=False)})


@function("tranwrd transtrn", "t t t", "text")
def _tranwrd(s: str, old: str, new: str) -> str:
    return s.replace(old, new)[:LONGEST_TEXT] if old else s


@function("byte", "n", "text")
def _byte(code: float | None) -> str:
    return chr(int(code)) if code is not None and 0 <= code < 256 else ""


@function("rank", "t", "number")
def _rank(s: str) -> float | None:
    return float(ord(s[0])) if s else None


def text_of(value: Value) -> str:
    """Return a value as text without blanks around a number."""
    if isinstance(value, str):
        return value
    return "." if value is None else best(value)


@function("cat concat", "a+", "text")
def _cat(*values: Value) -> str:
    return "".join(map(text_of, values))[:LONGEST_TEXT]


@function("cats", "a+", "text")
def _cats(*values: Value) -> str:
    return "".join(text_of(value).strip(" ") for value in values)[:LONGEST_TEXT]


@function("catt", "a+", "text")
def _catt(*values: Value) -> str:
    return "".join(text_of(value).rstrip(" ") for value in values)[:LONGEST_TEXT]


@function("catx", "t a+", "text")
def _catx(delimiter: str, *values: Value) -> str:
    parts = (text_of(value).strip(" ") for value in values)
    return delimiter.join(part for part in parts if part)[:LONGEST_TEXT]


@function("ifc", "n t t t?", "text", None)
def _ifc(condition: float | None, yes: str, no: str, missing: str | None = None) -> str:
    if condition is None and missing is not None:
        return missing
    return yes if condition else no


@function("choosec", "n t+", "text")
def _choosec(place: float | None, *values: str) -> str:
    return str(choose(place, values, ""))


@function("coalescec", "t+", "text")
def _coalescec(*values: str) -> str:
    return next((value for value in values if value.strip()), "")


@function("whichc", "t t+", "number")
def _whichc(wanted: str, *values: str) -> float:
    found = [value.rstrip(" ") for value in values]
    return float(found.index(wanted.rstrip(" ")) + 1 if wanted.rstrip(" ") in found else 0)


def _places(name: str, is_one: Callable[[str], bool]) -> None:
    """Register ``anyname`` and ``notname``: the first place with, or without, a class."""
    for prefix, wanted in (("any", True), ("not", False)):

        def run(s: str, start: float | None = 1.0, *, wanted: bool = wanted) -> float:
            begin = max(1, int(start or 1))
            places = enumerate(s[begin - 1 :], start=begin)
            return float(next((at for at, c in places if is_one(c) == wanted), 0))

        function(prefix + name, "t n?", "number")(run)


for _name, _test in (
    ("alnum", str.isalnum),
    ("alpha", str.isalpha),
    ("digit", str.isdigit),
    ("space", str.isspace),
    ("lower", str.islower),
    ("upper", str.isupper),
    ("punct", lambda c: c in string.punctuation),
):
    _places(_name, _test)


@function("starts_with", "t t", "number")
def _starts_with(s: str, part: str) -> float:
    return float(s.startswith(part))


@function("ends_with", "t t", "number")
def _ends_with(s: str, part: str) -> float:
    return float(s.rstrip(" ").endswith(part))


@function("contains", "t t", "number", "contains({0}, {1})::DOUBLE")
def _contains(s: str, part: str) -> float:
    return float(part in s)


@function("octet_length", "a", "number")
def _octet_length(value: Value) -> float | None:
    if value is None:
        return None
    return float(len(value if isinstance(value, bytes) else text_of(value).encode()))
