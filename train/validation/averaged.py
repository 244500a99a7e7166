"""The network with its averaged weights, lent for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from train.state import Training


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

    hook = model.register_forward_pre_hook(check)
    own = {name: parameter.data for name, parameter in model.named_parameters()}
    try:
        for name, parameter in model.named_parameters():
            parameter.data = training.ema[name].to(parameter.device)
        model.eval()
        with torch.no_grad():
            yield model
    finally:
        hook.remove()
        for name, parameter in model.named_parameters():
            parameter.data = own[name]
        model.train()
