"""Samples for inference alone, whose person does not wear the garment: nothing compares their images with a truth."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from common.errors import UserError
from schemas import MID_GREY, PERSON_256, Sample
from train.configuration.stage_config import StageConfig
from train.data import ShardFolder
from train.data.batches import to_size, to_tensor
from train.evaluation.distractors import choose_wearers
from train.inference.pair_selection import swapped_pairs
from train.inference.sampling import as_worn
from train.training.validation.loss import fixed_samples
from train.training.validation.sheets import fixed_pairs

TinyConfig = Callable[..., StageConfig]
IsWorn = Callable[[int], bool]


class PartlyWorn(ShardFolder):
    """Drawn shards, of which some samples say that they are for inference alone."""

    def __init__(self, location: Path, is_worn: IsWorn) -> None:
        self._is_worn: IsWorn = lambda position: True
        super().__init__(location, "train")
        self._is_worn = is_worn

    def sample(self, position: int) -> Sample:
        return super().sample(position).model_copy(update={"worn": self._is_worn(position)})


def odd(position: int) -> bool:
    return position % 2 == 1


def test_validation_compares_worn_samples_alone(shards: Path, tiny: TinyConfig) -> None:
    data, config = PartlyWorn(shards, odd), tiny("base", "validation.samples=5")
    photographs = {
        place: to_tensor([to_size(data.image(place, PERSON_256), config.size)])[0] for place in range(len(data))
    }
    for image in fixed_samples(data, config).x:
        assert {place for place, photograph in photographs.items() if photograph.equal(image)} & {
            place for place in photographs if odd(place)
        }


def test_with_people_of_worn_samples_alone(shards: Path, tiny: TinyConfig) -> None:
    data = PartlyWorn(shards, odd)
    assert all(odd(pair.person) for pair in swapped_pairs(data, 4, worn=True))
    assert not all(odd(pair.person) for pair in swapped_pairs(data, len(data)))
    assert all(odd(pair.person) for pair in fixed_pairs(data, tiny("sr256")))
    chosen = choose_wearers(data, 3, 3, 0, lambda done, total: None)
    assert chosen.wearers
    assert all(odd(wearer.own.position) for wearer in chosen.wearers)


def test_a_split_for_inference_cannot_be_validated_on(shards: Path, tiny: TinyConfig) -> None:
    data = PartlyWorn(shards, lambda position: False)
    with pytest.raises(UserError, match="no person in the split train wears the garment"):
        fixed_samples(data, tiny("base"))
    with pytest.raises(UserError, match="no person in the split train wears the garment"):
        swapped_pairs(data, 2, worn=True)
    assert swapped_pairs(data, 2)


def test_a_garment_that_nobody_wears_has_no_photograph(shards: Path) -> None:
    data = PartlyWorn(shards, odd)
    assert np.array_equal(as_worn(data, 1), data.image(1, PERSON_256))
    assert (as_worn(data, 0) == MID_GREY).all()
