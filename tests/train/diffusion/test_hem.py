"""Masking around the hips: a band that depends only on the pose, only for tops, and without the hands."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from schemas.keypoints import KEYPOINTS
from train.diffusion.conditioning import TryOnInputs, with_hem_hidden
from train.diffusion.hem import ALONG, REST, hide_hem
from train.diffusion.photo import GREY

SIDE = 80
SHOULDERS, HIPS = 0.2, 0.5
TRUNK = HIPS - SHOULDERS


def person(wrist: tuple[float, float] = (0.95, 0.95)) -> Tensor:
    """An upright trunk; both forearms hang down, ending at ``wrist`` and at its mirror image."""
    Jp = torch.zeros(1, len(KEYPOINTS), 3)
    for side, sign in (("left", 1), ("right", -1)):
        for joint, x, y in (("shoulder", 0.1, SHOULDERS), ("hip", 0.06, HIPS), ("wrist", wrist[0] - 0.5, wrist[1]),
                            ("elbow", wrist[0] - 0.5, wrist[1] - 0.15)):  # fmt: skip
            Jp[0, KEYPOINTS.index(f"{side}_{joint}")] = torch.tensor([0.5 + sign * x, y, 1.0])
    return Jp


def garment(*joints: str) -> Tensor:
    Jg = torch.zeros(1, len(KEYPOINTS), 3)
    for joint in joints:
        for side in ("left", "right"):
            Jg[0, KEYPOINTS.index(f"{side}_{joint}")] = torch.tensor([0.3 if side == "right" else 0.7, 0.5, 1.0])
    return Jg


TOP = garment("shoulder", "hip")
WHITE = torch.ones(1, 3, SIDE, SIDE)


def rows(hidden: Tensor) -> Tensor:
    return torch.nonzero(hidden.any(1)).flatten()


def test_a_band_around_the_hips_is_grey_for_any_top() -> None:
    hidden = hide_hem(WHITE, person(), TOP)[0, 0] == GREY
    first, last = ((SHOULDERS + share * TRUNK) * SIDE for share in ALONG)
    assert abs(int(rows(hidden)[0]) - first) <= 1
    assert abs(int(rows(hidden)[-1]) - last) <= 1
    assert hidden[int(HIPS * SIDE), SIDE // 2]
    assert torch.equal(hide_hem(WHITE, person(), garment("shoulder")), hide_hem(WHITE, person(), TOP))


@pytest.mark.parametrize(("rest", "line"), [(REST - 0.02, True), (REST + 0.02, False), (-0.3, True)])
def test_no_line_of_trousers_remains_along_the_photograph_s_lower_edge(rest: float, line: bool) -> None:
    bottom = SHOULDERS + (ALONG[1] + rest) * TRUNK
    hidden = hide_hem(WHITE, person(), TOP, torch.tensor([[0.0, 0.0, 1.0, bottom]]))[0, 0] == GREY
    below = hidden[int((SHOULDERS + ALONG[1] * TRUNK) * SIDE) + 2 :, SIDE // 2]
    assert below.all() == line
    assert below.any() == line


def test_hands_next_to_the_hips_stay_visible() -> None:
    wrist = (0.57, 0.47)
    visible = hide_hem(WHITE, person(wrist), TOP)[0, 0] == 1
    hand_x, hand_y = wrist[0], wrist[1] + 0.05
    assert visible[int(hand_y * SIDE), int(hand_x * SIDE)]
    assert visible[int(hand_y * SIDE), int((1 - hand_x) * SIDE)]
    assert not visible[int((wrist[1] - 0.06) * SIDE), int(hand_x * SIDE)], "the forearm has a sleeve, or had one"


def test_trousers_and_unknown_trunks_add_no_mask() -> None:
    assert torch.equal(hide_hem(WHITE, person(), garment("hip", "knee", "ankle")), WHITE)
    cut = person()
    cut[:, KEYPOINTS.index("left_hip")] = 0
    assert torch.equal(hide_hem(WHITE, cut, TOP), WHITE)


def test_people_of_a_batch_do_not_mix() -> None:
    both = hide_hem(WHITE.expand(2, -1, -1, -1), torch.cat([person(), person((0.57, 0.47))]), TOP.expand(2, -1, -1))
    assert torch.equal(both[0:1], hide_hem(WHITE, person(), TOP))
    assert torch.equal(both[1:2], hide_hem(WHITE, person((0.57, 0.47)), TOP))


def test_inputs_with_the_hem_hidden_differ_in_ia_alone() -> None:
    inputs = TryOnInputs(Ia=WHITE, Ic=WHITE, Jp=person(), Jg=TOP)
    hidden = with_hem_hidden(inputs)
    assert hidden.Ia is not None
    assert torch.equal(hidden.Ia, hide_hem(WHITE, person(), TOP))
    assert replace(hidden, Ia=WHITE) == inputs
    assert with_hem_hidden(TryOnInputs(low_res=WHITE)) == TryOnInputs(low_res=WHITE)
