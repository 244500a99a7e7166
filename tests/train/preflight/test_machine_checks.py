"""The machine's checks on machines that are made up: a card too old, a driver too old, a container without its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from train.preflight.findings import Finding, as_json, summary
from train.preflight.machine_checks import machine_findings
from train.preflight.machine_facts import Gpu, MachineFacts

GIB = 1 << 30
H100 = Gpu("NVIDIA H100 80GB HBM3", 80 * GIB, 79 * GIB, (9, 0))
CPU = MachineFacts("2.13.0+cpu", None, None, False, False, (), (), 8, 16 * GIB, 8 * GIB, 4096)
CARD = replace(
    CPU, torch="2.13.0+cu130", cuda="13.0", driver="580.65.06", has_device=True, gpus=(H100,),
    architectures=("sm_75", "sm_80", "sm_90", "compute_90"),
)  # fmt: skip


def found(facts: MachineFacts) -> dict[str, Finding]:
    return {finding.check: finding for finding in machine_findings(facts)}


def failing(facts: MachineFacts) -> dict[str, str]:
    return {check: str(finding) for check, finding in found(facts).items() if finding.level == "FAIL"}


@pytest.mark.parametrize("facts", [CPU, CARD, replace(CPU, driver="580.1", has_device=True, hidden=True)])
def test_sound_machines_pass(facts: MachineFacts) -> None:
    assert failing(facts) == {}


@pytest.mark.parametrize(
    ("facts", "check", "says"),
    [
        (replace(CPU, driver="580.65.06", has_device=True), "card", "built for CPUs alone: pip install torch"),
        (replace(CARD, gpus=(), has_device=False), "card", "no GPU is visible here: start the container with --gpus"),
        (replace(CARD, gpus=(), driver="470.5"), "card", "cannot use the GPU (driver 470.5): run nvidia-smi"),
        (replace(CARD, driver="550.54.15"), "driver", "which needs 580.65 or later: update the driver"),
        (replace(CARD, gpus=(replace(H100, capability=(7, 0)),)), "kernels", "is sm_70, torch has kernels for sm_75"),
        (replace(CARD, gpus=(H100, H100), shared_memory=64 << 20), "shm", "64 MiB free, and torchrun's 2 processes"),
    ],
)
def test_what_prevents_a_run_fails_with_what_to_do(facts: MachineFacts, check: str, says: str) -> None:
    assert list(failing(facts)) == [check]
    assert says in failing(facts)[check]


def test_a_build_for_cpus_beside_a_driver_without_a_card_trains_on_the_cpu() -> None:
    """As the image for CPUs does on a machine whose cards belong to other containers."""
    card = found(replace(CPU, driver="580.65.06"))["card"]
    assert card.level == "warn"
    assert "no GPU is visible here: to use one, start the container with --gpus all, and" in str(card)


def test_later_cards_run_what_the_driver_compiles() -> None:
    later = replace(CARD, gpus=(replace(H100, capability=(10, 0)),))
    assert failing(later) == {}  # by compute_90
    assert "kernels" in failing(replace(later, architectures=("sm_80", "sm_90")))


def test_a_busy_card_and_few_files_are_warned_of() -> None:
    warned = found(replace(CARD, gpus=(replace(H100, free=40 * GIB),), open_files=256))
    assert (warned["card"].level, warned["files"].level) == ("warn", "warn")
    assert "40.0 GiB of 80.0 GiB free" in str(warned["card"])


def test_facts_are_read_from_the_kernels_files(tmp_path: Path) -> None:
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version: 12\n"
    )
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    facts = MachineFacts.here(tmp_path)
    assert (facts.driver, facts.has_device, facts.shared_memory) == ("550.54.15", True, None)
    assert MachineFacts.here(tmp_path / "none").driver is None


@pytest.mark.parametrize(
    ("device", "is_card"), [("nvidia1", True), ("nvidia12", True), ("dxg", False), ("nvidiactl", False)]
)
def test_a_container_may_have_another_card_than_the_first(device: str, is_card: bool, tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / device).touch()
    assert MachineFacts.here(tmp_path).has_device == is_card


def test_in_windows_subsystem_for_linux_a_card_is_nvidias_if_its_library_is_there(tmp_path: Path) -> None:
    """dxg is the device of any maker's card."""
    library = tmp_path / "usr/lib/wsl/lib/libcuda.so.1"
    library.parent.mkdir(parents=True)
    library.touch()
    assert not MachineFacts.here(tmp_path).has_device
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/dxg").touch()
    assert MachineFacts.here(tmp_path).has_device


def test_the_summary_and_the_object_count_alike() -> None:
    every = list(machine_findings(replace(CARD, driver="470.1", gpus=(replace(H100, free=GIB),))))
    document = as_json(every)
    assert (document["failed"], document["warned"]) == (1, sum(one.level == "warn" for one in every))
    assert summary(every).startswith("1 of ")
    assert document["checks"][0]["check"] == "card"
