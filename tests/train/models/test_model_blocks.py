"""Unit tests of convolution, attention and embedding layers."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from train.models.attention import CrossAttention, SelfAttention, attend
from train.models.blocks import FiLM, ResBlock, Upsample, group_norm
from train.models.embedding import AttentionPool, LevelEmbedding, PoseTokens, TryOnEmbedding, positional_encoding

torch.set_num_threads(1)


def randn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


@pytest.mark.parametrize(
    ("channels", "groups"), [(1, 1), (3, 1), (8, 2), (16, 4), (96, 24), (100, 25), (128, 32), (152, 19), (1024, 32)]
)
def test_group_norm_takes_min_32_or_a_quarter_and_always_divides(channels: int, groups: int) -> None:
    norm = group_norm(channels)
    assert norm.num_groups == groups
    assert norm(randn(2, channels, 4, 4)).shape == (2, channels, 4, 4)


@pytest.mark.parametrize(("c_in", "c_out"), [(8, 8), (8, 12)])
def test_a_new_res_block_is_its_skip_convolution_even_at_equal_width(c_in: int, c_out: int) -> None:
    block = ResBlock(c_in, c_out, 16)
    x = randn(2, c_in, 6, 6)
    assert block.skip.kernel_size == (1, 1)
    torch.testing.assert_close(block(x, randn(2, 16)), block.skip(x))


def test_film_scales_and_shifts_each_channel() -> None:
    film, x = FiLM(4, 3), randn(2, 3, 5, 5)
    nn.init.zeros_(film.projection.weight)
    with torch.no_grad():
        film.projection.bias.copy_(torch.tensor([1.0, 0.0, -1.0, 0.0, 2.0, 3.0]))
    expected = torch.stack([2 * x[:, 0], x[:, 1] + 2.0, torch.full_like(x[:, 2], 3.0)], dim=1)
    torch.testing.assert_close(film(x, randn(2, 4)), expected)


def test_upsample_doubles() -> None:
    assert Upsample(4, 6)(randn(1, 4, 3, 5)).shape == (1, 6, 6, 10)


def test_mistake_2_new_attention_is_exactly_the_identity() -> None:
    x = randn(2, 32, 6, 4)
    assert torch.equal(SelfAttention(32, 8, 16)(x, randn(2, 34, 8)), x)
    assert torch.equal(CrossAttention(32, 16)(x, randn(2, 32, 6, 4)), x)


def test_mistake_2_attention_adds_to_its_input() -> None:
    """With a zero value projection, only the output bias is added."""
    x, layer = randn(2, 32, 6, 4), CrossAttention(32, 16)
    nn.init.normal_(layer.out.weight)
    nn.init.zeros_(layer.kv.weight)
    torch.testing.assert_close(layer(x, randn(2, 32, 6, 4)), x)


def test_attend_is_softmax_of_scaled_products_per_head() -> None:
    q, k, v = randn(2, 5, 8), randn(2, 7, 8), randn(2, 7, 8) + 1.0
    expected = []
    for head in (slice(0, 4), slice(4, 8)):
        weights = (q[..., head] @ k[..., head].transpose(1, 2) / math.sqrt(4)).softmax(-1)
        expected.append(weights @ v[..., head])
    torch.testing.assert_close(attend(q, k, v, 4), torch.cat(expected, dim=-1))


def test_tokens_return_to_the_pixel_they_came_from_in_either_memory_format() -> None:
    layer = CrossAttention(16, 8)
    nn.init.normal_(layer.out.weight)
    x, garment = randn(2, 16, 4, 6), randn(2, 16, 4, 6) + 1.0
    out = layer(x, garment)
    last = torch.channels_last
    torch.testing.assert_close(layer(x.to(memory_format=last), garment.to(memory_format=last)), out)
    torch.testing.assert_close(layer(x.flip(3), garment), out.flip(3))


def test_pose_tokens_are_read_by_self_attention() -> None:
    layer, x = SelfAttention(16, 8, 8), randn(2, 16, 4, 4)
    nn.init.normal_(layer.out.weight)
    assert not torch.allclose(layer(x, randn(2, 34, 8)), layer(x, randn(2, 34, 8) + 1.0))


def test_mistake_5_each_keypoint_has_its_own_token_with_x_and_y_apart() -> None:
    tokens, pose = PoseTokens(17, 32), torch.rand(1, 17, 3, generator=torch.Generator().manual_seed(0))
    moved = pose.clone()
    moved[0, 9, 0] += 0.25
    changed = (tokens(moved) - tokens(pose)).abs().amax(-1)[0] > 1e-6
    assert changed.nonzero().flatten().tolist() == [9]
    torch.testing.assert_close((tokens(moved) - tokens(pose))[0, 9], 0.25 * tokens.linear.weight[:, 0])
    swapped = pose[..., [1, 0, 2]]
    assert ((tokens(swapped) - tokens(pose)).abs().amax(-1) > 1e-6).all()


def test_two_keypoints_at_one_place_are_distinguished() -> None:
    tokens = PoseTokens(17, 32)(torch.full((1, 17, 3), 0.5))
    assert torch.cdist(tokens[0], tokens[0]).add(torch.eye(17)).min() > 0.1


def test_attention_pool_reads_every_token() -> None:
    pool = AttentionPool(5, 16, 8, 8)
    tokens = randn(1, 5, 16).requires_grad_()
    out = pool(tokens)
    assert out.shape == (1, 8)
    out.square().sum().backward()
    assert tokens.grad is not None
    assert (tokens.grad.abs().amax(-1) > 0).all()


def test_positional_encoding_separates_close_levels_and_stays_in_float32() -> None:
    levels = torch.linspace(0, 1, 1001)
    codes = positional_encoding(levels, 64)
    assert codes.dtype == torch.float32
    assert codes.shape == (1001, 64)
    assert (codes[1:] - codes[:-1]).norm(dim=-1).min() > 0.1
    assert positional_encoding(levels.bfloat16(), 64).dtype == torch.float32


def test_levels_with_swapped_values_are_distinguished() -> None:
    embedding = LevelEmbedding(3, 32)
    a, b, c = (torch.tensor([value]) for value in (0.1, 0.5, 0.9))
    first = embedding(a, torch.stack([b, c], dim=1))
    assert not torch.allclose(first, embedding(b, torch.stack([a, c], dim=1)))
    assert not torch.allclose(first, embedding(a, torch.stack([c, b], dim=1)))


def test_try_on_embedding_distinguishes_the_two_poses() -> None:
    embedding = TryOnEmbedding(images=2, keypoints=17, pose_dim=16, film_dim=32, head_dim=8)
    Jp, Jg = torch.rand(2, 3, 17, 3, generator=torch.Generator().manual_seed(1))
    t, t_na = torch.rand(3), torch.rand(3, 2)
    emb, tokens = embedding(t, t_na, Jp, Jg)
    assert emb.shape == (3, 32)
    assert tokens.shape == (3, 34, 16)
    assert not torch.allclose(emb, embedding(t, t_na, Jg, Jp)[0])


def test_group_norm_keeps_the_precision_of_its_input_under_autocast() -> None:
    norm = group_norm(8)
    x = torch.randn(2, 8, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        low, full = norm(x.bfloat16()), norm(x)
    assert (low.dtype, full.dtype) == (torch.bfloat16, torch.float32)
    assert torch.equal(full, torch.nn.functional.group_norm(x, norm.num_groups, norm.weight, norm.bias))
    assert torch.allclose(low.float(), full, atol=0.05)


def test_the_gpu_upsampling_equals_nearest_neighbour() -> None:
    upsample = Upsample(8, 4)
    x = randn(2, 8, 3, 5).to(memory_format=torch.channels_last).requires_grad_()
    grad = randn(2, 4, 6, 10)
    plain, gradient = upsample(x), torch.autograd.grad(upsample(x), x, grad)[0]
    upsample.gpu_path = True
    torch.testing.assert_close(upsample(x), plain)
    torch.testing.assert_close(torch.autograd.grad(upsample(x), x, grad)[0], gradient)
    assert upsample(x).is_contiguous(memory_format=torch.channels_last)
