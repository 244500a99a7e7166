"""The command line as a person meets it: exit codes, one line for a mistake, nothing on the wrong stream."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from in_process import Ended, run_here

from preprocess.cli import cli, main


def prep(*arguments: str, cwd: Path) -> Ended:
    """Run the command line in this process; a process of its own shows no more, but for `program`."""
    return run_here(main, *arguments, cwd=cwd)


def program(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    command = [sys.executable, "-m", "preprocess", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_build_shards_ends_with_a_summary_and_finds_itself_done(aihub: Path, tmp_path: Path) -> None:
    next(aihub.rglob("Item-Image/1008002_F.jpg")).write_bytes(b"")
    done = program("build-shards", "--src", str(aihub), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 sample (1 train) in 1 shard: shards/manifest.json" in done.stdout
    assert "rejected: 1 bad-image; shards/rejects.jsonl has the reasons" in done.stdout
    assert "images/s" in done.stdout
    assert done.stderr == ""
    assert "nothing to do: all shards are built" in prep("build-shards", "--src", str(aihub), cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build-shards", "--src", "nowhere"], "nowhere: no such folder"),
        (["build-shards", "--src", "empty"], "no dataset recognised"),
        (["build-shards", "--src", "empty", "--source", "aihub"], "winfo"),
        (["build-shards", "--src", "empty", "--garment", "hat"], "'hat' is not one of"),
        (["build-shards", "--source", "aihub"], "Missing option '--src'"),
        (["build-shard"], "build-shards"),
        (["sample-data", "--out", "full"], "full"),
        (["sample-data", "--out", "new", "--looks", "2", "--truth", "1"], "give more looks"),
        (["sample-data", "--out", "new", "--seed", "9223372036854775808"], "is not in the range"),
        (["sample-data", "--out", "/proc/x", "--looks", "2", "--workers", "1"], "--out /proc/x: No such file"),
        (["build-shards", "--src", "aihub", "--garment", "dress"], "no pair"),
        (["build-shards", "--src", "aihub", "--node-rank", "2", "--num-nodes", "2"], "ranks go from 0"),
        (["build-shards", "--src", "aihub", "--dry-run", "--retry-rejects"], "cannot be combined"),
        (["verify", "--shards", "empty"], "empty"),
        (["inspect", "--src", "empty"], "empty"),
        (["build-shards", "--src", "aihub", "--out", "full/file"], "full/file"),
    ],
    ids=[
        "no-folder",
        "empty",
        "no-list",
        "choice",
        "missing",
        "command",
        "full",
        "no-truth",
        "seed",
        "no-out",
        "no-dress",
        "rank",
        "dry-retry",
        "verify",
        "inspect",
        "out-is-a-file",
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(aihub: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("somebody's")
    done = prep(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("prep: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_a_mistake_ends_the_process_alike(tmp_path: Path) -> None:
    done = program("build-shards", "--src", "nowhere", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("prep: ")
    assert done.stderr.count("\n") == 1
    assert "nowhere: no such folder" in done.stderr


def test_a_dry_run_writes_nothing(aihub: Path, tmp_path: Path) -> None:
    done = prep("build-shards", "--src", str(aihub), "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "to build in shards: 2 pairs (2 train) in 1 shard" in done.stdout
    assert not (tmp_path / "shards").exists()


def test_two_nodes_fill_one_folder(aihub: Path, tmp_path: Path) -> None:
    arguments = ["build-shards", "--src", str(aihub), "--num-nodes", "2", "--node-rank"]
    early = prep(*arguments, "1", cwd=tmp_path)
    assert (early.returncode, "1 shard of other nodes is missing" in early.stdout) == (0, True), early.stdout
    done = prep(*arguments, "0", cwd=tmp_path)
    assert (done.returncode, "2 samples" in done.stdout) == (0, True), done.stdout
    assert prep("verify", "--shards", "shards", cwd=tmp_path).returncode == 0


def test_rejects_are_retried_after_the_file_was_repaired(aihub: Path, tmp_path: Path) -> None:
    pose = next(aihub.rglob("Model-Pose/1008_A001_000.json"))
    content = pose.read_bytes()
    pose.write_bytes(b"{")
    assert prep("build-shards", "--src", str(aihub), "--max-reject-rate", "0.2", cwd=tmp_path).returncode == 1
    pose.write_bytes(content)
    done = prep("build-shards", "--src", str(aihub), "--retry-rejects", cwd=tmp_path)
    assert (done.returncode, "2 samples" in done.stdout) == (0, True), done.stderr


def test_inspect_and_verify_print_one_json_object(aihub: Path, tmp_path: Path) -> None:
    found = json.loads(prep("inspect", "--src", str(aihub), "--json", cwd=tmp_path).stdout)
    assert found["release"] == 2
    prep("build-shards", "--src", str(aihub), cwd=tmp_path)
    assert json.loads(prep("verify", "--shards", "shards", "--json", cwd=tmp_path).stdout)["ok"] is True


def test_a_long_path_of_the_temporary_folder_is_accepted(
    aihub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a socket has room for 107 bytes."""
    long = tmp_path / ("long" * 30)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    done = program("build-shards", "--src", str(aihub), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_that_is_listed_is_there() -> None:
    context = click.Context(cli)
    commands = [cli.get_command(context, name) for name in cli.list_commands(context)]
    assert [command.name for command in commands if command] == cli.list_commands(context)
    assert "build-shards" in cli.list_commands(context)


def test_the_core_imports_without_torch(tmp_path: Path) -> None:
    """The extra `train` may be missing: importing torch is made to fail."""
    every = "from preprocess.cli import cli; [cli.get_command(None, name) for name in cli.list_commands(None)]"
    code = f"import sys; sys.modules['torch'] = None; {every}"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def second_frame(root: Path) -> None:
    """Give the look 1008_A001 a side view beside its front."""
    for path in list(root.rglob("1008_A001_000.*")):
        copy = path.with_name(path.name.replace("_000", "_044"))
        copy.write_bytes(path.read_bytes())
        if path.parent.name == "Model-Pose":
            copy.write_text(copy.read_text().replace('"view_point": 0', '"view_point": -1'))


def described(shards: Path) -> list[dict[str, object]]:
    """Return the `json` member of every sample."""
    found = []
    for index in sorted(shards.glob("*.index.json")):
        document = json.loads(index.read_text())
        with (shards / document["name"]).open("rb") as tar:
            for sample in document["samples"]:
                offset, size = sample["members"]["json"]
                tar.seek(offset)
                found.append(json.loads(tar.read(size)))
    return found


def test_frames_of_one_look_are_paired_in_both_directions(aihub: Path, tmp_path: Path) -> None:
    second_frame(aihub)
    done = prep("build-shards", "--src", str(aihub), "--pairing", "both", cwd=tmp_path)
    assert (done.returncode, "4 samples" in done.stdout) == (0, True), (done.stdout, done.stderr)
    samples = {str(sample["key"]): sample for sample in described(tmp_path / "shards")}
    pair = samples["train_1008_A001_000_1008001_044"]
    assert (pair["pairing"], pair["item"]) == ("view", "1008001")
    assert "1008_A001_044.jpg" in str(pair["product"])
    assert "train_1008_A001_044_1008001_000" in samples
    assert prep("verify", "--shards", "shards", cwd=tmp_path).returncode == 0


def test_a_garment_of_both_parts_is_used_in_training_only(aihub: Path, tmp_path: Path) -> None:
    """Validation holds the second look in the very garment, by its picture, that the first one wears."""
    training = aihub / "01.데이터/1.Training"
    for path in list(training.rglob("*100[8]*002*")):
        there = aihub / "01.데이터/2.Validation" / path.relative_to(training)
        there.parent.mkdir(parents=True, exist_ok=True)
        path.rename(there)
    winfo = next(training.rglob("winfo_train.json"))
    rows = json.loads(winfo.read_text())
    winfo.write_text(json.dumps(rows[:1]))
    labels = next((aihub / "01.데이터/2.Validation").rglob("Model-Pose")).parent
    (labels / "winfo_val.json").write_text(json.dumps(rows[1:]))
    done = prep("build-shards", "--src", str(aihub), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "moved from val to train" in done.stdout
    assert [sample["split"] for sample in described(tmp_path / "shards")] == ["train", "train"]
    assert json.loads((tmp_path / "shards/twins.json").read_text())["pairs"]
    assert prep("verify", "--shards", "shards", cwd=tmp_path).returncode == 0
