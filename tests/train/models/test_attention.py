import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from train.models import PRESETS, build_model, set_fused_attention
from train.models.attention import CrossAttention, SelfAttention, attend, matmul_attention


def heads(rows: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(2, 3, rows, 16).to(dtype).requires_grad_()


@pytest.mark.parametrize(("asked", "answered"), [(9, 9), (12, 20), (1, 5)])
def test_matches_torchs_attention_and_gradients(asked: int, answered: int) -> None:
    torch.manual_seed(0)
    q, k, v, grad = heads(asked), heads(answered), heads(answered), torch.randn(2, 3, asked, 16)
    ours, theirs = matmul_attention(q, k, v), F.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(ours, theirs)
    for one, other in zip(
        torch.autograd.grad(ours, (q, k, v), grad), torch.autograd.grad(theirs, (q, k, v), grad), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_accepts_the_head_views_of_the_layers() -> None:
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, rows, 32, requires_grad=True) for rows in (6, 10, 10))
    torch.testing.assert_close(attend(q, k, v, 16, fused=False), attend(q, k, v, 16))
    with torch.no_grad():
        assert torch.equal(attend(q, k, v, 16, fused=False), attend(q, k, v, 16))


def test_bf16_is_as_close_to_fp32_as_torchs_own() -> None:
    torch.manual_seed(0)
    exact = q, k, v = heads(64), heads(98), heads(98)
    grad = torch.randn(2, 3, 64, 16)
    wanted = torch.autograd.grad(F.scaled_dot_product_attention(q, k, v), exact, grad)
    errors = []
    for attention in (matmul_attention, F.scaled_dot_product_attention):
        rounded = q, k, v = tuple(t.detach().bfloat16().requires_grad_() for t in exact)
        with torch.autocast("cpu", torch.bfloat16):
            out = attention(q, k, v)
        assert out.dtype == torch.bfloat16
        gradients = torch.autograd.grad(out, rounded, grad.bfloat16())
        assert {t.dtype for t in gradients} == {torch.bfloat16}
        errors.append([float((f.float() - w).norm() / w.norm()) for f, w in zip(gradients, wanted, strict=True)])
    assert max(errors[0]) < 0.02
    assert all(ours < 1.5 * theirs for ours, theirs in zip(*errors, strict=True))


def test_every_layer_of_a_network_is_set() -> None:
    with torch.device("meta"):
        model = build_model(PRESETS["nano"]["base"])
    layers = [module for module in model.modules() if isinstance(module, SelfAttention | CrossAttention)]
    assert layers
    for enabled in (False, True):
        set_fused_attention(model, enabled)
        assert {layer.fused for layer in layers} == {enabled}
