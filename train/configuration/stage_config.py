"""StageConfig: the settings of one stage's training, and the sections specific to training."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from common.config_section import ConfigSection
from common.options import MAX_SEED
from train.data.data_config import DataConfig
from train.diffusion.diffusion_config import DiffusionConfig, SamplingConfig
from train.hardware.precision import Precision
from train.models import ModelConfig, ParallelUNetConfig
from train.models.model_config import check_divisible

LONGEST = 0.28
"""Longest power-function average, as a share of the training; the mean of all steps has 1/√12."""

Stage = Literal["base", "sr256", "sr1024"]
STAGES: tuple[Stage, ...] = ("base", "sr256", "sr1024")


class OptimConfig(ConfigSection):
    """The optimizer. All three stages use Adam in the paper; what it does not state follows Imagen (appendix F)."""

    name: Literal["adam", "adamw", "adafactor", "muon"] = "adam"
    """adam (as in the paper), adamw (decoupled weight decay), adafactor (factored second moments, less memory), or muon
    (momentum made orthogonal for matrices and convolutions, adamw for the rest: learns faster, not with fsdp)."""
    lr: float = Field(1e-4, gt=0)
    """Peak learning rate, reached after the warm-up."""
    warmup: int = Field(10_000, ge=0)
    """Number of steps over which the learning rate grows linearly from 0."""
    decay: Literal["constant", "cosine", "wsd"] = "constant"
    """Learning-rate schedule after the warm-up: constant (as in the paper), cosine decay to 0 at ``steps``, or wsd
    (warmup-stable-decay): constant, then a decay to 0 in the last steps, as 1 - √ of the share done (Hägele et al.
    2024). Until the decay begins, a wsd run can be given other ``steps``."""
    decay_share: float = Field(0.2, gt=0, le=1, exclude_if=lambda value: value == 0.2)
    """Share of the steps in which wsd decays."""
    betas: tuple[float, float] = (0.9, 0.999)
    """Decay rates of Adam's first and second moments; adafactor ignores them, and muon for matrices."""
    eps: float = Field(1e-8, gt=0)
    """Adam's ε; adafactor ignores it."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled weight decay of adamw, adafactor and muon; must be 0 with adam."""
    clip: float | None = Field(1.0, gt=0)
    """Maximum norm of all gradients together; larger gradients are scaled down to it. null: no clipping."""
    max_skipped: int = Field(20, gt=0)
    """The run stops after this many consecutive steps with a non-finite loss or gradient."""

    def stable_until(self, steps: int) -> int:
        """Return the number of steps after which a wsd run of ``steps`` begins to decay."""
        return max(self.warmup, steps - round(self.decay_share * steps))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.name == "adam" and self.weight_decay:
            raise ValueError(f"name=adam has no weight_decay, here {self.weight_decay}: 0 or name=adamw would fit")
        return self


class ValidationConfig(ConfigSection):
    """Validation during training: on the val split, with the EMA weights."""

    every: int = Field(1000, ge=0)
    """Steps between two validation losses, which always use the same samples and the same noise; 0: never."""
    samples: int = Field(100, gt=0)
    """Number of samples of a validation loss, spread evenly over the split; they cycle through ten ranges of t."""
    sheet_every: int = Field(0, ge=0)
    """Steps between two sheets, images sampled for a fixed set of pairs; 0: never."""
    sheet_pairs: int = Field(4, gt=0)
    """Number of pairs on a sheet, one per row."""


class LogConfig(ConfigSection):
    """Where metrics are written in addition to metrics.jsonl."""

    tensorboard: bool = False
    """Write TensorBoard event files, sheets included; needs the extra `tensorboard`."""
    wandb: bool = False
    """Log metrics and sheets to Weights & Biases; needs the package wandb."""


