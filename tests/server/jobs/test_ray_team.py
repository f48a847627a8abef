"""How helpers are waited for, and what is said of those that do not come; no cluster is started."""

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from actions.context import Context
from actions.errors import JobFailed
from actions.job_ports import Job
from actions.team import Clerk
from engine.errors import Cancelled
from engine.train.replicas import ReplicaLost, Seat
from server.jobs.worker import Outcome, run_job
from server.settings import Settings

ray_team = pytest.importorskip("server.jobs.ray_team")

JOB = Job("j1", "trial.train", {}, "s1", "ann", "running", datetime.now(UTC), resumes=True)
NO_ROOM = (
    r"^parameter 'nWorkers' got 3, but after 0 s the cluster has room for {}; free or add "
    r"machines, or ask for fewer$"
)


class Answer:
    """What a method of a helper will answer."""

    def __init__(self, value: Any = None, *, is_there: bool = False) -> None:
        self.value = value
        self.is_there = is_there


class Method:
    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    def remote(self) -> Answer:
        return self.answer


class Helper:
    """A helper whose methods have answered, or not."""

    def __init__(self, *, begins: bool = True, arrives: bool = True, ends: Any = None) -> None:
        self.begin = Method(Answer(is_there=begins))
        self.arrive = Method(Answer(is_there=arrives))
        self.run = Method(Answer(ends, is_there=ends is not None))
        self.is_killed = False


class FakeRay:
    """Answers at once, or never."""

    @staticmethod
    def wait(answers: list[Answer], **more: Any) -> tuple[list[Answer], list[Answer]]:
        del more
        return [a for a in answers if a.is_there], [a for a in answers if not a.is_there]

    @staticmethod
    def get(answer: Answer) -> Any:
        if isinstance(answer.value, ray_team.RayError):
            raise answer.value
        return answer.value

    @staticmethod
    def kill(helper: Helper) -> None:
        helper.is_killed = True


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_team, "ray", FakeRay)
    monkeypatch.setattr(ray_team, "ROOM_S", 0.0)
    monkeypatch.setattr(ray_team, "LOOK_S", 0.0)


def lead(*helpers: Helper, is_cancelled: bool = False) -> Any:
    seat = Seat(0, len(helpers) + 1, "127.0.0.1", 0, "127.0.0.1")
    return ray_team._Lead(seat, None, list(helpers), lambda: is_cancelled)


def test_a_helper_that_finds_no_room_fails_the_job() -> None:
    with pytest.raises(JobFailed, match=NO_ROOM.format(2)) as failed:
        lead(Helper(), Helper(begins=False)).meet("cpu")

    assert failed.value.details == {"workers": 3, "room": 2}


def test_a_job_is_cancelled_while_it_waits_for_its_helpers() -> None:
    with pytest.raises(
        Cancelled, match=r"^training was cancelled while it waited for its workers$"
    ):
        lead(Helper(arrives=False), is_cancelled=True).meet("cpu")


def test_a_helper_that_ends_while_it_is_waited_for_is_missed() -> None:
    with pytest.raises(ReplicaLost, match=r"^another replica of the training is gone$"):
        lead(Helper(arrives=False, ends=ray_team.RayError("it broke"))).meet("cpu")


def test_the_error_of_a_helper_is_that_of_the_job() -> None:
    error = JobFailed("it broke")

    assert lead(Helper(), Helper(ends=error)).verdict(ReplicaLost("gone")) is error


def test_the_death_of_a_helper_is_told_with_its_reason() -> None:
    died = ray_team.RayError("A. Worker exit detail: End of file. Some common causes: many")

    verdict = lead(Helper(ends=died)).verdict(ReplicaLost("gone"))

    assert isinstance(verdict, ReplicaLost)
    assert str(verdict) == "worker 2 of 2 of the training is gone: Ray worker died: End of file."


def test_where_nobody_knows_of_a_death_the_loss_itself_is_told() -> None:
    gone = ReplicaLost("gone")

    assert lead(Helper()).verdict(gone) is gone


def test_helpers_are_ended_with_the_block() -> None:
    helper = Helper()

    lead(helper).close()

    assert helper.is_killed


def test_a_clerk_that_finds_no_room_fails_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRay, "available_resources", dict, raising=False)
    team = ray_team.RayTeam(Settings(), JOB, "me", lambda: False)

    def hire(ctx: Context) -> Clerk:
        pytest.fail(f"job {ctx.job_id} hired a clerk")

    with pytest.raises(JobFailed, match=NO_ROOM.format(0)):
        next(team.deal(hire, [], 3))
    with pytest.raises(Cancelled, match=r"^scoring was cancelled while it waited for its workers$"):
        next(replace(team, cancelled=lambda: True).deal(hire, [], 3))


def test_a_job_whose_replica_is_gone_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)

    def gone() -> Context:
        raise ReplicaLost("worker 2 of 2 is gone")

    assert run_job(JOB, gone) == Outcome("lost", reason="worker 2 of 2 is gone")
