"""An extension of the server that profiles the jobs of its worker; see ``profiles.py``.

Importing it puts a profiler round every training and scoring: torch's, for operations, and samples
of what each thread stands in, for the rest. The tables go to the folder ``BENCH_PROFILES``.
"""

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from torch.profiler import ProfilerActivity, profile

import server.jobs.worker as jobs

STEP_S = 0.002
MOST_LINES = 15
HOUSE = str(Path(__file__).parents[1])
WATCHED = {"deeplearn.dltrain": "train", "deeplearn.dlscore": "score"}
IDLE = ("wait", "_wait_for_tstate_lock", "get", "select", "accept", "poll", "_hear")


class Sampler(threading.Thread):
    """Counts, for every thread, in which of the project's functions it stands, and in what."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.samples = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(STEP_S):
            self.samples += 1
            names = {each.ident: each.name for each in threading.enumerate()}
            for ident, frame in sys._current_frames().items():
                if ident != self.ident and frame.f_code.co_name not in IDLE:
                    self.counts[names.get(ident, "?"), _place(frame)] += 1

    def table(self) -> str:
        lines = [f"{self.samples} samples, share of them in a function (and what it calls in C)"]
        for (thread, place), count in self.counts.most_common(MOST_LINES):
            lines.append(f"{count / max(self.samples, 1):7.1%}  {thread:<24.24}  {place}")
        return "\n".join(lines)


def _place(frame: FrameType) -> str:
    """Return the innermost function of the project, and what it stands in outside of it."""
    inner, at = frame, frame
    while at.f_back is not None and not _is_ours(at.f_code.co_filename):
        at = at.f_back
    code = at.f_code
    file = code.co_filename
    where = file[len(HOUSE) + 1 :] if _is_ours(file) else Path(file).name
    own = f"{where}:{code.co_qualname}"
    return own if inner is at else f"{own} > {inner.f_code.co_qualname}"


def _is_ours(file: str) -> bool:
    return file.startswith(HOUSE) and "site-packages" not in file


def watched(run: Callable[..., Any]) -> Callable[..., Any]:
    """Return a way to run actions that profiles the two kinds of interest."""

    def run_watched(ctx: Any, action: str, *args: Any, **more: Any) -> Any:
        kind = WATCHED.get(action.lower())
        if kind is None:
            return run(ctx, action, *args, **more)
        sampler = Sampler()
        begin = time.perf_counter()
        sampler.start()
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            result = run(ctx, action, *args, **more)
        sampler.over.set()
        seconds = time.perf_counter() - begin
        operations = profiler.key_averages().table(
            sort_by="self_cpu_time_total", row_limit=MOST_LINES, max_name_column_width=40
        )
        text = f"{action}: {seconds:.2f} s\n\n{sampler.table()}\n\n{operations}\n"
        (Path(os.environ["BENCH_PROFILES"]) / f"{kind}.txt").write_text(text)
        return result

    return run_watched


jobs.run_action = watched(jobs.run_action)
