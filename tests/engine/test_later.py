import sys

import pytest

from engine.later import Later


def test_a_module_is_loaded_when_something_of_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)

    colours = Later("colorsys")

    assert "colorsys" not in sys.modules
    # by hand: pure red has hue 0, full saturation and full value
    assert colours.rgb_to_hsv(1.0, 0.0, 0.0) == (0.0, 1.0, 1.0)
    assert "colorsys" in sys.modules


def test_a_module_that_is_not_there_is_missed_at_its_first_use() -> None:
    absent = Later("no_such_module")

    with pytest.raises(ModuleNotFoundError, match=r"^No module named 'no_such_module'$"):
        _ = absent.anything
