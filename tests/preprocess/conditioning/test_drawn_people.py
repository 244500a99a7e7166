"""On drawn people every pixel's truth is known: nothing of the garment is left in Ia, nothing of the face is lost."""

import json

import numpy as np
import pytest

from preprocess.conditioning.agnostic import shown
from preprocess.conditioning.crop import person_crop
from preprocess.conditioning.regions import WORN, claimed_by, label_map
from preprocess.formats.aihub_json import read_model_parse, read_pose
from preprocess.formats.images import Mask, cut
from preprocess.synthetic.drawing.annotated import MODEL_REGIONS
from preprocess.synthetic.label_files import model_parse, model_pose
from preprocess.synthetic.outfits import make_plan
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.person import person
from preprocess.synthetic.people.pose import frame_yaw, pose
from schemas import Garment


@pytest.mark.parametrize("frame", ["000", "044", "088"])
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("kind", ["upper", "lower", "dress"])
def test_no_pixel_of_the_garment_is_left_and_none_of_the_face_lost(number: int, frame: str, kind: Garment) -> None:
    plan = make_plan(8, seed=3)
    look = plan.looks[number]
    stance, garments = pose(look.pose), [plan.items[item].garment() for item in look.items]
    drawing = draw_look(person(look.person), stance, frame_yaw(stance, frame), garments)
    stem = f"{look.id}_{frame}"
    labelled_pose = read_pose(json.dumps(model_pose(drawing, stem)).encode(), stem)
    parse = read_model_parse(json.dumps(model_parse(drawing, stem)).encode(), stem)
    crop = person_crop(labelled_pose, parse, kind, (720, 1280))
    truth = cut(np.repeat(drawing.labels[..., None], 3, axis=2), crop)[..., 0]

    def of(names: frozenset[str]) -> Mask:
        return np.isin(truth, [number for number, name in enumerate(MODEL_REGIONS) if name in names])

    square = cut(drawing.image, crop)
    points = labelled_pose.points - (crop.x, crop.y, 0)
    claimed = claimed_by(parse, WORN[kind], crop)
    picture, kept, repainted, _ = shown(square, label_map(parse, crop), claimed, points, kind, crop.side)
    assert not (kept & ~repainted & of(WORN[kind])).any()
    assert (picture == square).all(axis=-1)[~repainted].all()
    assert not (of(frozenset({"face"})) & ~kept).any()
    hair = of(frozenset({"hair"}))
    assert (hair & ~kept).sum() <= 0.02 * hair.sum()
