"""Muon: orthogonal updates for matrices, AdamW for the rest, and nothing for a step that is not finite."""

import pytest
import torch
from torch import nn

from train.training.optim.muon import MOMENTUM, Muon, orthogonalised


@pytest.mark.parametrize("shape", [(16, 16), (32, 144), (144, 32)])
def test_singular_values_come_close_to_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalised(matrix))
    assert values.min() > 0.6
    assert values.max() < 1.3
    kept = (orthogonalised(matrix) * matrix).sum() / torch.linalg.svdvals(matrix).sum()
    assert 0.7 < kept < 1.2, "it keeps the singular vectors"


def network() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(16, 32, 3), nn.Flatten(), nn.Linear(32, 16), nn.Linear(16, 3))
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def stepped(found: float | None) -> tuple[nn.Sequential, nn.Sequential, Muon]:
    model, before = network(), network()
    optimizer = Muon(model.parameters(), lr=0.1, weight_decay=0.0, fused=True)
    model(torch.randn(4, 16, 3, 3, generator=torch.Generator().manual_seed(1))).square().mean().backward()
    if found is not None:
        optimizer.found_inf = torch.tensor(found)
    optimizer.step()
    return model, before, optimizer


def test_matrices_and_convolutions_take_muon_and_the_rest_adamw() -> None:
    model, before, optimizer = stepped(None)
    momenta = {name for name, p in model.named_parameters() if MOMENTUM in optimizer.state[p]}
    assert momenta == {"0.weight", "2.weight"}
    assert {name for name, p in model.named_parameters() if "exp_avg" in optimizer.state[p]} == {
        "0.bias", "2.bias", "3.weight", "3.bias",
    }  # fmt: skip
    for name in momenta:
        change = (model.get_parameter(name) - before.get_parameter(name)).detach().flatten(1) / 0.1
        values = torch.linalg.svdvals(change) / (0.2 * max(change.shape) ** 0.5)
        assert values.max() < 1.3
        assert values[:3].min() > 0.5, "the gradient of four samples has few directions, and these count alike"


@pytest.mark.parametrize("found", [0.0, 1.0])
def test_a_step_that_is_not_finite_changes_nothing(found: float) -> None:
    model, before, optimizer = stepped(found)
    same = [torch.equal(p, q) for p, q in zip(model.parameters(), before.parameters(), strict=True)]
    assert all(same) if found else not any(same)
    if found:
        assert not any(state[MOMENTUM].any() for state in optimizer.state.values() if MOMENTUM in state)


def test_a_gradient_that_is_not_finite_leaves_no_trace() -> None:
    model = network()
    optimizer = Muon(model.parameters(), lr=0.1, fused=True)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, torch.nan)
    optimizer.found_inf = torch.tensor(1.0)
    optimizer.step()
    assert all(p.isfinite().all() for p in model.parameters())
    assert all(state[MOMENTUM].isfinite().all() for state in optimizer.state.values() if MOMENTUM in state)
