"""The command line as a person meets it: exit codes, one line for a mistake, nothing on the wrong stream."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def prep(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "preprocess", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_build_shards_ends_with_a_summary_and_finds_itself_done(aihub: Path, tmp_path: Path) -> None:
    next(aihub.rglob("Item-Image/1008002_F.jpg")).write_bytes(b"")
    done = prep("build-shards", "--src", str(aihub), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "1 samples (1 train) in 1 shards: shards/manifest.json" in done.stdout
    assert "rejected: 1 bad-image" in done.stdout
    assert "images/s" in done.stdout
    assert done.stderr == ""
    assert "everything was done already" in prep("build-shards", "--src", str(aihub), cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build-shards", "--src", "nowhere"], "nowhere: no such folder"),
        (["build-shards", "--src", "empty"], "no data set recognised"),
        (["build-shards", "--src", "empty", "--source", "aihub"], "winfo"),
        (["build-shards", "--src", "empty", "--garment", "hat"], "'hat' is not one of"),
        (["build-shards", "--source", "aihub"], "Missing option '--src'"),
        (["build-shard"], "build-shards"),
        (["sample-data", "--out", "full"], "full"),
        (["build-shards", "--src", "aihub", "--garment", "dress"], "no pair"),
        (["build-shards", "--src", "aihub", "--node-rank", "2", "--num-nodes", "2"], "ranks go from 0"),
        (["build-shards", "--src", "aihub", "--dry-run", "--retry-rejects"], "do not go together"),
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


def test_a_dry_run_writes_nothing(aihub: Path, tmp_path: Path) -> None:
    done = prep("build-shards", "--src", str(aihub), "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "to build in shards: 2 pairs (2 train) in 1 shards" in done.stdout
    assert not (tmp_path / "shards").exists()


def test_two_nodes_fill_one_folder(aihub: Path, tmp_path: Path) -> None:
    arguments = ["build-shards", "--src", str(aihub), "--num-nodes", "2", "--node-rank"]
    early = prep(*arguments, "1", cwd=tmp_path)
    assert (early.returncode, "1 shards of other nodes are missing" in early.stdout) == (0, True), early.stdout
    done = prep(*arguments, "0", cwd=tmp_path)
    assert (done.returncode, "2 samples" in done.stdout) == (0, True), done.stdout
    assert prep("verify", "--shards", "shards", cwd=tmp_path).returncode == 0


def test_rejects_are_retried_after_the_file_was_mended(aihub: Path, tmp_path: Path) -> None:
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


def test_the_core_imports_without_torch(tmp_path: Path) -> None:
    """The extra `train` may be missing: importing torch is made to fail."""
    code = "import sys; sys.modules['torch'] = None; import preprocess.cli, schemas"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
