import json
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import UserError
from train.data import ShardFolder, open_shards
from train.data.data_config import DataConfig


def test_only_urls_are_cached_in_the_configured_folder(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    open_shards(shards, "train", DataConfig())
    open_shards(f"file://{shards}", "train", DataConfig(cache_bytes=0)).read(0, "jp.npy")
    assert not (tmp_path / "home").exists()
    open_shards(f"file://{shards}", "train", DataConfig()).read(0, "jp.npy")
    assert len(list((tmp_path / "home/tryon-cascade/shards").glob("*.block"))) == 1
    open_shards(f"file://{shards}", "train", DataConfig(cache=tmp_path / "here")).read(0, "jp.npy")
    assert len(list((tmp_path / "here").glob("*.block"))) == 1


def edit_index(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "train-000000.index.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return edit


def first(document: dict[str, object]) -> dict[str, list[int]]:
    samples = document["samples"]
    assert isinstance(samples, list)
    members: dict[str, list[int]] = samples[0]["members"]
    return members


def edit_version(folder: Path) -> None:
    document = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**document, "schema_version": 7}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (edit_index(lambda d: first(d).update({"x.pkl": [512, 10]})), r"x\.pkl is a pickle, which executes code"),
        (edit_index(lambda d: first(d).update({"pth": [512, 10]})), r"\.pth is a pickle"),
        (edit_index(lambda d: first(d).pop("jp.npy")), r"jp\.npy is missing or outside"),
        (edit_index(lambda d: first(d).update({"jp.npy": [10**12, 332]})), r"jp\.npy is missing or outside"),
        (edit_index(lambda d: d.update({"sha256": "0" * 64})), "does not belong to manifest"),
        (edit_index(lambda d: d.update({"fingerprint": "0"})), "does not belong to manifest"),
        (edit_index(lambda d: d.update({"samples": []})), "does not belong to manifest"),
        (edit_version, "version 7, not a manifest of this version"),
    ],
)
def test_inconsistent_shards_are_reported_on_opening(
    copied: Path, change: Callable[[Path], None], said: str
) -> None:  # fmt: skip
    change(copied)
    with pytest.raises(UserError, match=said) as caught:
        ShardFolder(copied, "train")
    assert "\n" not in str(caught.value)
