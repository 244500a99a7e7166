"""Work divided among processes comes back in order; a killed one is said in a line."""

import os

import pytest

from common.errors import UserError
from preprocess.processes import in_processes


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(workers: int) -> None:
    assert list(in_processes(divmod, [(n, 3) for n in range(9)], workers)) == [divmod(n, 3) for n in range(9)]


def test_no_work_gives_nothing() -> None:
    assert list(in_processes(divmod, [], 1)) == []


def test_a_killed_worker_is_the_users_to_know() -> None:
    with pytest.raises(UserError, match="a worker was killed"):
        list(in_processes(os._exit, [(9,)] * 2, 2))
