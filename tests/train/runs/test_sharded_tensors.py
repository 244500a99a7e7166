"""Checkpoints in shards: written by several processes behind their steps, read by any number of them and by none."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import sharded_training
import torch
from forked_programs import ForkedPrograms
from safetensors.torch import load_file
from sharded_training import OUTCOMES, parts, tiny_step, tiny_training
from torch import Tensor
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.state_dict_loader import load

from common.errors import UserError
from train.runs.checkpoint_folder import PARTS, ema_sha256, read_state
from train.runs.power_profiles import Profile
from train.runs.run_folder import RunFolder
from train.runs.sharded_tensors import ShardedTensors
from train.training.checkpoint import restore, save_checkpoint


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, programs: ForkedPrograms) -> Path:
    """What `sharded_training` does: runs of two and three processes, the full tensors beside them."""
    folder = tmp_path_factory.mktemp("sharded")
    helpers = str(Path(sharded_training.__file__).parent)
    code = f"import sys; sys.path[:0] = [{helpers!r}]; import sharded_training as s; s.main(s.Path({str(folder)!r}))"
    done = programs.run("-c", code)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def outcomes(written: Path) -> dict[str, Any]:
    return dict(json.loads((written / OUTCOMES).read_text()))


@pytest.fixture
def run(written: Path, tmp_path: Path) -> RunFolder:
    """A copy of the run of two processes: checkpoints of steps 2 and 3."""
    return RunFolder(Path(shutil.copytree(written / "run", tmp_path / "run")))


def test_each_process_writes_its_own_shards_alone(written: Path) -> None:
    folder = RunFolder(written / "run").checkpoints.all()[-1]
    assert sorted(path.name for path in folder.iterdir()) == ["averages", "ema", "model", "optimizer", "state.json"]
    for part in ("model", "ema", "averages"):
        sizes = [sum(value.numel() for value in load_file(path).values()) for path in sorted((folder / part).iterdir())]
        assert sizes == [18, 8]


def test_steps_go_on_while_a_checkpoint_is_written_and_do_not_change_it(
    written: Path, outcomes: dict[str, Any]
) -> None:
    assert outcomes["train"] == [["step-00000002"], ["step-00000002"]]  # two steps after the copy of step 3
    weights, step = RunFolder(written / "run").load_weights("model")
    assert step == 3
    assert_same(weights, load_file(written / "whole/model"))


def test_one_process_resumes_bit_for_bit_and_saves_whole_tensors(written: Path, run: RunFolder) -> None:
    alone = tiny_training(7)
    assert restore(run, alone)
    assert alone.step == 3
    for part, values in parts(alone).items():
        assert_same(values, load_file(written / f"whole/{part}"))
    tiny_step(alone)
    folder = save_checkpoint(run, alone, 3)
    assert all((folder / f"{part}.safetensors").is_file() for part in PARTS)
    again = tiny_training(8)
    assert restore(run, again)
    assert again.step == 4


def test_three_processes_resume_from_the_shards_of_two_and_one_from_theirs(
    written: Path, outcomes: dict[str, Any]
) -> None:
    assert outcomes["three"] == [True] * 3
    alone = tiny_training(7)
    assert restore(RunFolder(written / "run"), alone)
    for part, values in parts(alone).items():
        assert_same(load_file(written / f"whole-three/{part}"), values)
    moved = tiny_training(7)
    assert restore(RunFolder(written / "three"), moved)
    tiny_step(alone)
    assert moved.step == alone.step == 4
    for part, values in parts(alone).items():
        assert all(torch.allclose(value, parts(moved)[part][name]) for name, value in values.items())


def test_two_processes_resume_from_whole_tensors(written: Path, outcomes: dict[str, Any]) -> None:
    assert outcomes["from-whole"] == [True] * 2
    for part in (*PARTS, "averages"):
        assert_same(load_file(written / f"whole-of-one/{part}"), load_file(written / f"whole/{part}"))


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")
def test_torchs_own_reader_reads_the_shards(written: Path, run: RunFolder) -> None:
    expected = load_file(written / "whole/ema")
    targets = {name: torch.empty_like(value) for name, value in expected.items()}
    reader = HuggingFaceStorageReader(str(run.checkpoints.all()[-1] / "ema"))
    load(targets, storage_reader=reader, no_dist=True)
    assert_same(targets, expected)


def test_averages_are_written_in_shards_behind_the_steps(written: Path, run: RunFolder) -> None:
    assert list(run.averages.all()) == [Profile(3, 0.05)]
    weights, count, _ = run.averages.reconstruct(Profile(3, 0.05))
    assert count == 1
    expected = {name.removeprefix("0.050/"): value for name, value in load_file(written / "whole/averages").items()}
    assert_same(weights, {name: value.half().float() for name, value in expected.items()})
    other = {name: value + 1 for name, value in weights.items()}
    (run.path / "averages/step-00000002-0.050.tmp").mkdir()
    run.averages.save(3, {0.05: other}, 9, 3)  # by one process, which has fallen back
    assert [path.name for path in (run.path / "averages").iterdir()] == ["step-00000003-0.050.safetensors"]
    assert_same(run.averages.reconstruct(Profile(3, 0.05))[0], {n: v.half().float() for n, v in other.items()})
    # The other way round: three processes have replaced what two had written.
    assert len(list((written / "three/averages/step-00000003-0.050").iterdir())) == 3


def test_the_checksum_of_ema_weights_depends_on_them_alone(run: RunFolder) -> None:
    first, last = (ema_sha256(read_state(folder)) for folder in run.checkpoints.all())
    assert first != last == ema_sha256(read_state(run.checkpoints.all()[-1]))


@pytest.mark.parametrize("damage", ["missing", "cut", "changed", "folder", "unnamed", "unfinished"])
def test_damaged_shards_are_skipped_and_reported(
    run: RunFolder, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run.checkpoints.all()[-1]
    path, state = sorted((folder / "ema").iterdir())[-1], folder / "state.json"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[:-1])
    elif damage == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "folder":
        shutil.rmtree(folder / "ema")
    elif damage == "unnamed":
        state.write_text(state.read_text().replace('"ema/', '"../ema/'))
    else:
        state.unlink()
    assert run.load_weights("ema")[1] == 2
    file = "state.json" if damage == "unfinished" else "ema"
    assert f"run: damaged checkpoint skipped (step-00000003: {file}" in capsys.readouterr().err
    if damage != "changed":
        assert run.checkpoints.last_good() == run.checkpoints.path_of(2)


def test_a_missing_shard_is_noticed_without_checksums(run: RunFolder) -> None:
    folder = run.checkpoints.all()[-1] / "ema"
    sorted(folder.iterdir())[-1].unlink()
    with pytest.raises(UserError, match=r"ema: a shard of \S+ is missing"):
        ShardedTensors(folder)


def test_an_unfinished_checkpoint_is_ignored_and_removed_by_the_next(run: RunFolder) -> None:
    torn = run.checkpoints.path / "step-00000004.tmp"
    shutil.copytree(run.checkpoints.path_of(3) / "ema", torn / "ema")
    alone = tiny_training(7)
    assert restore(run, alone)
    assert alone.step == 3
    tiny_step(alone)
    save_checkpoint(run, alone, 3)
    assert [path.name for path in sorted(run.checkpoints.path.iterdir())][-1] == "step-00000004"


def test_a_run_that_another_machine_does_not_see_is_refused(run: RunFolder) -> None:
    run.config_path.touch()
    run.check_visible()
    run.config_path.unlink()
    with pytest.raises(UserError, match="run: not visible on every machine; use a --runs that all of them share"):
        run.check_visible()


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("where", ["write", "checksum"])
def test_a_process_that_cannot_write_stops_all_at_the_next_step_and_changes_nothing(
    written: Path, outcomes: dict[str, Any], where: str, rank: int
) -> None:
    name = f"{where}-{rank}"
    said, other = outcomes[name]
    assert said.startswith("UserError")
    assert "cannot write step-00000004: No space left on device; free some space" in said
    assert other == "PeerFailed "
    run = RunFolder(written / name)
    assert [path.name for path in sorted(run.checkpoints.path.iterdir())] == ["step-00000002", "step-00000003"]


def test_a_process_killed_while_writing_ends_the_others_writing_too(written: Path, outcomes: dict[str, Any]) -> None:
    assert outcomes["lost"] == ["peer failure: True", None]
    run = RunFolder(written / "lost")
    assert run.load_weights("ema")[1] == 3
    assert [path.name for path in sorted(run.checkpoints.path.iterdir())][-1] == "step-00000004.tmp"
