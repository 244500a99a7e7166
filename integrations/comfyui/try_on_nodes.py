"""The two nodes. Images are ComfyUI's: float tensors (batch, height, width, 3) in [0, 1]."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

if TYPE_CHECKING:
    import torch

    from tryon_cascade import Garment, TryOnCascade

_KINDS: Final = ("auto", "upper", "lower", "dress")
_CATEGORY: Final = "try-on"
_MOST_SEED: Final = 2**63 - 1


class LoadTryOnCascade:
    """Loads what `trainer export` or `trainer fit` wrote."""

    CATEGORY = _CATEGORY
    DESCRIPTION = "Load a trained try-on cascade from a folder that trainer export or trainer fit wrote."
    FUNCTION = "load"
    RETURN_TYPES: ClassVar = ("TRYON_CASCADE",)
    RETURN_NAMES: ClassVar = ("cascade",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802  the names are ComfyUI's
        """Return the inputs of the node."""
        return {
            "required": {
                "folder": ("STRING", {"default": "export", "tooltip": "Folder of an export, or of runs"}),
                "device": (["auto", "cpu", "cuda"], {"default": "auto"}),
            },
            "optional": {
                "estimators": (
                    "STRING",
                    {"default": "", "tooltip": "Folder with the weights of prep's estimators; empty: its own folders"},
                ),
            },
        }

    @classmethod
    def IS_CHANGED(cls, folder: str, device: str, estimators: str = "") -> str:  # noqa: N802
        """Return what changes when another cascade lies in the folder, so that it is loaded again."""
        files = [*Path(folder).glob("cascade.json"), *Path(folder).glob("*/checkpoints/*/state.json")]
        newest = max((path.stat().st_mtime_ns for path in files), default=0)
        return f"{folder}:{device}:{estimators}:{newest}"

    def load(self, folder: str, device: str, estimators: str = "") -> tuple[TryOnCascade]:
        """Return the cascade."""
        from tryon_cascade import TryOnCascade

        weights = (estimators.strip(),) if estimators.strip() else ()
        where = None if device == "auto" else device
        return (TryOnCascade.load(folder.strip(), where, estimators=weights),)


class TryOn:
    """Dresses each person of a batch in the garment, or in two, one after the other."""

    CATEGORY = _CATEGORY
    DESCRIPTION = "Dress the person in the garment. What the garment cannot cover stays as it is."
    FUNCTION = "dress"
    RETURN_TYPES: ClassVar = ("IMAGE", "MASK")
    RETURN_NAMES: ClassVar = ("image", "replaced")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, Any]]:  # noqa: N802
        """Return the inputs of the node."""
        kind = (list(_KINDS), {"default": "auto", "tooltip": "auto: as the garment's outline tells"})
        return {
            "required": {
                "cascade": ("TRYON_CASCADE",),
                "person": ("IMAGE",),
                "garment": ("IMAGE",),
                "kind": kind,
                "seed": ("INT", {"default": 0, "min": 0, "max": _MOST_SEED, "control_after_generate": True}),
            },
            "optional": {"second_garment": ("IMAGE",), "second_kind": kind},
        }

    def dress(
        self,
        cascade: TryOnCascade,
        person: torch.Tensor,
        garment: torch.Tensor,
        kind: str,
        seed: int,
        second_garment: torch.Tensor | None = None,
        second_kind: str = "auto",
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the dressed images (b, h, w, 3), and masks (b, h, w) that are 1 where pixels were replaced.

        The garments' batches have one image for all people, or one for each. Other pixels are the input's own.
        """
        import torch

        garments = [garment] if second_garment is None else [garment, second_garment]
        kinds: list[Garment | None] = [_kind(kind), _kind(second_kind)][: len(garments)]
        for given in garments:
            if len(given) not in (1, len(person)):
                raise ValueError(f"{len(given)} garments for {len(person)} people; give one for all, or one for each")
        progress = _Progress(len(person))
        images, masks = [], []
        for number, pixels in enumerate(person):
            some = [_to_pillow(given[number if len(given) > 1 else 0]) for given in garments]
            before = _to_pillow(pixels)
            after = cascade.try_on(before, some, kind=kinds, seed=seed, on_step=progress.of(number))
            old, new = _to_bytes(before), _to_bytes(after)
            replaced = (old != new).any(dim=-1)
            rgb = pixels[..., :3].detach().to("cpu", torch.float32)
            images.append(torch.where(replaced[..., None], new.float() / 255, rgb))
            masks.append(replaced.float())
        return torch.stack(images), torch.stack(masks)


class _Progress:
    """ComfyUI's progress bar and its stop button, where they are."""

    def __init__(self, images: int) -> None:
        self._images = images
        self._bar: Any = None
        self._check: Any = None
        try:
            from comfy.model_management import (  # type: ignore[import-not-found]  # only there inside ComfyUI
                throw_exception_if_processing_interrupted,
            )
            from comfy.utils import ProgressBar  # type: ignore[import-not-found]
        except ImportError:
            return
        self._check, self._bar = throw_exception_if_processing_interrupted, ProgressBar(images * 1000)

    def of(self, number: int) -> Any:
        """Return what is called before each step of the n-th image."""

        def on_step(step: int, steps: int) -> None:
            if self._check is not None:
                self._check()
            if self._bar is not None:
                self._bar.update_absolute(round(1000 * (number + step / max(1, steps))), 1000 * self._images)

        return on_step


def _kind(given: str) -> Garment | None:
    return None if given == "auto" else given  # type: ignore[return-value]


def _to_pillow(pixels: torch.Tensor) -> Any:
    """Return an image (h, w, 3 or 4) in [0, 1] as Pillow's, without transparency."""
    from PIL import Image

    scaled = (pixels[..., :3].detach().cpu().float().clamp(0, 1) * 255).round()
    return Image.fromarray(scaled.byte().numpy())


def _to_bytes(image: Any) -> torch.Tensor:
    import numpy as np
    import torch

    return torch.from_numpy(np.array(image.convert("RGB")))
