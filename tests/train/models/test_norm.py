import pytest
import torch
import torch.nn.functional as F

from train.models.blocks import group_norm
from train.models.norm import GroupNorm


@pytest.mark.parametrize("shape", [(2, 16, 8, 8), (3, 12, 5, 7), (2, 96, 1, 1)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_gradients_match_torchs_group_norm(shape: tuple[int, ...], layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    norm = group_norm(shape[1])
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = (3.0 + torch.randn(shape)).to(memory_format=layout).requires_grad_()
    grad = torch.randn(shape)

    ours = norm(x)
    theirs = F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)

    torch.testing.assert_close(ours, theirs)
    parameters = [x, norm.weight, norm.bias]
    for one, other in zip(
        torch.autograd.grad(ours, parameters, grad), torch.autograd.grad(theirs, parameters, grad), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_gradient_keeps_the_layout_and_dtype_of_its_input() -> None:
    norm = group_norm(16)
    x = torch.randn(2, 16, 8, 8, dtype=torch.bfloat16).to(memory_format=torch.channels_last).requires_grad_()
    out = norm(x)
    out.backward(torch.randn_like(out))
    assert out.dtype == torch.bfloat16
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16
    assert x.grad.is_contiguous(memory_format=torch.channels_last)
    assert norm.weight.grad is not None
    assert norm.weight.grad.dtype == torch.float32


def test_bf16_gradients_match_fp32_up_to_rounding() -> None:
    torch.manual_seed(1)
    norm = group_norm(32)
    torch.nn.init.normal_(norm.weight)
    x, grad = (torch.randn(2, 32, 16, 16).to(memory_format=torch.channels_last) for _ in range(2))
    x = x + 1.0
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        leaf = x.to(dtype, copy=True).requires_grad_()
        norm(leaf).backward(grad.to(dtype))
        assert leaf.grad is not None
        gradients.append(leaf.grad.float())
    assert (gradients[0] - gradients[1]).norm() < 0.01 * gradients[0].norm()


ON_CARD = [(2, 16, 8, 8), (3, 12, 5, 7), (2, 96, 4, 4), (1, 256, 16, 16)]


def with_weights(channels: int) -> GroupNorm:
    norm = group_norm(channels)
    norm.gpu_path = True
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    return norm


@pytest.mark.parametrize("shape", ON_CARD)
@pytest.mark.parametrize("offset", [0.0, 30.0])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_the_gpu_implementation_matches_torchs_group_norm(
    shape: tuple[int, ...], offset: float, layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    norm = with_weights(shape[1])
    x = (offset + torch.randn(shape)).to(memory_format=layout).requires_grad_()
    grad = torch.randn(shape)
    theirs = F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)
    ours = norm(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3 if offset else 1e-5)
    with torch.no_grad():
        torch.testing.assert_close(norm(x), ours, rtol=0, atol=1e-5)
    parameters = [x, norm.weight, norm.bias]
    for one, other in zip(
        torch.autograd.grad(ours, parameters, grad), torch.autograd.grad(theirs, parameters, grad), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-2 if offset else 1e-3)


def test_the_gpu_implementation_keeps_layout_and_dtype_and_rounds_once() -> None:
    torch.manual_seed(0)
    norm = with_weights(32)
    x = (2.0 + torch.randn(2, 32, 16, 16)).to(torch.bfloat16).to(memory_format=torch.channels_last)
    out = norm(x.requires_grad_())
    assert out.dtype == torch.bfloat16
    assert out.is_contiguous(memory_format=torch.channels_last)
    exact = F.group_norm(x.float(), norm.num_groups, norm.weight, norm.bias, norm.eps)
    assert (out.float() - exact).abs().max() <= 2**-8 * exact.abs().max()


def test_it_keeps_no_copy_of_its_input_for_the_backward_pass() -> None:
    norm = with_weights(32)
    x = torch.randn(2, 32, 16, 16).to(memory_format=torch.channels_last).requires_grad_()
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        norm(x)
    large = {tensor.untyped_storage().data_ptr() for tensor in kept if tensor.numel() >= x.numel()}
    assert large == {x.untyped_storage().data_ptr()}


@pytest.mark.parametrize("shape", ON_CARD)
def test_the_compiled_implementation_matches_torchs_group_norm(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    norm = with_weights(shape[1])
    x = (3.0 + torch.randn(shape)).to(memory_format=torch.channels_last)
    theirs = F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(norm(x), theirs, rtol=1e-4, atol=1e-5)
