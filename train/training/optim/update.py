"""The optimizer step in its three variants: on the device, on the host, and in the backward pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from train.configuration.stage_config import OptimConfig, StageConfig
from train.training.optim.host import host_memory
from train.training.optim.muon import Muon
from train.training.state import Training


def init_optimizer(model: nn.Module, config: StageConfig, ema: dict[str, Tensor]) -> Training:
    """Return the training state of ``model`` before its first step.

    With ``optimizer_on_host`` the optimizer steps a second copy of the weights, in host memory. With
    ``optimizer_in_backward`` hooks step each parameter; ``step_optimizer`` must then not be called.
    """
    masters: dict[str, nn.Parameter] = {}
    if config.memory.optimizer_on_host:
        with host_memory() as host:
            for name, parameter in model.named_parameters():
                masters[name] = nn.Parameter(parameter.detach().to(host, copy=True))
    optimizer = make_optimizer(masters.values() if masters else model.parameters(), config.optim)
    training = Training(model, ema, optimizer, masters=masters)
    if config.memory.optimizer_in_backward:
        _step_in_backward(training, config.optim)
    return training


def make_optimizer(parameters: Iterable[nn.Parameter], optim: OptimConfig) -> torch.optim.Optimizer:
    """Return the configured optimizer.

    Adam is AdamW without decay, which is equivalent. Adafactor is torch's: it factors the second moment over the last
    two dimensions of a weight, for a 3×3 convolution its 3×3 window, which saves only a third of it. It loops over the
    parameters (foreach=False), because the foreach version needs another copy of the weights.
    """
    if optim.name == "adafactor":
        return torch.optim.Adafactor(parameters, lr=optim.lr, weight_decay=optim.weight_decay, foreach=False)
    adam: dict[str, Any] = {
        "lr": optim.lr, "betas": optim.betas, "eps": optim.eps, "weight_decay": optim.weight_decay, "fused": True,
    }  # fmt: skip
    if optim.name == "muon":
        return Muon(parameters, **adam)
    return torch.optim.AdamW(parameters, **adam)


def step_optimizer(training: Training, finite: Tensor | None = None) -> None:
    """Step with the gradients of the model's parameters, on the device or on the host.

    On the host, gradients are copied there first, and the weights back afterwards. If ``finite``, a boolean (), is
    false, nothing changes.
    """
    if not training.masters:
        step_where(training.optimizer, finite)
        return
    parameters = list(training.model.parameters())
    with host_memory() as host, torch.no_grad():
        for master, parameter in zip(training.masters.values(), parameters, strict=True):
            master.grad = None if parameter.grad is None else parameter.grad.to(host)
        step_where(training.optimizer, finite if finite is None else finite.to(host))
        training.optimizer.zero_grad(set_to_none=True)
        torch._foreach_copy_([parameter.detach() for parameter in parameters], list(training.masters.values()))


def step_where(optimizer: torch.optim.Optimizer, finite: Tensor | None) -> None:
    """Step if ``finite``, a boolean () on the parameters' device, is true or None."""
    if isinstance(optimizer, torch.optim.Adafactor):  # its step synchronises anyway
        if finite is None or finite:
            optimizer.step()  # type: ignore[no-untyped-call]
        return
    # As GradScaler does: the fused step reads this flag on the device and, if set, changes nothing.
    optimizer.found_inf = None if finite is None else (~finite).float()  # type: ignore[attr-defined]
    optimizer.step()


def device_gradients(model: nn.Module) -> list[Tensor]:
    """Return the gradients of the model's parameters."""
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def free_gradients(model: nn.Module) -> None:
    """Free the model's gradients."""
    for parameter in model.parameters():
        parameter.grad = None


def _step_in_backward(training: Training, optim: OptimConfig) -> None:
    """Step each parameter and free its gradient as soon as it is accumulated; state stays in the training's optimizer.

    A non-finite gradient, or one of a non-finite loss, changes nothing and sets ``training.weights_skipped``.
    """
    optimizer = training.optimizer
    for parameter in training.model.parameters():
        own = make_optimizer([parameter], optim)
        own.state = optimizer.state

        def step(parameter: Tensor, own: torch.optim.Optimizer = own) -> None:
            own.param_groups[0]["lr"] = optimizer.param_groups[0]["lr"]
            assert parameter.grad is not None
            finite = parameter.grad.isfinite().all() & training.loss_is_finite
            step_where(own, finite)
            training.weights_skipped = training.weights_skipped | ~finite
            parameter.grad = None

        parameter.register_post_accumulate_grad_hook(step)  # type: ignore[no-untyped-call]
