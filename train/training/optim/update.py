"""The optimizer step in its three places: on the device, on the host, and inside the backward pass."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from train.configuration.stage_config import OptimConfig, StageConfig
from train.training.optim.host import host_memory
from train.training.state import Training


def begin_optimizer(model: nn.Module, config: StageConfig, ema: dict[str, Tensor]) -> Training:
    """Return the training of ``model`` before its first step.

    With ``optimizer_on_host`` the optimizer steps a second copy of the weights, in host memory. With
    ``optimizer_in_backward`` hooks step each parameter; ``step_optimizer`` is then not to be called.
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
    """Return the optimizer that the configuration names.

    Adam is AdamW without decay, which is the same. Adafactor is torch's: its second moment is factored over the last
    two dimensions of a weight, for a 3×3 convolution its 3×3 window, which saves a third of it and not nearly all;
    its loop over parameters is used because the version over all of them at once needs another copy of the weights.
    """
    if optim.name == "adafactor":
        return torch.optim.Adafactor(parameters, lr=optim.lr, weight_decay=optim.weight_decay, foreach=False)
    return torch.optim.AdamW(
        parameters, lr=optim.lr, betas=optim.betas, eps=optim.eps, weight_decay=optim.weight_decay, fused=True
    )


def step_optimizer(training: Training, finite: Tensor | None = None) -> None:
    """Step from the gradients that the model's parameters hold; on the host, fetch them and send the weights back.

    Where ``finite``, a boolean (), is false nothing changes.
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
    """Step where ``finite``, a boolean () beside the parameters, is true; None is true."""
    if isinstance(optimizer, torch.optim.Adafactor):  # its own step reads norms back, so this costs no more
        if finite is None or finite:
            optimizer.step()  # type: ignore[no-untyped-call]
        return
    # What GradScaler gives the fused step: it looks at the flag on the device, and leaves everything as it is.
    optimizer.found_inf = None if finite is None else (~finite).float()  # type: ignore[attr-defined]
    optimizer.step()


def device_gradients(model: nn.Module) -> list[Tensor]:
    """Return the gradients that the model's parameters hold."""
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


def release(model: nn.Module) -> None:
    """Free the model's gradients."""
    for parameter in model.parameters():
        parameter.grad = None


def _step_in_backward(training: Training, optim: OptimConfig) -> None:
    """Step and free each gradient the moment it is whole; the moments stay in the state of the training's optimizer.

    A gradient that is not finite, or that of a loss that is not, changes nothing; ``training.left_out`` says so.
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
            training.left_out = training.left_out | ~finite
            parameter.grad = None

        parameter.register_post_accumulate_grad_hook(step)  # type: ignore[no-untyped-call]
