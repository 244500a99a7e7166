"""What is under docker/ besides the entrypoint: schemas hold, command lines are understood, the files agree."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from command_lines import parsed

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))
MANIFESTS = sorted((DOCKER / "kubernetes").glob("*.yaml"))
BATCHES = sorted((DOCKER / "slurm").glob("*.sbatch"))
SERVICES = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def of_name(path: Path) -> str:
    return path.name


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def job(name: str) -> dict[str, Any]:
    return next(one for one in documents(DOCKER / "kubernetes" / f"{name}.yaml") if one["kind"] == "Job")


def container_of(name: str) -> dict[str, Any]:
    (container,) = job(name)["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def check_compose(path: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("check_jsonschema", reason="no check-jsonschema: make install")
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_compose_keeps_to_its_schema() -> None:
    done = check_compose(DOCKER / "compose.yaml")
    assert done.returncode == 0, done.stdout


def test_the_schema_of_compose_finds_a_fault(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text((DOCKER / "compose.yaml").read_text().replace("shm_size:", "shm_sized:"))
    assert "shm_sized" in check_compose(tmp_path / "compose.yaml").stdout


@pytest.mark.parametrize("version", ["1.33", "1.37"])
@pytest.mark.parametrize("path", MANIFESTS, ids=of_name)
def test_kubernetes_manifests_keep_to_their_schemas(path: Path, version: str) -> None:
    kubernetes = pytest.importorskip("kubernetes_validate", reason="no kubernetes-validate: make install")
    for document in documents(path):
        kubernetes.validate(document, version, strict=True)
    broken = documents(path)[-1]
    broken["spec"]["completion"] = broken["spec"].pop("completions")
    with pytest.raises(kubernetes.ValidationError, match="completion"):
        kubernetes.validate(broken, version, strict=True)


def test_every_service_is_built_from_a_dockerfile_that_is_there() -> None:
    for service in SERVICES.values():
        text = (ROOT / service["build"]["dockerfile"]).read_text()
        target = service["build"].get("target", "trainer")
        assert re.search(rf"^FROM \S+ AS {target}$", text, flags=re.MULTILINE)
        assert set(service["build"].get("args", {})) <= set(re.findall(r"^ARG (\w+)", text, flags=re.MULTILINE))


def test_compose_gives_files_to_the_user_and_makes_no_folder_that_is_roots() -> None:
    for service in SERVICES.values():
        assert service["user"] == "${UID:-1000}:${GID:-1000}"
        assert all(volume["bind"] == {"create_host_path": False} for volume in service["volumes"])


@pytest.mark.parametrize("path", DOCKERFILES, ids=of_name)
def test_an_image_does_not_run_as_root_and_says_what_it_is(path: Path) -> None:
    stages = re.split(r"^FROM ", path.read_text(), flags=re.MULTILINE)[1:]
    finals = [stage for stage in stages if "LABEL" in stage]
    assert len(finals) == (2 if path.name.startswith("prep") else 1)
    for stage in finals:
        assert re.findall(r"^USER (.*)$", stage, flags=re.MULTILINE) == ["1000:1000"]
        assert f'org.opencontainers.image.version="{PROJECT["version"]}"' in stage
        assert stage.index("COPY --from=") < stage.index("from=wheel") < stage.index("ARG REVISION")
    entrypoint = json.loads(re.findall(r"^ENTRYPOINT (.*)$", path.read_text(), flags=re.MULTILINE)[0])
    assert entrypoint[0] == "/usr/bin/tini"
    assert entrypoint[-1] in PROJECT["scripts"]


@pytest.mark.parametrize("path", DOCKERFILES, ids=of_name)
def test_a_dockerfile_copies_what_the_context_holds_and_pins_what_it_installs(path: Path) -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in ignored if line and not line.startswith("#")]
    assert patterns[0] == "*", "what is not named stays outside"
    shown = {line[1:] for line in patterns if line.startswith("!")}
    text = path.read_text().replace("\\\n", " ")
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, flags=re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert copied <= shown
    assert all((ROOT / name).exists() for name in shown)
    installs = re.findall(r"pip [^&\n]* install ([^&\n]*)", text)
    assert installs
    assert all("-c constraints.txt" in line or "--no-index" in line for line in installs)
    for build_argument in ("torch==2.13.0", "torch"):
        if build_argument in text:
            assert "torch==2.13.0\n" in (ROOT / "constraints.txt").read_text()


@pytest.mark.parametrize("extras", [["report"], ["train", "estimate"]])
def test_requirements_are_those_of_the_project(extras: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, DOCKER / "requirements.py", *extras], cwd=ROOT, capture_output=True, text=True, check=True
    )
    wanted = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    assert done.stdout.splitlines() == wanted


def test_prep_in_kubernetes_is_a_command_of_this_version() -> None:
    completions = job("prep")["spec"]["completions"]
    (variable,) = container_of("prep")["env"]
    nodes = set()
    for index in range(completions):
        words = [word.replace(f"$({variable['name']})", str(index)) for word in container_of("prep")["args"]]
        given = parsed(["prep", *words]).params
        nodes.add((given["node_rank"], given["num_nodes"]))
    assert nodes == {(index, completions) for index in range(completions)}


def test_the_trainer_in_kubernetes_is_a_command_of_this_version() -> None:
    words = container_of("trainer")["args"]
    assert parsed(words).params["parallel"] == "fsdp"
    service = documents(DOCKER / "kubernetes" / "trainer.yaml")[0]
    name, port = service["metadata"]["name"], service["spec"]["ports"][0]["port"]
    assert f"--rdzv-endpoint={name}-0.{name}:{port}" in words, "the first pod's name, by the service"
    spec = job("trainer")["spec"]
    assert f"--nnodes={spec['completions']}" in words
    assert f"--nproc-per-node={container_of('trainer')['resources']['limits']['nvidia.com/gpu']}" in words
    grace = spec["template"]["spec"]["terminationGracePeriodSeconds"]
    (shutdown,) = (int(word.split("=")[1]) for word in words if word.startswith("--shutdown-timeout"))
    assert shutdown < grace, "torchrun ends before it is ended"


@pytest.mark.parametrize("name", ["prep", "trainer"])
def test_a_pod_writes_only_to_volumes_that_are_there(name: str) -> None:
    pod = job(name)["spec"]["template"]["spec"]
    container = container_of(name)
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    written = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    folders = [word.split("=")[1] for word in container["args"] if word.startswith(("--out=", "--runs="))]
    assert {"/tmp", *folders} <= written
    assert container["securityContext"]["readOnlyRootFilesystem"]


def submitted(path: Path, folder: Path, **variables: str) -> list[str]:
    """Run a batch script with stand-ins for what it calls, and return the command line that it ends in."""
    stand_ins = {
        "prep": 'printf "%s\\n" prep "$@"', "torchrun": 'printf "%s\\n" torchrun "$@"',
        "srun": 'exec "$@"', "scontrol": "printf 'first\\nsecond\\n'",
    }  # fmt: skip
    for name, script in stand_ins.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    environment = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", **variables}
    done = subprocess.run(["bash", path], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def directives(path: Path) -> dict[str, str]:
    """The #SBATCH lines of a script."""
    return dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)$", path.read_text(), flags=re.MULTILINE))


