"""Time as the SDK uses it; tests bring their own."""

from time import monotonic, sleep


class Clock:
    """The machine's clock."""

    def now(self) -> float:
        """Return seconds since some moment; only differences mean something."""
        return monotonic()

    def pause(self, seconds: float) -> None:
        """Wait."""
        sleep(seconds)
