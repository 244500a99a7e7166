"""A stage's network as a graph that needs none of this project's classes: by torch.export.

A graph evaluates one sample, in float32: what depends on the batch's size would otherwise be fixed to another one. Its
inputs are z_t, t and what the stage's `Condition` has, in its order. A network that copies has a second graph, of what
it copies from Ic at the last stage's size (`train.inference.detail`), whose third input is that Ic.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.inference.detail import CopyingNetwork, copying
from train.models.condition import Condition

GraphFormat = Literal["torch.export"]
ENDINGS: dict[GraphFormat, str] = {"torch.export": ".pt2"}
TOLERANCE = 1e-2
"""Largest difference of a graph's output from the network's, in units of its standard deviation."""

Graph = Callable[..., tuple[Tensor, ...]]
"""From one sample's tensors to the network's results."""


def write_graphs(model: nn.Module, config: StageConfig, fine: int | None, stem: Path, kind: GraphFormat) -> float:
    """Write a network's graph, and for ``fine``, the last stage's size, that of what it copies; beside ``stem``.

    Return the largest difference from the network's own results, of random inputs. Raise UserError if it is too large.
    """
    largest = 0.0
    for ending, whole in (("", None), ("-copied", fine)):
        if ending and whole is None:
            continue
        graph, inputs = _Traced(model, config, whole), example(config, whole)
        with torch.no_grad():
            program = torch.export.export(graph, inputs, strict=False)
        path = stem.with_name(f"{stem.name}{ending}{ENDINGS[kind]}")
        _save(program, path)
        found, expected = read_graph(path, torch.device("cpu"))(*inputs), graph(*inputs)
        for one, other in zip(found, expected, strict=True):
            largest = max(largest, float((one - other).abs().max() / other.std().clamp(min=1e-3)))
        if not largest <= TOLERANCE:
            raise UserError(
                f"{path.name}: differs from the network by {largest:.2g}; export the weights as safetensors"
            )
    return largest


def read_graph(path: Path, device: torch.device) -> Graph:
    """Load a graph for one sample. Raise UserError if it cannot be read."""
    try:
        return _read_exported(path, device)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{path}: missing or damaged; export the cascade again") from error


class GraphNetwork(nn.Module):
    """A stage's network made of graphs, with the call signature of the network that they are of."""

    def __init__(self, forward: Graph, copied: Graph | None) -> None:
        super().__init__()
        self._forward, self.copy = forward, copied

    def forward(self, z_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        """Predict from z_t (B, 3, H, W) at t (B,) in [0, 1], one sample after the other."""
        return _batched(self._forward, z_t, t, condition)[0]

    def copied(self, z_t: Tensor, t: Tensor, condition: Condition, Ic: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the network copies from an Ic of the last stage's size, and its weight."""
        assert self.copy is not None, "see `copying`"
        image, weight = _batched(self.copy, z_t, t, condition, Ic)
        return image, weight


def example(config: StageConfig, fine: int | None) -> tuple[Tensor, ...]:
    """Return random inputs of a graph, always the same."""
    random = torch.Generator().manual_seed(0)

    def image(side: int) -> Tensor:
        return torch.rand(1, 3, side, side, generator=random) * 2 - 1

    def pose() -> Tensor:
        return torch.rand(1, 17, 3, generator=random)

    size = config.size
    first = (image(size), torch.full((1,), 0.5), *([] if fine is None else [image(fine)]))
    if not config.is_try_on:
        return (*first, torch.zeros(1, 1), image(size))
    low_res = [image(size)] if config.low_res else []
    return (*first, torch.zeros(1, 2 + len(low_res)), image(size), image(size), pose(), pose(), *low_res)


class _Traced(nn.Module):
    """A network with tensors as arguments."""

    def __init__(self, model: nn.Module, config: StageConfig, fine: int | None) -> None:
        super().__init__()
        self.model, self.fine, self.is_try_on = model, fine, config.is_try_on
        self.eval()

    def forward(self, z_t: Tensor, t: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """Return the network's result, or the two of what it copies."""
        fine, rest = (rest[0], rest[1:]) if self.fine else (None, rest)
        names = ("Ia", "Ic", "Jp", "Jg", "low_res") if self.is_try_on else ("low_res",)
        condition = Condition(rest[0], **dict(zip(names, rest[1:], strict=False)))
        if fine is None:
            return (self.model(z_t, t, condition),)
        network: CopyingNetwork | None = copying(self.model)
        assert network is not None, "only networks that copy have this graph"
        return network.copied(z_t, t, condition, fine)


def _batched(graph: Graph, z_t: Tensor, t: Tensor, condition: Condition, *fine: Tensor) -> tuple[Tensor, ...]:
    given = [one for one in (z_t, t, *fine, *condition) if one is not None]
    with torch.autocast(z_t.device.type, enabled=False):
        each = [graph(*(one[row : row + 1].float() for one in given)) for row in range(len(z_t))]
    return tuple(torch.cat(results) for results in zip(*each, strict=True))


def _save(program: torch.export.ExportedProgram, path: Path) -> None:
    with warnings.catch_warnings():  # weights that are views of each other are stored once, which is right
        warnings.filterwarnings("ignore", message="No complete tensor found in the group")
        torch.export.save(program, path)


def _read_exported(path: Path, device: torch.device) -> Graph:
    program = torch.export.load(path)
    if device.type != "cpu":
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, device)
    module = program.module()
    return lambda *inputs: tuple(module(*inputs))
