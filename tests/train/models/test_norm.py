import pytest
import torch
import torch.nn.functional as F

from train.models.blocks import group_norm


@pytest.mark.parametrize("shape", [(2, 16, 8, 8), (3, 12, 5, 7), (2, 96, 1, 1)])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_gradients_are_those_of_torchs_group_norm(shape: tuple[int, ...], layout: torch.memory_format) -> None:
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


def test_gradient_keeps_the_layout_and_precision_of_its_input() -> None:
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


def test_gradients_in_bf16_are_those_in_fp32_but_for_rounding() -> None:
    torch.manual_seed(1)
    norm = group_norm(32)
    torch.nn.init.normal_(norm.weight)
    x, grad = (torch.randn(2, 32, 16, 16).to(memory_format=torch.channels_last) for _ in range(2))
    x = x + 1.0
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        leaf = x.to(dtype, copy=True).requires_grad_()
        norm(leaf).backward(grad.to(dtype))
        assert leaf.grad is not None
        found.append(leaf.grad.float())
    assert (found[0] - found[1]).norm() < 0.01 * found[0].norm()
