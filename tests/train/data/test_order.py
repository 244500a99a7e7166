import pytest

from train.data import order_at


def test_every_epoch_sees_every_sample_once_in_another_order() -> None:
    epochs = [[order_at(0, 10, epoch * 10 + place) for place in range(10)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_the_order_is_a_function_of_seed_and_position() -> None:
    late = order_at(3, 1000, 123_456)
    assert [order_at(3, 1000, position) for position in range(5)] == [order_at(3, 1000, p) for p in range(5)]
    assert order_at(3, 1000, 123_456) == late
    assert [order_at(4, 1000, p) for p in range(20)] != [order_at(3, 1000, p) for p in range(20)]


@pytest.mark.parametrize("position", [0, 99, 100])
def test_one_sample_is_always_that_one(position: int) -> None:
    assert order_at(7, 1, position) == 0
