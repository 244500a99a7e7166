"""Photographs whose true labels lie where `prep annotate` finds those that a person has made."""

from __future__ import annotations

import shutil
from pathlib import Path

from schemas import JG, Garment, Sample
from train.data import ShardFolder
from train.inference.photographs import Labelled, TryOnRequest, put_labels, work_folder
from train.inference.sampling import Role
from train.serving import UploadedPhotographs


def label_by_hand(
    photographs: UploadedPhotographs, role: Role, kind: Garment, sent: Labelled, partner: Labelled
) -> None:
    """Label a photograph that is going to be sent to the page, beside the partner that it will get."""
    photograph = photographs.folder / "photograph.jpg"
    shutil.copy(sent.image, photograph)
    files = {role: photograph, "garment" if role == "person" else "person": partner.image}
    work = work_folder(TryOnRequest(files["person"], files["garment"], kind), photographs.folder)
    put_labels(sent, role, work / "annotated")


def front_in_one_layer(data: ShardFolder, aihub: Path) -> int:
    """Return a sample as `prep annotate` would label it: it knows of one layer, and of a top no knees."""
    for place in range(len(data)):
        sample = data.sample(place)
        layered = b'"outer_' in (aihub / sample.person_parse.path).read_bytes()
        if sample.view == "front" and not layered and not data.pose(place, JG)[13:, 2].any():
            return place
    raise AssertionError("no such sample was drawn")


def labelled(sample: Sample, role: Role, aihub: Path) -> Labelled:
    """Return the picture of a sample's person or garment with its labels."""
    picture = sample.person if role == "person" else sample.product
    pose = sample.person_pose if role == "person" else sample.product_pose
    parse = sample.person_parse if role == "person" else sample.product_parse
    return Labelled(aihub / picture.path, aihub / pose.path, aihub / parse.path)
