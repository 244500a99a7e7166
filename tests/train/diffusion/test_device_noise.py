"""The device generator: Random123's known answers, and numbers that do not depend on the batch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from train.diffusion.device_noise import DeviceNoise, box_muller, philox

CPU = torch.device("cpu")


def noise(positions: list[int] | range, seed: int = 0, stage: str = "base") -> DeviceNoise:
    return DeviceNoise(seed, stage, positions, CPU)


def column(*values: int) -> Tensor:
    return torch.tensor(values)[:, None]


@pytest.mark.parametrize(
    ("position", "block", "key", "words"),
    [
        (0, 0, (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        # By the same ten rounds in Python's integers, which are compared with Random123's two other answers below.
        (0x13198A2E85A308D3, 0x243F6A88, (0xA4093822, 0x299F31D0), None),
    ],
)
def test_words_match_the_reference(
    position: int, block: int, key: tuple[int, int], words: tuple[int, ...] | None
) -> None:
    output = philox(column(position), column(block), torch.tensor(key))
    expected = reference([block, position & 0xFFFFFFFF, position >> 32, 0], list(key))
    assert words is None or tuple(expected) == words
    assert [int(word) for word in output] == expected


def reference(counter: list[int], key: list[int]) -> list[int]:
    """Philox4x32-10 as in its authors' paper."""
    for _ in range(10):
        first, second = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        low = 0xFFFFFFFF
        counter = [(second >> 32) ^ counter[1] ^ key[0], second & low, (first >> 32) ^ counter[3] ^ key[1], first & low]
        key = [(key[0] + 0x9E3779B9) & low, (key[1] + 0xBB67AE85) & low]
    return counter


def test_the_reference_gives_random123s_known_answers() -> None:
    ones, pi = [0xFFFFFFFF] * 4, [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
    assert reference(ones, ones[:2]) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
    assert reference(pi, [0xA4093822, 0x299F31D0]) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def test_a_samples_numbers_do_not_depend_on_its_batch() -> None:
    whole = noise(range(8)).normal((3, 4, 5), "eps")
    assert torch.equal(noise([5, 2]).normal((3, 4, 5), "eps"), whole[[5, 2]])
    assert torch.equal(noise([7]).normal((3, 4, 5), "eps"), whole[7:])
    assert torch.equal(noise(range(2, 6)).normal((3, 4, 5), "eps"), whole[2:6])


def test_every_part_of_the_key_matters() -> None:
    far = 2**40 + 3
    draws = [
        noise([3]).normal((4,), "eps"),
        noise([3], seed=1).normal((4,), "eps"),
        noise([3], stage="sr256").normal((4,), "eps"),
        noise([4]).normal((4,), "eps"),
        noise([far]).normal((4,), "eps"),
        noise([3]).normal((4,), "eps", 0),
        noise([3]).normal((4,), "eps", "0"),
    ]
    assert len({tuple(draw[0].tolist()) for draw in draws}) == len(draws)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (4,), (2, 3, 7)])
def test_shapes_and_dtypes_match_the_host_generator(shape: tuple[int, ...]) -> None:
    for drawn in (noise(range(3)).normal(shape, "eps"), noise(range(3)).uniform(shape, "t")):
        assert drawn.shape == (3, *shape)
        assert drawn.dtype == torch.float32


def test_numbers_are_normal_and_uncorrelated() -> None:
    drawn = noise(range(64)).normal((3, 64, 64), "eps").double()
    count = drawn.numel()
    assert abs(drawn.mean().item()) < 4 / math.sqrt(count)
    assert abs(drawn.var().item() - 1) < 4 * math.sqrt(2 / count)
    assert abs((drawn**3).mean().item()) < 4 * math.sqrt(15 / count)
    assert abs((drawn**4).mean().item() - 3) < 4 * math.sqrt(96 / count)
    flat = drawn.flatten(1)
    shares = [(flat.abs() > bound).double().mean().item() for bound in (1.0, 2.0, 3.0, 4.0)]
    expected = [math.erfc(bound / math.sqrt(2)) for bound in (1.0, 2.0, 3.0, 4.0)]
    assert shares == pytest.approx(expected, rel=0.1)
    lanes = flat.view(64, 4, -1)
    for one, other in ((lanes[:, 0], lanes[:, 1]), (flat[:, 1:], flat[:, :-1]), (flat[1:], flat[:-1])):
        assert abs((one * other).mean().item()) < 4 / math.sqrt(one.numel())
    assert flat.isfinite().all()


def test_uniform_numbers_cover_their_range_evenly() -> None:
    drawn = noise(range(4096)).uniform((), "t")
    assert drawn.min() >= 0
    assert drawn.max() < 1
    counts = torch.histc(drawn, 8, 0, 1)
    assert ((counts - 512).abs() < 5 * math.sqrt(512)).all()
    assert noise(range(4096)).bernoulli(0.1, "drop").float().mean().item() == pytest.approx(0.1, abs=0.02)
    with pytest.raises(ValueError, match="probability"):
        noise([0]).bernoulli(1.5, "drop")


def test_the_largest_and_smallest_words_give_finite_numbers() -> None:
    blocks = torch.arange(1 << 16)[None]
    assert box_muller(column(0), blocks, torch.tensor([0, 0])).abs().max() < 5.8


def test_shapes_share_compiled_graphs(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.testing import CompileCounter  # takes seconds, and only this test needs it

    torch._dynamo.reset()
    counter = CompileCounter()
    monkeypatch.setattr(
        "train.diffusion.device_noise._compiled", lambda f: torch.compile(f, backend=counter, dynamic=True)
    )
    for count in (2, 3, 5):
        for side in (4, 6, 8, 10):
            compiled = DeviceNoise(0, "base", range(count), CPU, compiled=True).normal((3, side, side), "eps")
            assert torch.equal(compiled, noise(range(count)).normal((3, side, side), "eps"))
    torch._dynamo.reset()
    assert counter.frame_count <= 2  # of twelve shapes