class AveragesConfig(ConfigSection):
    """Averages of the weights from which `trainer ema` makes one of any length after training (post-hoc EMA)."""

    lengths: tuple[Annotated[float, Field(gt=0, le=LONGEST)], ...] = ()
    """Lengths of the averages that are tracked, as shares of the training: [0.05, 0.1] (Karras et al. 2024), each at
    the cost of another copy of the weights. Empty: none."""
    every: int = Field(1000, gt=0)
    """Steps between two snapshots of the averages."""
    keep: int = Field(16, ge=4)
    """Maximum number of steps with snapshots; each takes 2 bytes a weight and length."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.lengths)) < len(self.lengths) or any(round(one, 3) != one for one in self.lengths):
            raise ValueError(f"lengths={self.lengths}: different ones of at most three decimals would fit")
        return self


class MemoryConfig(ConfigSection):
    """How a training step saves memory; apart from rounding, none of these settings changes what is computed.

    `trainer plan` estimates the memory of a stage and recommends these settings for a given card.
    """

    micro_batch: int | None = Field(None, gt=0)
    """Samples per forward and backward pass, with gradient accumulation over the batch; null: the whole batch."""
    checkpointing: bool = False
    """Activation checkpointing: keep only the inputs of each block and recompute the rest in the backward pass."""
    optimizer_on_host: bool = False
    """Optimizer offload (ZeRO-Offload): keep a copy of the weights and the moments in host memory, and step there."""
    optimizer_in_backward: bool = False
    """Step each parameter as soon as its gradient is ready, then free the gradient. Rules out gradient accumulation,
    clipping, fp16 and optimizer_on_host."""
    ema_on_host: bool = False
    """Keep the EMA weights in host memory."""


class CheckpointConfig(ConfigSection):
    """How often checkpoints are written, and how many are kept."""

    every: int = Field(1000, gt=0)
    """Steps between two checkpoints."""
    keep: int = Field(2, gt=0)
    """Number of most recent checkpoints to keep; the one with the lowest validation loss is kept as well."""


class StageConfig(ConfigSection):
    """All settings of one stage's training run."""

    stage: Stage
    """Stage of the cascade: base (128² in the paper), sr256 or sr1024 (super-resolution)."""
    preset: str
    """Preset that supplies the defaults."""
    size: int = Field(gt=0)
    """Side of this stage's images in pixels; images are square."""
    low_res: int | None = Field(None, gt=0)
    """Side in pixels of the low-resolution input, the previous stage's output; null for the base stage."""
    crop: int | None = Field(None, gt=0)
    """Side in pixels of the random training crops; null: train on whole images."""
    steps: int = Field(gt=0)
    """Total number of optimizer steps."""
    seed: int = Field(0, ge=0, le=MAX_SEED)
    """Random seed of the initial weights, the data order, noise, times and conditioning dropout."""
    precision: Precision = "fp32"
    """Precision of the forward and backward pass (autocast); weights and optimizer state stay in fp32.
    fp16 uses dynamic loss scaling."""
    compile: bool = False
    """Compile the network with torch.compile: faster training steps, after minutes of compilation."""
    ema: float = Field(0.9999, ge=0, lt=1)
    """Decay of the EMA weights, an exponential moving average; after n steps it is min(ema, (1 + n) / (10 + n))."""
    grow: bool = Field(False, exclude_if=lambda value: not value)
    """For the second stage: whether a new run starts from the trained first stage's weights (`train.models.growth`)."""
    model: ModelConfig
    """Architecture of the network."""
    data: DataConfig = DataConfig()
    optim: OptimConfig = OptimConfig()
    averages: AveragesConfig = Field(AveragesConfig(), exclude_if=lambda value: value == AveragesConfig())
    memory: MemoryConfig = MemoryConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    sampling: SamplingConfig = SamplingConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    validation: ValidationConfig = ValidationConfig()
    log: LogConfig = LogConfig()

    @property
    def is_try_on(self) -> bool:
        """Whether the stage is conditioned on (Ia, Jp, Ic, Jg): the third one is not (paper §3.1)."""
        return isinstance(self.model, ParallelUNetConfig)

    @property
    def scale(self) -> int:
        """Upsampling factor from the low-resolution input; 1 for the base stage."""
        return self.size // self.low_res if self.low_res else 1

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.low_res is None) != (self.stage == "base"):
            raise ValueError(f"low_res={self.low_res} is incompatible with stage={self.stage}: null is for base alone")
        if self.low_res and self.diffusion.shown_std is not None:
            raise ValueError(
                f"diffusion.shown_std={self.diffusion.shown_std} with low_res={self.low_res}: null would fit"
            )
        copies = isinstance(self.model, ParallelUNetConfig) and self.model.copies
        if copies and (self.diffusion.prediction != "x" or self.diffusion.residual_std is None):
            raise ValueError(
                f"model.copies=true with diffusion.prediction={self.diffusion.prediction}, "
                f"residual_std={self.diffusion.residual_std}: it needs prediction=x and a residual_std, or copies=false"
            )
        if self.diffusion.warp_loss and not copies:
            raise ValueError(f"diffusion.warp_loss={self.diffusion.warp_loss:g} is for model.copies=true, 0 would fit")
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
    def _previous_stage_fits(self) -> Self:
        if self.low_res and self.is_try_on:
            return self
        if self.diffusion.own_low_res:
            raise ValueError(
                f"diffusion.own_low_res={self.diffusion.own_low_res:g} with stage={self.stage}: it is for sr256 alone, "
                "0 would fit"
            )
        if self.grow:
            raise ValueError(f"grow=true with stage={self.stage}: it is for sr256 alone, false would fit")
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
                raise ValueError(f"memory.optimizer_in_backward=true is incompatible with {what} would fit")
        return self
