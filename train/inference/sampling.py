"""Dress people of a split in other garments: one image per pair, and a contact sheet."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from common.atomic import write_atomically
from common.errors import writing
from schemas import AGNOSTIC, GARMENT, JG, JP, MID_GREY, PERSON_256
from train.data import ShardFolder
from train.data.augment import Box
from train.data.shards import Pixels
from train.diffusion.conditioning import TryOnInputs
from train.inference.cascade import Overrides, TrainedStage
from train.inference.contact_sheet import contact_sheet
from train.inference.dress import Outfit, dress, inputs_of
from train.inference.pair_selection import Pair
from train.inference.pasting.source_images import SourceImages
from train.inference.pasting.whole import find_original, with_result

PHOTOGRAPHS = "photographs"
"""Subfolder of the whole photographs, in the folder of the square images."""
_AT_ONCE = 8
"""Images per update of the progress bar."""

Role = Literal["person", "garment"]
Conditioning = tuple[Pixels, NDArray[np.float32], Box]
"""(Ia, Jp) of a person, or (Ic, Jg) of a garment, and the box of its photograph in it."""


def sample_pairs(
    stages: Sequence[TrainedStage],
    shards: ShardFolder,
    pairs: Sequence[Pair],
    out: Path,
    *,
    seed: int,
    overrides: Overrides,
    device: torch.device,
    progress: Callable[[int, int], None],
    photographs: SourceImages | None = None,
) -> Path:
    """Write one PNG per pair, `<person>__<garment>.png`, and `sheet.png`. Returns the sheet's path.

    With ``photographs``, which finds the people's photographs, the result is also pasted back into each of them and
    written under the same name to the subfolder `photographs`. Every file records in its text chunks how it was made
    (``provenance``). Raise UserError if a file cannot be written, or a photograph is not found.
    """
    with writing(f"--out {out}"):
        (out / PHOTOGRAPHS if photographs else out).mkdir(parents=True, exist_ok=True)
    if photographs:
        _check_photographs(photographs, shards, pairs)
    metadata = provenance(stages, shards, seed, overrides)
    rows: list[list[Pixels]] = []
    for start in range(0, len(pairs), _AT_ONCE):
        progress(start, len(pairs))
        some = pairs[start : start + _AT_ONCE]
        outfits = [outfit_of(shards, pair) for pair in some]
        results = dress(stages, outfits, seed=seed, overrides=overrides, device=device)
        for pair, outfit, images in zip(some, outfits, results, strict=True):
            person, garment = shards.keys[pair.person], shards.keys[pair.garment]
            text = png_text({"person": person, "garment": garment, **metadata})
            _save(Image.fromarray(images[-1]), out / f"{person}__{garment}.png", text)
            if photographs:
                placed = find_original(photographs, shards, pair.person)
                whole = with_result(placed, outfit.Ia, outfit.Jp, images[-1], outfit.Jg)
                _write(out / PHOTOGRAPHS / f"{person}__{garment}.png", whole.png(text))
            rows.append([*inputs_shown(shards, pair), *images])
    progress(len(pairs), len(pairs))
    titles = ["person", "Ia", "garment, as worn", "Ic", *(f"{s.config.stage}, {s.config.size} px" for s in stages)]
    sheet = out / "sheet.png"
    _save(contact_sheet(titles, rows), sheet, png_text(metadata))
    return sheet


def provenance(
    stages: Sequence[TrainedStage], shards: ShardFolder, seed: int, overrides: Overrides
) -> dict[str, str]:  # fmt: skip
    """Return how the images were made: seed, the shards' fingerprint, and each stage's checkpoint and sampling.

    Keys are `seed`, `shards`, and for each stage `<stage>.checkpoint` (its step), `<stage>.weights` (ema, model,
    or an average), and `<stage>.<setting>` for all of ``SamplingConfig``.
    """
    metadata = {"seed": str(seed), "shards": shards.manifest.fingerprint}
    for stage in stages:
        name = stage.config.stage
        weights = stage.weights if stage.average is None else f"post-hoc average of length {stage.average:g}"
        metadata |= {f"{name}.checkpoint": str(stage.step), f"{name}.weights": weights}
        settings = overrides.applied_to(stage.config.sampling).model_dump()
        metadata |= {f"{name}.{setting}": str(value) for setting, value in settings.items()}
    return metadata


def as_worn(shards: ShardFolder, position: int) -> Pixels:
    """Return the photograph of a garment's wearer, uint8 RGB (256, 256, 3); mid-grey if no person wears it."""
    photograph = shards.image(position, PERSON_256)
    return photograph if shards.sample(position).worn else np.full_like(photograph, MID_GREY)


def outfit_of(shards: ShardFolder, pair: Pair) -> Outfit:
    """Read (Ia, Jp) of the pair's person and (Ic, Jg) of its garment."""
    return make_outfit(
        read_conditioning(shards, "person", pair.person), read_conditioning(shards, "garment", pair.garment)
    )


def read_conditioning(shards: ShardFolder, role: Role, position: int) -> Conditioning:
    """Read a sample's (Ia, Jp) or (Ic, Jg). Raise UserError if they are damaged."""
    image, pose = (AGNOSTIC, JP) if role == "person" else (GARMENT, JG)
    sample = shards.sample(position)
    box = (sample.person if role == "person" else sample.product).photo_box
    return shards.image(position, image), shards.pose(position, pose), box


def make_outfit(person: Conditioning, garment: Conditioning) -> Outfit:
    """Return c_tryon of a person in a garment."""
    (Ia, Jp, photo), (Ic, Jg, _) = person, garment
    return Outfit(Ia=Ia, Ic=Ic, Jp=Jp, Jg=Jg, photo=photo)


def pair_inputs(
    stage: TrainedStage, shards: ShardFolder, pairs: Sequence[Pair], device: torch.device
) -> TryOnInputs:  # fmt: skip
    """Return (Ia, Jp) of the persons and (Ic, Jg) of the garments at the stage's size; empty for the third stage."""
    return inputs_of(stage, [outfit_of(shards, pair) for pair in pairs], device)


def inputs_shown(shards: ShardFolder, pair: Pair) -> list[Pixels]:
    """Return the first images of a contact sheet's row: the person, Ia, the garment on its wearer, Ic."""
    return [
        shards.image(pair.person, PERSON_256),
        shards.image(pair.person, AGNOSTIC),
        as_worn(shards, pair.garment),
        shards.image(pair.garment, GARMENT),
    ]


def _check_photographs(photographs: SourceImages, shards: ShardFolder, pairs: Sequence[Pair]) -> None:
    """Raise UserError, before anything is sampled, if a photograph is missing or the first one is not the person's."""
    for number, position in enumerate(dict.fromkeys(pair.person for pair in pairs)):
        if number == 0:
            find_original(photographs, shards, position)
        else:
            next(photographs.candidates(shards.sample(position).person.path))


def _save(image: Image.Image, path: Path, text: PngInfo) -> None:
    file = io.BytesIO()
    image.save(file, "PNG", pnginfo=text)
    _write(path, file.getvalue())


def _write(path: Path, data: bytes) -> None:
    with writing(f"--out {path.parent}"):
        write_atomically(path, data)


def png_text(metadata: Mapping[str, str]) -> PngInfo:
    """Return PNG text chunks that record how the image was made."""
    info = PngInfo()
    for key, value in metadata.items():
        info.add_text(key, value)
    return info
