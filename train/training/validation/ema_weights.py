"""Temporarily swapping the EMA weights into the network, to validate and to sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from train.hardware.fsdp import is_shard
from train.training.state import Training


class Stopped(Exception):  # noqa: N818  not an error: the user asked for it
    """The run is to end; the validation or sheet is abandoned."""


def raise_if(stop: Callable[[], bool]) -> None:
    """Raise Stopped if ``stop`` returns True; between two forward passes, where FSDP's shards can be restored."""
    if stop():
        raise Stopped


@contextmanager
def ema_weights(training: Training) -> Iterator[nn.Module]:
    """Yield the training's network with the EMA weights in place of its own, without gradients.

    EMA weights in host memory are copied to the device, where they take the space of the gradients, which do not exist
    between two steps.
    """
    model = training.model
    own = {name: _contents(parameter) for name, parameter in model.named_parameters()}
    try:
        for name, parameter in model.named_parameters():
            _set(parameter, training.ema[name].to(parameter.device))
        model.eval()
        with torch.no_grad():
            yield model
    finally:
        for name, parameter in model.named_parameters():
            _set(parameter, own[name])
        model.train()


def _contents(parameter: nn.Parameter) -> Tensor:
    """Return what ``_set`` restores; of an FSDP shard a copy, since FSDP holds on to the shard's memory."""
    return parameter.detach().clone() if is_shard(parameter) else parameter.data


def _set(parameter: nn.Parameter, value: Tensor) -> None:
    if is_shard(parameter):
        parameter.detach().copy_(value)
    else:
        parameter.data = value
