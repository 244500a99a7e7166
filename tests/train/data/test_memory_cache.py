import threading

import numpy as np

from train.data.augment import DecodedSample
from train.data.memory_cache import DecodedCache


def item(side: int) -> DecodedSample:
    return DecodedSample(np.zeros((side, side, 3), np.uint8), Jp=np.zeros((17, 3), np.float32))


def test_an_item_counts_its_arrays_bytes_plus_overhead() -> None:
    assert 3 * 64**2 + 204 < item(64).nbytes < 3 * 64**2 + 204 + 2048


def test_items_are_cached_until_the_limit() -> None:
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


def test_threads_together_stay_within_the_limit() -> None:
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


def test_a_limit_of_zero_caches_nothing() -> None:
    kept = DecodedCache(0)
    kept.put(0, item(8))
    assert len(kept) == 0
