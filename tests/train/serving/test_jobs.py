"""The queue of pictures: order, places, limits, what is kept, what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from common.errors import UserError
from train.diffusion.samplers import OnStep
from train.serving.jobs import MAX_KEPT, MAX_WAITING, Job, Jobs, Photograph, QueueFullError, Result

RESULT = Result({"base": b"png"}, {"seed": "0"})


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    queue = Jobs()
    queue.start()
    yield queue
    assert queue.stop(30)


class Gate:
    """A picture that is under way until it is let go."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Event(), threading.Event()

    def make(self, _: OnStep) -> Result:
        self.begun.set()
        assert self.open.wait(30)
        return RESULT


def noted(made: list[str], name: str, _: OnStep) -> Result:
    made.append(name)
    return RESULT


def finished(jobs: Jobs, make: Callable[[OnStep], Result]) -> Job:
    """Add a picture and another one after it; once that one begins, the first has ended."""
    job, after = jobs.add(make), Gate()
    jobs.add(after.make)
    assert after.begun.wait(30)
    after.open.set()
    return job


def test_jobs_run_in_order(jobs: Jobs) -> None:
    gate, made = Gate(), list[str]()
    first = jobs.add(gate.make)
    assert gate.begun.wait(30)
    waiting = [jobs.add(partial(noted, made, name)) for name in "abc"]
    assert [jobs.jobs_ahead(job) for job in (first, *waiting)] == [0, 1, 2, 3]
    assert first.state == "running"
    gate.open.set()
    finished(jobs, lambda _: RESULT)
    assert made == ["a", "b", "c"]
    assert {job.state for job in waiting} == {"done"}


def test_the_queue_is_limited(jobs: Jobs) -> None:
    gate = Gate()
    jobs.add(gate.make)
    assert gate.begun.wait(30)
    for _ in range(MAX_WAITING):
        last = jobs.add(lambda _: RESULT)
    with pytest.raises(QueueFullError):
        jobs.add(lambda _: RESULT)
    assert jobs.cancel(last)
    jobs.add(lambda _: RESULT)
    gate.open.set()


def test_photographs_of_older_jobs_are_discarded(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.serving.jobs.MAX_PHOTOGRAPHS", 25)
    whole = Result({"base": b"png"}, {}, Photograph(b"x" * 10, (2, 5)))
    done = [finished(jobs, lambda _: whole) for _ in range(4)]
    assert [bool(job.result and job.result.photograph) for job in done] == [False, False, True, True]
    assert all(job.result and job.result.pictures for job in done)
    large = Result({}, {}, Photograph(b"x" * 100, (10, 10)))
    job = finished(jobs, lambda _: large)
    assert job.result
    assert job.result.photograph


def test_a_cancelled_waiting_job_does_not_run(jobs: Jobs) -> None:
    gate, made = Gate(), list[str]()
    jobs.add(gate.make)
    assert gate.begun.wait(30)
    waiting = jobs.add(partial(noted, made, "it"))
    assert jobs.cancel(waiting)
    assert not jobs.cancel(waiting)
    gate.open.set()
    finished(jobs, lambda _: RESULT)
    assert (waiting.state, made) == ("cancelled", [])


def test_a_running_job_is_cancelled_at_its_next_step(jobs: Jobs) -> None:
    gate = Gate()

    def make(on_step: OnStep) -> Result:
        gate.make(on_step)
        on_step(0, 1)
        raise AssertionError("it was given up before")

    running = jobs.add(make)
    assert gate.begun.wait(30)
    assert jobs.cancel(running)
    assert running.state == "running"
    gate.open.set()
    done = finished(jobs, lambda _: RESULT)
    assert (running.state, running.error, done.state) == ("cancelled", "", "done")
    assert not jobs.cancel(done)


def test_an_unusable_photograph_is_reported(jobs: Jobs) -> None:
    def make(_: OnStep) -> Result:
        raise UserError("nobody on it")

    job = finished(jobs, make)
    assert (job.state, job.error, job.result) == ("failed", "nobody on it", None)


def test_a_bug_is_logged_and_the_next_job_runs(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    job = finished(jobs, lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
    assert job.state == "failed"
    assert "internal error" in job.error
    assert "ZeroDivisionError" in caplog.text


def test_only_the_last_results_are_kept(jobs: Jobs) -> None:
    first = finished(jobs, lambda _: RESULT)
    for _ in range(MAX_KEPT):
        last = finished(jobs, lambda _: RESULT)
    assert jobs.find(first.id) is None
    assert jobs.find(last.id) is last


def test_the_expected_time_is_the_median_of_the_last_jobs(jobs: Jobs) -> None:
    assert jobs.expected_seconds() is None
    job = finished(jobs, lambda _: RESULT)
    expected = jobs.expected_seconds()
    assert expected is not None
    assert 0 <= expected < 30
    assert job.seconds <= 30


def test_job_ids_cannot_be_guessed(jobs: Jobs) -> None:
    names = {jobs.add(lambda _: RESULT).id for _ in range(5)}
    assert len(names) == 5
    assert min(map(len, names)) >= 22
