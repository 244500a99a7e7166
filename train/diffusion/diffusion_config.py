"""Configuration of the diffusion process, of conditioning and of sampling."""

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
    "diffusion.drop=0 never trains the null condition that guidance needs; guidance 1 would fit, or a new run with "
    "diffusion.drop=0.1"
)


class DiffusionConfig(ConfigSection):
    """The diffusion process, and the random changes to its conditions in training."""

    schedule: ScheduleName = "cosine"
    """Noise schedule, in continuous time."""
    prediction: Prediction = "eps"
    """Prediction target of the network: eps (the noise, as in the paper), v, or x (the clean image)."""
    residual_std: float | None = Field(None, gt=0, le=1)
    """Preconditions the network on the known image (low_res, or Ia in the base stage) and gives the standard deviation
    of x around it, for images in [-1, 1]. Needs prediction=v or x. null: no preconditioning, as in the paper."""
    shown_std: float | None = Field(None, gt=0, le=1)
    """The standard deviation where Ia is not masked, for the base stage; null: residual_std everywhere."""
    hide_hem: bool = False
    """For tops, also mask a band around the hips in Ia, so that it does not reveal the length of the worn top."""
    keep_shown: bool = False
    """Whether the network paints only what Ia hides: the loss ignores the other pixels, and sampling keeps them.
    Not in the paper. Ignored by the third stage, which has no Ia."""
    warp_loss: float = Field(0.0, ge=0)
    """For networks that copy: weight of the loss that lays the warped garment over the photograph. Not in the paper."""
    edge_loss: float = Field(0.0, ge=0, exclude_if=lambda value: not value)
    """For prediction=x or v: weight of the loss that compares the differences between neighbouring pixels of x̂ with
    those of x, at three scales. Not in the paper."""
    own_low_res: float = Field(0.0, ge=0, le=1)
    """For the second stage: share of the training samples whose low-resolution input is sampled from the trained first
    stage, whose images it will get; the others have the downsampled photograph (papers: all)."""
    own_low_res_error: float = Field(0.0, ge=0, le=8)
    """How much worse the first stage's own images are made where Ia hides the person, in their pixels: displaced
    smoothly with this standard deviation and blurred with up to as much. Its images of strangers are worse than those
    of its training pairs."""
    t_shift: float = Field(1.0, gt=0)
    """Shift s of the training times: t = s·u / (1 + (s - 1)·u) with u from U(0, 1). 1 leaves t uniform; larger values
    draw more noisy times."""
    min_snr_gamma: float | None = Field(None, gt=0)
    """γ of min-SNR loss weighting (Hang et al. 2023); null: no weighting, as in the paper."""
    drop: float = Field(0.1, ge=0, le=1)
    """Conditioning dropout: probability that all conditions of a sample are set to 0, for classifier-free guidance
    (paper: 0.1)."""
    augmentation: float = Field(1.0, ge=0, le=1)
    """Noise conditioning augmentation: noise levels t_na of the conditioning images are drawn from U(0, this)
    (paper: 1)."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.residual_std is not None and (self.prediction == "eps" or self.min_snr_gamma is not None):
            raise ValueError(
                f"residual_std={self.residual_std} goes with prediction=v or x and no min_snr_gamma, "
                f"not with prediction={self.prediction}, min_snr_gamma={self.min_snr_gamma}"
            )
        if self.edge_loss and self.prediction == "eps":
            raise ValueError(f"edge_loss={self.edge_loss:g} is for prediction=x or v, 0 would fit prediction=eps")
        if self.shown_std is not None and (self.residual_std is None or self.augmentation):
            raise ValueError(
                f"shown_std={self.shown_std} goes with a residual_std and augmentation=0, "
                f"not with residual_std={self.residual_std}, augmentation={self.augmentation}"
            )
        return self


class SamplingConfig(ConfigSection):
    """Defaults for sampling; the command line can override them."""

    sampler: SamplerName = "ddpm"
    """Sampler: ddpm (ancestral), ddim (deterministic), or dpmpp_2m (DPM-Solver++(2M), second order)."""
    steps: int = Field(256, gt=0)
    """Number of sampling steps, one network evaluation each; two with guidance."""
    grid: GridName = "time"
    """Spacing of the steps: uniform in t (time) or in log-SNR (log-snr, the best for dpmpp_2m)."""
    guidance: float = Field(2.0, ge=0)
    """Weight w of classifier-free guidance (paper: 2 in all stages); 1 turns it off."""
    guidance_interval: tuple[float, float] = Field((0.0, 1.0), exclude_if=lambda value: value == (0.0, 1.0))
    """Times t in [0, 1] between which guidance is applied (Kynkäänniemi et al. 2024); elsewhere it is 1, which saves
    the second evaluation of the network."""
    threshold: Threshold = "static"
    """How x̂0 is brought back to [-1, 1]: none, static (clipping) or dynamic (Imagen's dynamic thresholding)."""
    copy_detail: bool = Field(False, exclude_if=lambda value: not value)
    """For the third stage, if the second one copies: show the detail of Ic where that stage copied it, and Ia where it
    shows the person (`train.inference.detail`)."""
    low_res_noise: float = Field(0.1, ge=0, le=1)
    """Noise level t_na in [0, 1] added to the low-resolution input when sampling; Ia and Ic stay clean."""

    @model_validator(mode="after")
    def _interval_fits(self) -> Self:
        low, high = self.guidance_interval
        if not 0 <= low < high <= 1:
            raise ValueError(f"guidance_interval={low:g},{high:g}: two times in [0, 1], the smaller first, would fit")
        return self
