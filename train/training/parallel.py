"""Distributed training: a copy of the network per process (ddp), or a shard of every weight per process (fsdp)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from common.errors import UserError
from train.configuration.stage_config import StageConfig
from train.data.batches import share_of_batch
from train.hardware.fsdp import is_shard
from train.hardware.world import World
from train.models.blocks import Checkpointed
from train.training.state import Training

_ELEMENTWISE = ("adam", "adamw")
"""Optimizers that step each number of a weight independently, so also a shard; the others need the whole matrix."""


def refuse_impossible(config: StageConfig, world: World) -> None:
    """Raise UserError if the settings do not work with this kind of parallelism or number of processes."""
    share_of_batch(config.data.batch, world.size)
    memory, optimizer, fsdp = config.memory, config.optim.name, world.kind == "fsdp"
    refused = {
        "memory.optimizer_in_backward=true: false": memory.optimizer_in_backward and world.kind is not None,
        "memory.optimizer_on_host=true: false, or --parallel ddp,": memory.optimizer_on_host and fsdp,
        "memory.ema_on_host=true: false, or --parallel ddp,": memory.ema_on_host and fsdp,
        "compile=true: false, or --parallel ddp,": config.compile and fsdp,
        f"optim.name={optimizer}: adam or adamw, or --parallel ddp,": fsdp and optimizer not in _ELEMENTWISE,
    }
    for what, is_refused in refused.items():
        if is_refused:
            raise UserError(f"{config.stage}: --parallel {world.kind} is incompatible with {what} would fit")


def shard(model: nn.Module, world: World, dtype: torch.dtype) -> None:
    """Shard every weight over the processes (FSDP2); a block's weights are gathered while it computes.

    Shards stay in float32. A block's weights are gathered in ``dtype``, which autocast would cast them to anyway, and
    its gradients are reduced in float32. Weights outside blocks, such as those of coordinates, are gathered in float32.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    mesh = init_device_mesh(world.device.type, (world.size,))
    policy = MixedPrecisionPolicy(
        None if dtype == torch.float32 else dtype, reduce_dtype=torch.float32, cast_forward_inputs=False
    )
    for block in (module for module in model.modules() if isinstance(module, Checkpointed)):
        fully_shard(block, mesh=mesh, reshard_after_forward=True, mp_policy=policy)
    fully_shard(model, mesh=mesh, reshard_after_forward=True)


def replicate(model: nn.Module, world: World) -> DistributedDataParallel | None:
    """Return ``model`` wrapped in DistributedDataParallel, which averages gradients; None without ddp."""
    # Gradients are views into the communication buckets, which saves a copy of them.
    return DistributedDataParallel(model, gradient_as_bucket_view=True) if world.kind == "ddp" else None


def accumulating(training: Training, last: bool) -> AbstractContextManager[None]:
    """Return the context of a micro-batch: ddp averages gradients only in the ``last`` one of a step.

    fsdp reduces them in every one: keeping unsharded gradients until the last would defeat its purpose.
    """
    return nullcontext() if last or training.ddp is None else training.ddp.no_sync()


def whole(tensor: Tensor) -> Tensor:
    """Return the full tensor, gathered if it is sharded; all processes must then call this."""
    return tensor.full_tensor() if is_shard(tensor) else tensor


def share(tensor: Tensor, like: Tensor | None) -> Tensor:
    """Return this process's shard of a full tensor, sharded as ``like``; the tensor itself if ``like`` is not."""
    if not is_shard(like):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def copied_to_host(tensors: Mapping[str, Tensor], dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """Return copies in host memory, in ``dtype`` if given; of a sharded tensor, only this process's shard is copied."""
    return {name: value.detach().to("cpu", dtype or value.dtype, copy=True) for name, value in tensors.items()}
