"""Which tensors and networks FSDP has sharded. FSDP is imported only where it is used: that takes seconds."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeGuard

from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule
    from torch.distributed.tensor import DTensor


def is_shard(tensor: Tensor | None) -> TypeGuard[DTensor]:
    """Return whether the tensor is a process's shard of one; there is none before its class is imported."""
    module = sys.modules.get("torch.distributed.tensor")
    return module is not None and isinstance(tensor, module.DTensor)


def is_sharded(model: nn.Module) -> TypeGuard[FSDPModule]:
    """Return whether the network's weights are sharded."""
    module = sys.modules.get("torch.distributed.fsdp")
    return module is not None and isinstance(model, module.FSDPModule)
