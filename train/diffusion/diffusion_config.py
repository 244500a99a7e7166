"""What the diffusion process, its conditions and the sampling are set to."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from common.config_section import ConfigSection
from train.diffusion.guidance import Threshold
from train.diffusion.objective import Prediction
from train.diffusion.samplers import GridName
from train.diffusion.schedule import ScheduleName

SamplerName = Literal["ddpm", "ddim", "dpmpp_2m"]

NO_GUIDANCE = (
    "diffusion.drop=0 never trains the null condition that guidance leads away from; guidance 1 would fit, or a new "
    "run with diffusion.drop=0.1"
)


class DiffusionConfig(ConfigSection):
    """The diffusion process and what is randomly done to the conditions."""

    schedule: ScheduleName = "cosine"
    """Noise schedule in continuous time."""
    prediction: Prediction = "eps"
    """What the network says: the noise ε (the paper's), v, or the picture x."""
    residual_std: float | None = Field(None, gt=0, le=1)
    """Standard deviation of x about the picture that is known already; sets v-preconditioning. None: plain output."""
    shown_std: float | None = Field(None, gt=0, le=1)
    """The same where Ia shows the person, in the base stage; None: the same as residual_std."""
    hide_hem: bool = False
    """Hide a stretch about the hips of Ia for tops, so that it does not tell how long the worn one is."""
    t_shift: float = Field(1.0, gt=0)
    """s: times are drawn as t = s·u / (1 + (s - 1)·u) with u from U(0, 1); 1 is U(0, 1), more is more noise."""
    min_snr_gamma: float | None = Field(None, gt=0)
    """γ of min-SNR loss weighting; none by default."""
    drop: float = Field(0.1, ge=0, le=1)
    """Share of the samples whose conditions are all set to 0 (paper: 10 %)."""
    augmentation: float = Field(1.0, ge=0, le=1)
    """Noise levels of the conditional images are drawn from U(0, this) (paper: U(0, 1))."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.residual_std is not None and (self.prediction == "eps" or self.min_snr_gamma is not None):
            raise ValueError(
                f"residual_std={self.residual_std} goes with prediction=v or x and no min_snr_gamma, "
                f"not with prediction={self.prediction}, min_snr_gamma={self.min_snr_gamma}"
            )
        if self.shown_std is not None and (self.residual_std is None or self.augmentation):
            raise ValueError(
                f"shown_std={self.shown_std} goes with a residual_std and augmentation=0, "
                f"not with residual_std={self.residual_std}, augmentation={self.augmentation}"
            )
        return self


class SamplingConfig(ConfigSection):
    """How pictures are sampled where the command line does not say otherwise."""

    sampler: SamplerName = "ddpm"
    """Sampler."""
    steps: int = Field(256, gt=0)
    """Network evaluations a picture, each of them doubled by guidance."""
    grid: GridName = "time"
    """Where the steps lie: evenly in t, or evenly in the log-SNR, which dpmpp_2m wants (docs/sampling.md)."""
    guidance: float = Field(2.0, ge=0)
    """Weight w of classifier-free guidance (paper: 2 in all stages); 1 is none."""
    threshold: Threshold = "static"
    """What is done to x̂0 outside of [-1, 1]."""
    low_res_noise: float = Field(0.1, ge=0, le=1)
    """Noise level t_na of the low-resolution picture; Ia and Ic get none."""
