"""The network with its averaged weights, lent for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from train.training.state import Training


class Stopped(Exception):  # noqa: N818  not an error: somebody asked for it
    """The run is to end; what was being looked at is left unfinished."""


@contextmanager
def averaged(training: Training, stop: Callable[[], bool]) -> Iterator[nn.Module]:
    """Lend the training's network with the averaged weights in place of its own, without gradients.

    The first evaluation after ``stop`` says so raises Stopped. Where the averaged weights lie in host memory they are
    copied to the device, in the place of the gradients, which are not there between two steps.
    """
    model = training.model

    def check(*_: object) -> None:
        if stop():
            raise Stopped

    # Before FSDP's own hook, which makes the weights whole: then they could not be given back.
    hook = model.register_forward_pre_hook(check, prepend=True)
    own = {name: _contents(parameter) for name, parameter in model.named_parameters()}
    try:
        for name, parameter in model.named_parameters():
            _give(parameter, training.ema[name].to(parameter.device))
        model.eval()
        with torch.no_grad():
            yield model
    finally:
        hook.remove()
        for name, parameter in model.named_parameters():
            _give(parameter, own[name])
        model.train()


def _contents(parameter: nn.Parameter) -> Tensor:
    """Return what ``_give`` gives back; of a share a copy, since FSDP knows the memory that it lies in."""
    return parameter.detach().clone() if isinstance(parameter, DTensor) else parameter.data


def _give(parameter: nn.Parameter, value: Tensor) -> None:
    if isinstance(parameter, DTensor):
        parameter.detach().copy_(value)
    else:
        parameter.data = value
