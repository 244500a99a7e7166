"""The model card of an exported cascade."""

from __future__ import annotations

from collections.abc import Sequence

from schemas import Manifest
from train.inference.cascade import TrainedStage

_CARD = """\
---
library_name: tryon-cascade
pipeline_tag: image-to-image
tags: [virtual-try-on, diffusion, pixel-space]
license: other
---

# A try-on cascade

Generates an image of a photographed person in the garment of another image, with TryOnDiffusion's cascade
([arXiv 2306.08276](https://arxiv.org/abs/2306.08276)), trained with tryon-cascade. This card was written by
`trainer export`; complete it with what you know.

## Stages

| stage | preset | images | parameters | optimizer steps × batch | precision | EMA decay |
|---|---|---|---|---|---|---|
{stages}

## Training data

{data}

{samples}## How to use it

Install `pip install 'tryon-cascade[train]'` and run this next to the folder, here called `export`:

```python
import numpy as np
from PIL import Image

from tryon_cascade import TryOnCascade

Ia, Ic = (np.array(Image.open(name).convert("RGB")) for name in ("agnostic.png", "garment.png"))
Jp, Jg = np.load("jp.npy"), np.load("jg.npy")

cascade = TryOnCascade.load("export")
image = cascade.dress(Ia, Ic, Jp, Jg, seed=0)
Image.fromarray(image).save("dressed.png")
```

The four input files are members of a sample written by `prep build-shards`: the person without the garment (Ia), the
garment cut out (Ic), and the poses of both, (17, 3) in [0, 1]. Images are uint8 RGB and square. Each stage's
sampler, steps and guidance are in `cascade.json`. From two photographs, where `prep` and its estimators are installed,
`cascade.try_on("me.jpg", "shirt.jpg")` returns the first one in the garment of the other, a Pillow image.

## Intended use and limits

Research on virtual try-on, and demonstrations that label the images as generated. The images show neither how
a garment fits nor what size to buy. Tattoos, jewellery and fine hair that Ia hides are lost. Do not dress people
without their consent. This card does not state the quality of the images: `trainer evaluate` measures it.

## Licence

The code is Apache-2.0. The weights were trained on the data above, and their use is subject to its terms;
AI-Hub's terms must be accepted by everyone who uses its data. Name a licence here before you share the weights.
"""


def model_card(stages: Sequence[TrainedStage], trained_on: Manifest | None, samples: Sequence[str] = ()) -> str:
    """Return the card as Markdown, which begins with what a model hub reads.

    ``trained_on`` is the manifest of the shards, if known; ``samples`` are the names of images in the folder `samples`.
    """
    shown = "\n".join(f"![{name}](samples/{name})" for name in samples)
    return _CARD.format(
        stages="\n".join(map(_row, stages)),
        data=_data(trained_on),
        samples=f"## Samples\n\nPeople of the split `val`, in garments that others wear.\n\n{shown}\n\n"
        if samples
        else "",
    )


def _row(stage: TrainedStage) -> str:
    config = stage.config
    parameters = sum(parameter.numel() for parameter in stage.model.parameters())
    images = f"{config.low_res}² → {config.size}²" if config.low_res else f"{config.size}²"
    average = config.ema if stage.average is None else f"post-hoc, length {stage.average:g}"
    return (
        f"| {config.stage} | {config.preset} | {images} | {parameters:,} | "
        f"{stage.step:,} × {config.data.batch} | {config.precision} | {average} |"
    )


def _data(trained_on: Manifest | None) -> str:
    if trained_on is None:
        return (
            "Unknown: a run folder does not record a description of its shards. `trainer export --shards DIR` adds it "
            "here."
        )
    how = trained_on.configuration
    samples = trained_on.samples_by_split.get("train", 0)
    return (
        f"{samples:,} samples of the split `train` of shards built by `prep` from a dataset in the layout of "
        f"{how.source}: garment `{how.garment}`, pairing `{how.pairing}`, views `{how.views}`. Fingerprint of the "
        f"shards, as given when exporting: `{trained_on.fingerprint}`."
    )
