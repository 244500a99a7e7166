"""What differs between photographs of one scene: light, backdrop, camera and file, derived from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from preprocess.synthetic.drawing.palette import RGB
from preprocess.synthetic.drawing.view import Light

Backdrop = Literal["plain", "gradient", "wall", "plaster", "room", "outdoors"]
BACKDROPS: Final[tuple[Backdrop, ...]] = get_args(Backdrop)

_PERSON_BACKDROPS: Final = (0.30, 0.22, 0.10, 0.12, 0.14, 0.12)
_PRODUCT_BACKDROPS: Final = (0.72, 0.20, 0.0, 0.08, 0.0, 0.0)


@dataclass(frozen=True)
class Photograph:
    """How a scene is photographed."""

    seed: int
    backdrop: Backdrop
    ground: RGB
    """Main colour of the backdrop"""
    light: Light
    slope: tuple[float, float]
    """Change of brightness across and down the image, -0.2..0.2"""
    tint: tuple[float, float, float]
    """Factors of red, green and blue: the light's colour and the camera's white balance"""
    gamma: float
    """Exponent of the tone curve, 0.8..1.3"""
    zoom: float
    """Size of the subject, 1 = usual"""
    offset: tuple[float, float]
    """Of the subject from its usual place, pixels"""
    tilt: float
    """Rotation of the camera, degrees"""
    wobble: float
    """Amplitude of the smooth random deformation of all outlines, pixels"""
    blur: float
    """Standard deviation of the lens's blur, pixels"""
    noise: float
    """Standard deviation of the sensor's noise, levels"""
    quality: int
    """Of the JPEG file"""


def _light(rng: np.random.Generator, harsh: float) -> Light:
    angle = float(rng.uniform(-1.15, 1.15))
    direct = float(rng.uniform(0.22, 0.42 + 0.36 * harsh))
    return Light(
        across=round(float(np.sin(angle)), 4),
        towards=round(float(np.cos(angle)), 4),
        down=round(float(rng.uniform(-0.9, 0.2)), 4),
        ambient=round(1.02 - 0.9 * direct, 4),
        direct=round(direct, 4),
    )


def _tint(rng: np.random.Generator, spread: float) -> tuple[float, float, float]:
    """Return a warm or cold, slightly green or magenta light of about the same strength."""
    warm, green, strength = rng.normal(0, spread), rng.normal(0, spread * 0.35), rng.normal(0, spread * 1.2)
    red, mid, blue = (float(np.exp(value + strength)) for value in (warm, green, -warm))
    return round(red, 4), round(mid, 4), round(blue, 4)


def _ground(rng: np.random.Generator, pale: float) -> RGB:
    level = rng.uniform(205, 250) if rng.random() < pale else rng.uniform(50, 215)
    spread = 4.0 if rng.random() < 0.7 else 20.0
    red, green, blue = (int(np.clip(level + rng.normal(0, spread), 12, 252)) for _ in range(3))
    return red, green, blue


def of_person(seed: int) -> Photograph:
    """Return how a look is photographed; the same seed gives the same."""
    rng = np.random.default_rng([seed, 21])
    zoom = float(rng.uniform(0.82, 1.12) if rng.random() < 0.6 else rng.uniform(1.05, 1.32))
    return Photograph(
        seed=seed,
        backdrop=BACKDROPS[int(rng.choice(len(BACKDROPS), p=_PERSON_BACKDROPS))],
        ground=_ground(rng, 0.55),
        light=_light(rng, float(rng.random() < 0.35)),
        slope=(round(float(rng.normal(0, 0.07)), 4), round(float(rng.normal(0, 0.06)), 4)),
        tint=_tint(rng, 0.045),
        gamma=round(float(np.exp(rng.normal(0, 0.12))), 4),
        zoom=round(zoom, 4),
        offset=(round(float(rng.normal(0, 26)), 2), round(float(rng.normal(0, 18)), 2)),
        tilt=round(float(np.clip(rng.normal(0, 1.8), -5, 5)), 3),
        wobble=round(float(rng.uniform(1.5, 4.5)), 3),
        blur=round(float(rng.choice((0.0, rng.uniform(0.4, 1.0), rng.uniform(0.9, 1.9)), p=(0.3, 0.5, 0.2))), 3),
        noise=round(float(rng.uniform(0.6, 3.0) if rng.random() < 0.7 else rng.uniform(3.0, 9.0)), 3),
        quality=int(rng.integers(62, 96)),
    )


def of_product(seed: int) -> Photograph:
    """Return how a product is photographed: a plainer studio, another light than the person's."""
    rng = np.random.default_rng([seed, 22])
    ground = _ground(rng, 0.9) if rng.random() < 0.45 else (255, 255, 255)
    return Photograph(
        seed=seed,
        backdrop=BACKDROPS[int(rng.choice(len(BACKDROPS), p=_PRODUCT_BACKDROPS))] if ground[0] < 255 else "plain",
        ground=ground,
        light=_light(rng, 0.0),
        slope=(round(float(rng.normal(0, 0.03)), 4), round(float(rng.normal(0, 0.03)), 4)),
        tint=_tint(rng, 0.03) if ground[0] < 255 else (1.0, 1.0, 1.0),
        gamma=round(float(np.exp(rng.normal(0, 0.10))), 4),
        zoom=round(float(rng.uniform(0.8, 1.05)), 4),
        offset=(round(float(rng.normal(0, 10)), 2), round(float(rng.normal(0, 14)), 2)),
        tilt=round(float(rng.normal(0, 1.6)), 3),
        wobble=round(float(rng.uniform(1.5, 5.0)), 3),
        blur=round(float(rng.choice((0.0, rng.uniform(0.4, 1.1)))), 3),
        noise=round(float(rng.uniform(0.3, 2.0)), 3),
        quality=int(rng.integers(70, 97)),
    )
