"""Perl patterns: PRXMATCH and PRXCHANGE, on RE2, whose time grows with the text alone.

Source: the SAS functions of the same names; the syntax is that of RE2 (no look-around, no back
references).
"""

import re
from functools import lru_cache

import pyarrow as pa

from actions.arrow_functions import pc
from actions.errors import InvalidExpression
from actions.language.functions import LONGEST_TEXT, function

_FLAGS = {"i": "i", "m": "m", "s": "s"}


@lru_cache(maxsize=256)
def compiled(text: str) -> tuple[str, str]:
    """Return the pattern and the replacement of ``/.../`` or ``s/.../.../``, flags in the pattern.

    Raises:
        InvalidExpression: it is none of them, or RE2 cannot read it.
    """
    text = text.strip()
    body = text[1:] if text[:1] == "s" and text[1:2] and not text[1].isalnum() else text
    wanted = 3 if body is not text else 2
    mark = body[:1]
    parts = re.split(rf"(?<!\\){re.escape(mark)}", body) if mark else []
    if len(parts) != wanted + 1 or parts[0]:
        raise InvalidExpression(
            f"the pattern {text!r} cannot be read, expected one such as '/cat/i' or 's/cat/dog/'",
            got=text,
        )
    flags = "".join(_FLAGS[each] for each in parts[-1].lower() if each in _FLAGS)
    pattern = (f"(?{flags})" if flags else "") + parts[1].replace(f"\\{mark}", mark)
    to = (
        re.sub(r"\$\{?(\d)\}?", r"\\\1", parts[2].replace(f"\\{mark}", mark)) if wanted == 3 else ""
    )
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
        pc.replace_substring_regex(pa.array([""]), pattern, to)
    except pa.ArrowInvalid as error:
        reason = str(error).partition("\n")[0]
        raise InvalidExpression(f"the pattern {text!r} cannot be run: {reason}", got=text) from None
    return pattern, to


@function("prxmatch", "t t", "number")
def _prxmatch(pattern: str, s: str) -> float:
    """Return where a pattern first matches, 0 where it does not."""
    found = pc.find_substring_regex(pa.scalar(s), compiled(pattern)[0]).as_py()
    return float(len(s.encode()[:found].decode()) + 1) if found >= 0 else 0.0


@function("prxchange", "t n t", "text")
def _prxchange(pattern: str, times: float | None, s: str) -> str:
    """Return text with what matches replaced; a negative number of times means all."""
    most = -1 if times is None or times < 0 else int(times)
    if most == 0:
        return s
    found, to = compiled(pattern)
    made = pc.replace_substring_regex(pa.scalar(s), found, to, max_replacements=most).as_py()
    return str(made)[:LONGEST_TEXT]