def test_the_slurm_array_covers_all_nodes(tmp_path: Path) -> None:
    path = DOCKER / "slurm" / "prep.sbatch"
    first, last = map(int, directives(path)["array"].split("-"))
    given = []
    for rank in range(first, last + 1):
        task = {"SLURM_ARRAY_TASK_ID": str(rank), "SLURM_CPUS_PER_TASK": directives(path)["cpus-per-task"]}
        given.append(parsed(submitted(path, tmp_path, DATA="/a b", SHARDS="/shards", **task)).params)
    assert [one["node_rank"] for one in given] == list(range(given[0]["num_nodes"]))
    assert given[0]["src"] == Path("/a b")


def test_slurm_starts_the_trainer(tmp_path: Path) -> None:
    path = DOCKER / "slurm" / "trainer.sbatch"
    found = {"SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_NUM_NODES": directives(path)["nodes"], "SLURM_JOB_ID": "7"}
    words = submitted(path, tmp_path, SHARDS="/shards", RUNS="/runs", **found)
    assert words[words.index("--rdzv-endpoint") + 1] == "first:29400"
    assert words[words.index("--nproc-per-node") + 1] == directives(path)["gpus-per-node"]
    seconds = int(directives(path)["signal"].split("@")[1])
    assert int(words[words.index("--shutdown-timeout") + 1]) < seconds
    assert parsed(words).params["parallel"] == "fsdp"


def test_a_batch_script_without_its_folders_stops(tmp_path: Path) -> None:
    for path in BATCHES:
        with pytest.raises(subprocess.CalledProcessError) as caught:
            submitted(path, tmp_path, SLURM_ARRAY_TASK_ID="0", SLURM_JOB_NODELIST="", SLURM_JOB_NUM_NODES="1")
        assert "unbound variable" in caught.value.stderr


def lines_of(file: Path) -> list[str]:
    """The lines of a document's blocks and of a file's comments, continued ones made one."""
    text = file.read_text("utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL) if file.suffix == ".md" else [text]
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


COMMANDS = [
    words
    for file in (ROOT / "README.md", ROOT / "docs" / "guides" / "operations.md", DOCKER / "compose.yaml")
    for line in lines_of(file)
    if (
        words := re.match(
            r"(?:# )?docker (?:compose )?run (?:.* )?(tryon-|)(prep|estimators|trainer)(?:-cpu)? (.*)", line
        )
    )
]


@pytest.mark.parametrize("found", COMMANDS, ids=lambda found: found[0])
def test_a_containers_command_can_be_given(found: re.Match[str]) -> None:
    words = shlex.split(found[3])
    program = [] if words[0] == "torchrun" else ["trainer" if found[2] == "trainer" else "prep"]
    parsed([*program, *words])


def test_documents_show_both_programs_by_docker_and_by_compose() -> None:
    assert {(found[1], found[2]) for found in COMMANDS} >= {
        ("tryon-", "prep"), ("tryon-", "trainer"), ("", "prep"), ("", "trainer")
    }  # fmt: skip
