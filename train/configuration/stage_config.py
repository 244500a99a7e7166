"""What a stage's training is set to: pydantic, defaults ← preset ← file ← `--set a.b=c`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from common.config_section import ConfigSection
from common.options import MAX_SEED
from train.data.data_config import DataConfig
from train.diffusion.diffusion_config import DiffusionConfig, SamplingConfig
from train.hardware.precision import Precision
from train.models import ModelConfig, ParallelUNetConfig
from train.models.model_config import check_divisible

Stage = Literal["base", "sr256", "sr1024"]
STAGES: tuple[Stage, ...] = ("base", "sr256", "sr1024")


class OptimConfig(ConfigSection):
    """Adam, as the paper's three stages are trained; the rest as in Imagen (appendix F)."""

    name: Literal["adam", "adamw", "adafactor"] = "adam"
    """Adam (the paper's), Adam with decoupled weight decay, or Adafactor, whose second moments are factored."""
    lr: float = Field(1e-4, gt=0)
    """Learning rate after the warm-up."""
    warmup: int = Field(10_000, ge=0)
    """Steps of linear warm-up from 0."""
    decay: Literal["constant", "cosine"] = "constant"
    """What follows the warm-up: the same rate to the end (the paper's), or half a cosine down to 0 at ``steps``."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Adam's decay rates."""
    eps: float = Field(1e-8, gt=0)
    """Adam's ε."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay; not for adam, which has none."""
    clip: float | None = Field(1.0, gt=0)
    """Gradients are scaled down to this norm where it is larger; null leaves them as they are."""
    max_skipped: int = Field(20, gt=0)
    """After so many steps in a row whose loss or gradients were not finite the run ends."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.name == "adam" and self.weight_decay:
            raise ValueError(f"name=adam has no weight_decay, here {self.weight_decay}: 0 or name=adamw would fit")
        return self


class ValidationConfig(ConfigSection):
    """What is looked at on the way, with the averaged weights, on the split val."""

    every: int = Field(1000, ge=0)
    """Steps between two losses of the same samples with the same noise; 0 for never."""
    samples: int = Field(100, gt=0)
    """Samples of such a loss, spread over the split and, in turn, over ten ranges of t."""
    sheet_every: int = Field(0, ge=0)
    """Steps between two sheets of the same pairs, as sampled; 0 for never."""
    sheet_pairs: int = Field(4, gt=0)
    """Rows of a sheet."""


class LogConfig(ConfigSection):
    """Where the numbers go besides metrics.jsonl."""

    tensorboard: bool = False
    """Write TensorBoard's event files; needs the extra `tensorboard`."""
    wandb: bool = False
    """Send them to Weights & Biases; needs the package wandb."""


class MemoryConfig(ConfigSection):
    """Where a step's tensors lie and how many there are at a time; none of it changes what is computed.

    `trainer plan` says what a card needs.
    """

    micro_batch: int | None = Field(None, gt=0)
    """Samples of one forward and backward pass, whose gradients are added up to the batch's; null: the whole batch."""
    checkpointing: bool = False
    """Keep only the inputs of each block for the backward pass and compute the rest again."""
    optimizer_on_host: bool = False
    """Keep a second copy of the weights and the optimizer's moments in host memory, and step there (ZeRO-Offload)."""
    optimizer_in_backward: bool = False
    """Step each parameter as soon as its gradient is known, and free the gradient; neither accumulates nor clips."""
    ema_on_host: bool = False
    """Keep the averaged weights in host memory."""


class CheckpointConfig(ConfigSection):
    """Checkpoints."""

    every: int = Field(1000, gt=0)
    """Steps between two checkpoints."""
    keep: int = Field(2, gt=0)
    """How many of the last ones are kept, besides that with the lowest validation loss."""


class StageConfig(ConfigSection):
    """All settings of one stage's run."""

    stage: Stage
    """Which stage of the cascade."""
    preset: str
    """The preset that the defaults come from."""
    size: int = Field(gt=0)
    """Side of the stage's pictures."""
    low_res: int | None = Field(None, gt=0)
    """Side of the stage before's pictures; none for the base stage."""
    crop: int | None = Field(None, gt=0)
    """Side of the random crops that are trained on; the whole picture where none."""
    steps: int = Field(gt=0)
    """Optimizer steps of the whole run."""
    seed: int = Field(0, ge=0, le=MAX_SEED)
    """Decides weights, order, noise, times and dropout."""
    precision: Precision = "fp32"
    """Arithmetic of the forward and backward pass; weights and optimizer stay in fp32. fp16 scales the loss."""
    compile: bool = False
    """Whether torch.compile makes the training step's forward and backward pass faster; it takes minutes first."""
    ema: float = Field(0.9999, ge=0, lt=1)
    """Decay of the averaged weights; grows up to this as (1 + n) / (10 + n) over the first steps n."""
    model: ModelConfig
    """The network."""
    data: DataConfig = DataConfig()
    optim: OptimConfig = OptimConfig()
    memory: MemoryConfig = MemoryConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    sampling: SamplingConfig = SamplingConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    validation: ValidationConfig = ValidationConfig()
    log: LogConfig = LogConfig()

    @property
    def is_try_on(self) -> bool:
        """Whether the stage reads (Ia, Jp, Ic, Jg): the third one does not (paper §3.1)."""
        return isinstance(self.model, ParallelUNetConfig)

    @property
    def scale(self) -> int:
        """How many times larger the stage's pictures are than the stage before's."""
        return self.size // self.low_res if self.low_res else 1

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.low_res is None) != (self.stage == "base"):
            raise ValueError(f"low_res={self.low_res} does not go with stage={self.stage}: only base has none")
        if self.low_res and self.diffusion.shown_std is not None:
            raise ValueError(
                f"diffusion.shown_std={self.diffusion.shown_std} with low_res={self.low_res}: null would fit"
            )
        if self.low_res:
            check_divisible("size", self.size, self.low_res, f"low_res={self.low_res}")
            check_divisible("crop", self.crop or self.size, self.scale, f"size={self.size}, low_res={self.low_res}")
        if isinstance(self.model, ParallelUNetConfig):
            if self.crop or self.size != self.model.image_size:
                raise ValueError(f"size={self.size}, crop={self.crop}: this model takes whole {self.model.image_size}²")
        else:
            levels = f"{len(self.model.channels)} levels"
            check_divisible("size", self.size, self.model.stride, levels)
            check_divisible("crop", self.crop or self.size, self.model.stride, levels)
        return self

    @model_validator(mode="after")
    def _memory_fits(self) -> Self:
        if not self.memory.optimizer_in_backward:
            return self
        micro = self.memory.micro_batch
        refused = {
            f"memory.micro_batch={micro} of data.batch={self.data.batch}: null": micro and micro < self.data.batch,
            f"optim.clip={self.optim.clip}: null": self.optim.clip is not None,
            "precision=fp16: bf16 or fp32": self.precision == "fp16",
            "memory.optimizer_on_host=true: false": self.memory.optimizer_on_host,
        }
        for what, is_refused in refused.items():
            if is_refused:
                raise ValueError(f"memory.optimizer_in_backward=true does not go with {what} would fit")
        return self
