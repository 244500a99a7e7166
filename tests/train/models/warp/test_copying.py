"""Copying: layers of the garment, their weights, and the loss that lays them over a photograph."""

import pytest
import torch
from torch import Tensor

from train.models.warp.anchors import PARTS
from train.models.warp.copying import LAYER, UNCOVERED, GarmentCopy, bending, misfit, split_copied, warp_cost

SIDE = 16


def garment() -> Tensor:
    """A red square with a blue dot on grey, (1, 3, SIDE, SIDE)."""
    Ic = torch.zeros(1, 3, SIDE, SIDE)
    Ic[:, :, 4:12, 4:12] = torch.tensor([0.8, -0.8, -0.8])[:, None, None]
    Ic[:, :, 7, 7] = torch.tensor([-0.8, -0.8, 0.8])
    return Ic


def grids(shift: float = 0.0) -> Tensor:
    """Warps that leave everything where it is, or move it by a share of the image."""
    centres = (torch.arange(SIDE) + 0.5) / SIDE * 2 - 1
    x, y = torch.meshgrid(centres, centres, indexing="xy")
    return torch.stack([x - 2 * shift, y]).expand(1, len(PARTS), 2, SIDE, SIDE)


def copied(known: bool = True, *, paint: float = 0.0, **features: Tensor) -> Tensor:
    torch.manual_seed(0)
    copy = GarmentCopy(8, 8, 2, paint)
    fine = features.get("fine", torch.randn(1, 8, SIDE // 2, SIDE // 2))
    coarse = features.get("coarse", torch.randn(1, 8, SIDE // 4, SIDE // 4))
    output: Tensor = copy(fine, coarse, garment(), grids(), torch.full((1, len(PARTS)), known))
    return torch.cat([torch.zeros(1, 3, SIDE, SIDE), output], dim=1)


def test_a_network_that_only_copies_returns_the_garment_to_the_last_pixel() -> None:
    result = split_copied(copied(paint=-100.0))
    assert result is not None
    assert torch.allclose(result.image, garment(), atol=1e-5)
    assert torch.allclose(result.weight, torch.ones_like(result.weight))
    opacity = result.warp[:, :-1].view(1, len(PARTS), LAYER, SIDE, SIDE)[:, :, 3]
    assert torch.allclose(opacity, (garment() != 0).any(1, keepdim=True).float().expand_as(opacity), atol=1e-5)


@pytest.mark.parametrize(("paint", "share"), [(1.0, 0.525), (4.0, 0.052)])
def test_at_first_it_paints_as_much_as_configured(paint: float, share: float) -> None:
    torch.manual_seed(0)
    copy = GarmentCopy(8, 8, 2, paint)
    output = copy(
        torch.randn(1, 8, 8, 8), torch.randn(1, 8, 4, 4), garment(), grids(), torch.ones(1, len(PARTS)).bool()
    )
    result = split_copied(torch.cat([torch.zeros(1, 3, SIDE, SIDE), output], dim=1))
    assert result is not None
    assert result.weight.mean().item() == pytest.approx(share, abs=1e-3)


def test_a_part_without_a_warp_is_never_copied() -> None:
    result = split_copied(copied(known=False, paint=-100.0))
    assert result is not None
    assert not result.weight.any()
    assert not result.warp.any()


def test_an_image_alone_is_not_split() -> None:
    assert split_copied(torch.zeros(1, 3, SIDE, SIDE)) is None


def layers(colour: Tensor, opacity: Tensor) -> Tensor:
    """One layer, the others transparent."""
    one = torch.cat([colour, opacity], dim=1)
    return torch.cat([one, torch.zeros(1, LAYER * (len(PARTS) - 1), *colour.shape[2:])], dim=1)


def test_the_misfit_prefers_the_right_place_and_the_whole_garment() -> None:
    Ic = garment()
    opacity = (Ic != 0).any(1, keepdim=True).float()
    white = torch.ones(1, 3, SIDE, SIDE)
    x = torch.where(opacity > 0, Ic, white)

    def cost(colour: Tensor, covered: Tensor) -> float:
        return misfit(layers(colour, covered), x).mean().item()

    right = cost(Ic, opacity)
    moved = cost(Ic.roll(2, 3), opacity.roll(2, 3))
    smaller = cost(Ic, opacity * (torch.arange(SIDE) < 8))
    nothing = cost(Ic, torch.zeros_like(opacity))
    assert right < min(moved, smaller) < nothing
    assert nothing == pytest.approx(UNCOVERED)


def test_the_misfit_moves_a_layer_into_place() -> None:
    """Gradient descent on a displacement alone finds the garment, from a quarter of its width away."""
    Ic, white = garment(), torch.ones(1, 3, SIDE, SIDE)
    opacity = (Ic != 0).any(1, keepdim=True).float()
    x = torch.where(opacity > 0, Ic, white)
    shift = torch.tensor(0.09, requires_grad=True)
    optimizer = torch.optim.Adam([shift], lr=0.01)
    for _ in range(60):
        grid = grids()[:, 0] - torch.stack([2 * shift, torch.zeros(())])[None, :, None, None]
        layer = torch.nn.functional.grid_sample(
            torch.cat([Ic, opacity], 1), grid.permute(0, 2, 3, 1), align_corners=False
        )
        cost = misfit(layers(layer[:, :3], layer[:, 3:]), x).mean()
        optimizer.zero_grad()
        cost.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert abs(shift.item()) < 0.02


def field(parts: int = len(PARTS), side: int = 8) -> Tensor:
    """Displacements that move, stretch and turn the whole image, (1, parts, 2, side, side)."""
    x, y = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="xy")
    return torch.stack([0.1 + 0.2 * x - 0.3 * y, -0.2 + 0.1 * y + 0.3 * x]).expand(1, parts, 2, side, side).clone()


def test_a_displacement_of_the_whole_does_not_bend() -> None:
    assert bending(field()).max().item() < 1e-6
    assert not bending(torch.rand(1, len(PARTS), 2, 2, 2)).any()  # too small to bend


def test_a_pixel_out_of_place_bends_and_is_pulled_back() -> None:
    shift = field()
    shift[0, 1, 0, 4, 4] += 0.5
    shift.requires_grad_()
    bent = bending(shift)
    assert bent[0, 1, 4, 4].item() == pytest.approx(2 * 2 * 0.5, abs=1e-5)  # twice, along and across
    assert not bent[0, [0, 2]].gt(1e-6).any()
    bent.sum().backward()  # type: ignore[no-untyped-call]
    assert shift.grad is not None
    assert shift.grad[0, 1, 0, 4, 4].item() == shift.grad[0, 1].max().item() > 0


def test_the_cost_of_a_warp_is_its_misfit_and_its_bending() -> None:
    Ic = garment()
    opacity = (Ic != 0).any(1, keepdim=True).float()
    warp = torch.cat([layers(Ic, opacity), torch.zeros(1, 1, SIDE, SIDE)], dim=1)
    straight = warp_cost(warp, Ic)
    assert torch.equal(straight, misfit(warp[:, :-1], Ic))
    warp[:, -1, 3] = 0.1
    assert (warp_cost(warp, Ic) - straight).flatten().topk(SIDE + 1).values[[SIDE - 1, SIDE]].tolist() == [
        pytest.approx(0.1), 0.0,
    ]  # fmt: skip
