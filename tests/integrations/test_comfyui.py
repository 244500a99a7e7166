"""The ComfyUI nodes, held against the interface that ComfyUI documents; ComfyUI itself cannot be installed here."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).parents[2]
TYPES = {"STRING", "INT", "IMAGE", "MASK", "TRYON_CASCADE"}


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The folder as ComfyUI imports it: from custom_nodes, under a module name that is its path."""
    folder = tmp_path_factory.mktemp("ComfyUI") / "custom_nodes" / "tryon-cascade"
    shutil.copytree(ROOT / "integrations" / "comfyui", folder)
    name = str(folder).replace(".", "_x_")
    spec = importlib.util.spec_from_file_location(name, folder / "__init__.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    yield module
    for imported in [one for one in sys.modules if one.startswith(name)]:
        del sys.modules[imported]


class Cascade:
    """Paints the lower half of the person in the mean colour of the last garment."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def try_on(
        self, person: Image.Image, garment: list[Image.Image], on_step: Callable[[int, int], None], **options: Any
    ) -> Image.Image:
        self.asked.append({"garments": len(garment), **options})
        on_step(0, 2)
        pixels = np.array(person)
        pixels[len(pixels) // 2 :] = np.asarray(garment[-1]).mean(axis=(0, 1))
        return Image.fromarray(pixels)


def test_the_mappings_name_nodes_of_the_documented_form(nodes: ModuleType) -> None:
    assert nodes.NODE_CLASS_MAPPINGS.keys() == nodes.NODE_DISPLAY_NAME_MAPPINGS.keys()
    for node in nodes.NODE_CLASS_MAPPINGS.values():
        function = getattr(node, node.FUNCTION)
        inputs = node.INPUT_TYPES()
        assert inputs.keys() <= {"required", "optional", "hidden"}
        names = [name for group in inputs.values() for name in group]
        assert set(names) == set(function.__code__.co_varnames[1 : function.__code__.co_argcount])
        for given in (one for group in inputs.values() for one in group.values()):
            assert isinstance(given, tuple)
            assert given[0] in TYPES if isinstance(given[0], str) else all(isinstance(one, str) for one in given[0])
        assert set(node.RETURN_TYPES) <= TYPES
        assert len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
        assert node.CATEGORY == "try-on"


def test_a_batch_is_dressed_and_what_stays_is_the_inputs_own(nodes: ModuleType) -> None:
    person = torch.rand(2, 8, 6, 3)
    cascade = Cascade()
    image, mask = nodes.NODE_CLASS_MAPPINGS["TryOn"]().dress(cascade, person, torch.ones(1, 5, 5, 3), "auto", 7)
    assert (image.shape, image.dtype, mask.shape) == (person.shape, torch.float32, (2, 8, 6))
    assert torch.equal(image[:, :4], person[:, :4])
    assert (image[:, 4:] == 1).all()
    assert not mask[:, :4].any()
    assert cascade.asked == [{"garments": 1, "kind": [None], "seed": 7}] * 2


def test_two_garments_and_one_for_each_person(nodes: ModuleType) -> None:
    node, cascade = nodes.NODE_CLASS_MAPPINGS["TryOn"](), Cascade()
    trousers = torch.stack([torch.zeros(4, 4, 3), torch.ones(4, 4, 3)])
    image, _ = node.dress(cascade, torch.rand(2, 8, 6, 4), torch.rand(1, 4, 4, 3), "upper", 0, trousers, "lower")
    assert [float(one[-1].mean()) for one in image] == [0, 1]
    assert cascade.asked[0] == {"garments": 2, "kind": ["upper", "lower"], "seed": 0}
    with pytest.raises(ValueError, match="2 garments for 3 people"):
        node.dress(cascade, torch.rand(3, 8, 6, 3), trousers, "upper", 0)


def test_the_loader_loads_again_what_changed(nodes: ModuleType, tmp_path: Path) -> None:
    loader = nodes.NODE_CLASS_MAPPINGS["LoadTryOnCascade"]
    before = loader.IS_CHANGED(str(tmp_path), "cpu")
    (tmp_path / "cascade.json").write_text("{}")
    assert loader.IS_CHANGED(str(tmp_path), "cpu") != before
    from tryon_cascade import UserError

    (tmp_path / "cascade.json").unlink()
    with pytest.raises(UserError, match="neither"):
        loader().load(str(tmp_path), "cpu", " ")


def test_comfyuis_progress_and_stop_button_are_used(nodes: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class StoppedError(Exception):
        pass

    shown: list[tuple[int, int]] = []
    stopped = [False]

    def check() -> None:
        if stopped[0]:
            raise StoppedError

    class ProgressBar:
        def __init__(self, total: int) -> None:
            self.total = total

        def update_absolute(self, value: int, total: int) -> None:
            shown.append((value, total))

    for name, members in (
        ("comfy", {}),
        ("comfy.model_management", {"throw_exception_if_processing_interrupted": check}),
        ("comfy.utils", {"ProgressBar": ProgressBar}),
    ):
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    node = nodes.NODE_CLASS_MAPPINGS["TryOn"]()
    node.dress(Cascade(), torch.rand(2, 8, 6, 3), torch.rand(1, 4, 4, 3), "upper", 0)
    assert shown == [(0, 2000), (1000, 2000)]
    stopped[0] = True
    with pytest.raises(StoppedError):
        node.dress(Cascade(), torch.rand(1, 8, 6, 3), torch.rand(1, 4, 4, 3), "upper", 0)
