"""Actions for the tests of the service, registered as an extension of the server."""

import os
import signal
import time

from actions.context import Context
from actions.errors import ColumnNotFound
from actions.params import ActionParams
from actions.registry import action
from actions.results import ActionResult
from engine.errors import Cancelled, TrainingError


class TrialParams(ActionParams):
    """Parameters of all trial actions."""

    epochs: int = 3
    """Events to report."""
    pause_s: float = 0.0
    """Time between two events."""
    text: str = ""
    """Text that comes back."""


@action("trial.echo")
def echo(ctx: Context, p: TrialParams) -> ActionResult:
    """Return the text, the user and the session."""
    ctx.note("echoed")
    return ActionResult(
        values={"text": p.text, "user": ctx.session.user, "session": ctx.session.id}
    )


@action("trial.explode")
def explode(ctx: Context, p: TrialParams) -> ActionResult:
    """Fail in a way nobody declared."""
    raise RuntimeError(f"a secret of {ctx.session.user}: {p.text}")


@action("trial.refuse")
def refuse(ctx: Context, p: TrialParams) -> ActionResult:
    """Fail in a declared way."""
    del ctx
    raise ColumnNotFound(f"no column is named {p.text!r}", column=p.text, nearest=["x"])


@action("trial.train", runs="job", aliases=("trial.fit",))
def train(ctx: Context, p: TrialParams) -> ActionResult:
    """Report epochs, and stop when asked to."""
    for epoch in range(1, p.epochs + 1):
        ctx.report("batch", {"epoch": epoch, "batch": 1, "loss": 1.0 / epoch})
        ctx.report("epoch", {"epoch": epoch, "epochs": p.epochs, "loss": 1.0 / epoch})
        end = time.monotonic() + p.pause_s
        while True:
            if ctx.cancelled():
                raise Cancelled(f"the training was stopped in epoch {epoch}", epoch=epoch)
            if time.monotonic() >= end:
                break
            time.sleep(0.005)
    ctx.warn("trained on nothing")
    values = {"pid": os.getpid(), "job": ctx.job_id, "threads": ctx.threads, "text": p.text}
    return ActionResult(values=values)


@action("trial.compute")
def compute(ctx: Context, p: TrialParams) -> ActionResult:
    """Take a while in a request, and look at nothing meanwhile."""
    del ctx
    time.sleep(p.pause_s)
    return ActionResult(values={"text": p.text})


@action("trial.deaf", runs="job")
def deaf(ctx: Context, p: TrialParams) -> ActionResult:
    """Take a while as a job, and look at nothing meanwhile."""
    ctx.report("note", {"text": "begun"})
    time.sleep(p.pause_s)
    return ActionResult(values={"text": p.text})


@action("trial.hold", runs="job")
def hold(ctx: Context, p: TrialParams) -> ActionResult:
    """Hold so many MB of memory, and tell by which way it was refused."""
    held = []
    for _ in range(p.epochs):
        held.append(bytearray(1 << 20))
        ctx.report("batch", {"held": len(held)})
    time.sleep(p.pause_s)
    return ActionResult(values={"held": len(held)})


@action("trial.exhaust", runs="job")
def exhaust(ctx: Context, p: TrialParams) -> ActionResult:
    """Ask for more memory than any machine has."""
    del ctx
    return ActionResult(values={"text": p.text, "length": len(bytearray(1 << 60))})


@action("trial.devices", runs="job")
def devices(ctx: Context, p: TrialParams) -> ActionResult:
    """Tell which graphics processors the worker sees."""
    time.sleep(p.pause_s)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return ActionResult(values={"visible": visible, "pid": os.getpid(), "job": ctx.job_id})


@action("trial.diverge", runs="job")
def diverge(ctx: Context, p: TrialParams) -> ActionResult:
    """Fail in a declared way, as a job."""
    del ctx, p
    raise TrainingError("loss is not finite at epoch 1, batch 2", epoch=1, batch=2)


@action("trial.crash", runs="job")
def crash(ctx: Context, p: TrialParams) -> ActionResult:
    """Fail in a way nobody declared, as a job."""
    del ctx
    raise RuntimeError(f"a secret: {p.text}")


@action("trial.die", runs="job")
def die(ctx: Context, p: TrialParams) -> ActionResult:
    """End the worker process the hard way."""
    ctx.report("note", {"text": p.text})
    os.kill(os.getpid(), signal.SIGKILL)
    return ActionResult()
