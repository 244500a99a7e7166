"""Several nodes: Ray's, one of them killed, and slices in processes of their own, one killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from builds import SCRIPT, run

from common.errors import UserError
from preprocess.planning.plan import PlannedRecords
from preprocess.sharding import RejectLimitError, ray_engine

Tree = Callable[[Path], dict[str, bytes]]
PlanOf = Callable[[Path], PlannedRecords]
Looks = Callable[[int], Path]

pytestmark = [
    pytest.mark.slow,
    # Ray's own, of its threads, pipes and processes as a cluster goes
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray", "ignore::DeprecationWarning:ray"),
]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without processors, and two nodes with one each."""
    pytest.importorskip("ray", reason="no ray: pip install 'tryon-cascade[ray]'")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    some = {"object_store_memory": 100_000_000, "include_dashboard": False}
    running = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **some})
    for _ in range(2):
        running.add_node(num_cpus=1, object_store_memory=100_000_000)
    running.wait_for_nodes()
    yield running
    running.shutdown()


def test_a_cluster_that_loses_a_node_builds_the_same_bytes(
    cluster: Any, looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path
) -> None:
    root = looks(40)
    next(root.rglob("Item-Image/1008003_F.jpg")).write_bytes(b"")
    planned = plan_of(root)
    run(root, tmp_path / "local", planned)
    doomed = cluster.list_all_nodes()[-1]
    killed: list[int] = []

    def kill(done: int, total: int) -> None:
        if done and not killed:
            assert done < total / 2, "the node is to be killed while it works"
            killed.append(done)
            cluster.remove_node(doomed, allow_graceful=False)

    summary = run(root, tmp_path / "out", planned, engine=ray_engine(cluster.address), progress=kill)
    assert killed
    assert (summary.records_built, summary.shards_missing, summary.manifest.rejects) == (40, 0, 1)
    assert tree(tmp_path / "out") == tree(tmp_path / "local")
    assert run(root, tmp_path / "out", planned, engine=ray_engine(cluster.address)).records_built == 0


def test_a_cluster_stops_when_too_much_is_rejected_and_tells_what_the_disk_refuses(
    cluster: Any, looks: Looks, plan_of: PlanOf, tmp_path: Path
) -> None:
    root = looks(120)
    for path in sorted(root.rglob("Item-Image/*.jpg")):
        path.write_bytes(b"")
    planned = plan_of(root)
    with pytest.raises(RejectLimitError, match=r"1\d\d of 1\d\d records rejected, 100.0%"):
        run(root, tmp_path / "out", planned, engine=ray_engine(cluster.address), max_reject_rate=0.5)
    assert not (tmp_path / "out/manifest.json").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / planned.plan.shards[0].name).mkdir()
    with pytest.raises(UserError, match=r"--out .*other: Is a directory"):
        run(root, tmp_path / "other", planned, engine=ray_engine(cluster.address))


def test_the_command_line_builds_on_a_cluster_of_this_machine(looks: Looks, tree: Tree, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="no ray: pip install 'tryon-cascade[ray]'")
    looks(3)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    for out, more in (("local", ()), ("out", ("--engine", "ray"))):
        command = [sys.executable, "-m", "preprocess", "build-shards", "--src", "aihub", "--out", out, "--workers", "1"]
        done = subprocess.run(
            [*command, *more], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert tree(tmp_path / "out") == tree(tmp_path / "local")


def test_a_node_that_is_killed_and_started_again_completes_the_shared_folder(
    looks: Looks, plan_of: PlanOf, tree: Tree, tmp_path: Path
) -> None:
    root, out = looks(24), tmp_path / "out"
    planned = plan_of(root)
    run(root, tmp_path / "alone", planned)
    (tmp_path / "node.py").write_text(SCRIPT)

    def start(rank: int) -> subprocess.Popen[str]:
        configuration = planned.plan.configuration.model_dump_json()
        command = [sys.executable, str(tmp_path / "node.py"), str(root), str(out), configuration]
        command += ["1", str(rank), "2"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)

    with start(0) as first, start(1) as doomed:
        assert doomed.stdout is not None
        while int(doomed.stdout.readline()) < 2:  # it has begun, of its twelve records
            pass
        os.killpg(doomed.pid, signal.SIGKILL)
        first.communicate()
    assert first.returncode == 0
    assert not (out / "manifest.json").exists()
    with start(1) as again:
        told, _ = again.communicate()
    assert told.splitlines()[-1] == "missing 0"
    assert tree(out) == tree(tmp_path / "alone")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense"])
def test_an_address_without_a_cluster_is_one_line(address: str, tmp_path: Path, looks: Looks, plan_of: PlanOf) -> None:
    pytest.importorskip("ray", reason="no ray: pip install 'tryon-cascade[ray]'")
    root = looks(2)
    with pytest.raises(UserError, match=f"--ray-address {address}: no cluster there") as caught:
        run(root, tmp_path / "out", plan_of(root), engine=ray_engine(address))
    assert "\n" not in str(caught.value)
