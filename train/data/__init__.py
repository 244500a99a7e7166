"""From a folder of shards to batches, in an order that is a pure function of (seed, epoch, position)."""

from train.data.batch import Batch
from train.data.batches import BatchLoader
from train.data.draws import order_at
from train.data.opening import open_shards
from train.data.shards import ShardFolder

__all__ = ["Batch", "BatchLoader", "ShardFolder", "open_shards", "order_at"]
