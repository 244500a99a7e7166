"""The network on several processes: a copy on each (ddp), or a share of every weight on each (fsdp)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.data.batches import share_of_batch
from train.hardware.world import World
from train.models.blocks import Checkpointed
from train.training.state import Training


def refuse_impossible(config: StageConfig, world: World) -> None:
    """Raise UserError where the settings cannot be shared among the processes in their way."""
    share_of_batch(config.data.batch, world.size)
    memory, fsdp = config.memory, world.kind == "fsdp"
    refused = {
        "memory.optimizer_in_backward=true: false": memory.optimizer_in_backward and world.kind is not None,
        "memory.optimizer_on_host=true: false, or --parallel ddp,": memory.optimizer_on_host and fsdp,
        "memory.ema_on_host=true: false, or --parallel ddp,": memory.ema_on_host and fsdp,
        "compile=true: false, or --parallel ddp,": config.compile and fsdp,
        "optim.name=adafactor: adam or adamw, or --parallel ddp,": config.optim.name == "adafactor" and fsdp,
    }
    for what, is_refused in refused.items():
        if is_refused:
            raise UserError(f"{config.stage}: --parallel {world.kind} does not go with {what} would fit")


def shard(model: nn.Module, world: World, dtype: torch.dtype) -> None:
    """Leave each process its share of every weight, on its device. A block's are whole while the block computes.

    Shares stay in float32. A block's weights travel in ``dtype``, in which autocast would multiply by them anyway, and
    its gradients are summed in float32. What is outside of blocks, coordinates among it, is gathered as it is.
    """
    mesh = init_device_mesh(world.device.type, (world.size,))
    policy = MixedPrecisionPolicy(
        None if dtype == torch.float32 else dtype, reduce_dtype=torch.float32, cast_forward_inputs=False
    )
    for block in (module for module in model.modules() if isinstance(module, Checkpointed)):
        fully_shard(block, mesh=mesh, reshard_after_forward=True, mp_policy=policy)
    fully_shard(model, mesh=mesh, reshard_after_forward=True)


def replicate(model: nn.Module, world: World) -> DistributedDataParallel | None:
    """Return what averages the gradients of all copies in its backward pass; None where there is one copy."""
    # Gradients lie in the buffers that are sent, not beside them; there are no other buffers.
    return DistributedDataParallel(model, gradient_as_bucket_view=True) if world.kind == "ddp" else None


def accumulating(training: Training, last: bool) -> AbstractContextManager[None]:
    """Return the context of a micro-batch: copies average their gradients in the ``last`` one of a step alone.

    Shares are summed in every one: whole gradients, kept until the last, are what sharding is to save.
    """
    return nullcontext() if last or training.ddp is None else training.ddp.no_sync()


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor of which this process may have a share; then all processes have to ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def share(tensor: Tensor, like: Tensor | None) -> Tensor:
    """Return this process's share of a whole tensor, where ``like`` is a share."""
    if not isinstance(like, DTensor):
        return tensor
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def gathered(tensors: Mapping[str, Tensor], world: World) -> dict[str, Tensor]:
    """Return the tensors whole: those of shares in host memory, one after the other, on the first process alone."""
    if world.kind != "fsdp":
        return dict(tensors)
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        entire = whole(tensor)
        if world.leads:
            found[name] = entire.to("cpu")
    return found
