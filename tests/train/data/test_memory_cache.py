import threading

import numpy as np

from train.data.augment import DecodedSample
from train.data.memory_cache import DecodedCache


def item(side: int) -> DecodedSample:
    return DecodedSample(np.zeros((side, side, 3), np.uint8), Jp=np.zeros((17, 3), np.float32))


def test_an_item_takes_the_bytes_of_its_arrays_and_a_little_more() -> None:
    assert 3 * 64**2 + 204 < item(64).nbytes < 3 * 64**2 + 204 + 2048


def test_items_are_kept_until_the_bytes_are_spent() -> None:
    one = item(64)
    kept = DecodedCache(2 * one.nbytes + 10)
    for which in range(4):
        kept.put(which, one)
    assert (len(kept), kept.nbytes) == (2, 2 * one.nbytes)
    assert kept.get(1) is one
    assert kept.get(2) is None
    assert not kept.has_room(one.nbytes)
    assert kept.has_room(10)


def test_an_item_is_counted_once() -> None:
    kept, one = DecodedCache(1 << 20), item(8)
    kept.put(3, one)
    kept.put(3, item(8))
    assert kept.nbytes == one.nbytes
    assert kept.get(3) is one


def test_threads_do_not_exceed_the_bound_together() -> None:
    one = item(8)
    kept = DecodedCache(100 * one.nbytes)

    def put(first: int) -> None:
        for which in range(first, 400, 8):
            kept.put(which, one)

    threads = [threading.Thread(target=put, args=(first,)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(kept), kept.nbytes) == (100, 100 * one.nbytes)


def test_nothing_is_kept_where_nothing_may_be() -> None:
    kept = DecodedCache(0)
    kept.put(0, item(8))
    assert len(kept) == 0
