"""Settings that are left to auto are chosen for the card; those that are given stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import UserError
from train.configuration.settings import as_yaml, merge_settings, stage_config, validated_config
from train.hardware.cards import CARDS, Card, peaks_of
from train.hardware.world import SINGLE_PROCESS, World
from train.memory.automatic import ChosenSettings, choose
from train.memory.search import WORKSPACES, peak_on
from train.runs.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("made_up_traces")

MIB = 1 << 20
T4, A100 = CARDS["t4"], CARDS["a100-40"]


def settings(*assignments: str) -> dict[str, Any]:
    return merge_settings("nano", "base", None, ["data.batch=64", *assignments])


def chosen(
    card: Card | None, *assignments: str, run: Path = Path("none"), world: World = SINGLE_PROCESS
) -> ChosenSettings:
    return choose(settings(*assignments), "base", card, world, run)


def with_memory(card: Card, mib: int) -> Card:
    """The card with so much free, all of which is for a step's tensors but for what kernels take."""
    return replace(card, memory=int((WORKSPACES + mib * MIB) / 0.98) + 1)


def test_a_cpu_keeps_the_defaults() -> None:
    choice = chosen(None)
    assert choice == ChosenSettings(stage_config("nano", "base", None, ["data.batch=64"]), None, may_halve=False)
    assert (choice.config.precision, choice.config.memory.micro_batch, choice.config.compile) == ("fp32", None, False)


def test_the_precision_matches_the_gpu() -> None:
    assert chosen(A100).config.precision == "bf16"
    assert chosen(T4).config.precision == "fp16"
    assert chosen(T4, "precision=fp32").config.precision == "fp32"
    assert chosen(T4, "precision=auto").config.precision == "fp16"
    with pytest.raises(UserError, match="precision=bf16: T4 has no bf16 arithmetic; precision=fp16"):
        chosen(T4, "precision=bf16")


def test_free_memory_determines_the_micro_batch() -> None:
    ample, tight, lean = (chosen(with_memory(A100, mib)) for mib in (200, 90, 45))
    assert ample.config.memory.micro_batch == 64
    # 50 MiB stay and 40 are left: two even passes of the batch's 64.
    assert tight.config.memory.micro_batch == 32
    assert not tight.config.memory.checkpointing
    assert lean.config.memory.checkpointing
    assert lean.config.memory.ema_on_host
    for choice, mib in ((ample, 200), (tight, 90), (lean, 45)):
        assert peak_on(choice.config) <= mib * MIB
        assert choice.may_halve
    assert ample.message is not None
    assert ample.message.startswith("base: bf16, micro-batch 64 of 64")
    assert "\n" not in ample.message


def test_explicit_settings_are_kept() -> None:
    choice = chosen(with_memory(A100, 60), "memory.micro_batch=48", "memory.checkpointing=false")
    assert choice.config.memory.micro_batch == 48
    assert not choice.config.memory.checkpointing
    assert not choice.may_halve
    assert chosen(A100, "memory.micro_batch=null").config.memory.micro_batch in (None, 64)
    assert not chosen(A100, "compile=false").config.compile
    assert chosen(A100, "compile=true").config.compile


def test_settings_that_do_not_fit_are_refused_with_a_suggestion() -> None:
    with pytest.raises(UserError, match=r"base: does not fit the 0.3 GiB that are free on A100 40 GB.*GiB; free some"):
        chosen(with_memory(A100, 15))


def test_a_resumed_run_keeps_its_settings_if_the_gpu_allows(tmp_path: Path) -> None:
    RunFolder(tmp_path).claim_config(
        stage_config("nano", "base", None, ["data.batch=64", "precision=bf16", "memory.micro_batch=7"])
    )
    kept = chosen(A100, run=tmp_path).config
    assert (kept.precision, kept.memory.micro_batch) == ("bf16", 7)
    smaller = chosen(with_memory(A100, 54), run=tmp_path).config
    assert peak_on(smaller) <= 54 * MIB
    with pytest.raises(UserError, match="precision was bf16, is fp16"):
        RunFolder(tmp_path).claim_config(chosen(T4, run=tmp_path).config)


def test_fsdp_neither_compiles_nor_offloads() -> None:
    shared = chosen(with_memory(A100, 45), world=World(0, 2, "fsdp")).config
    assert not shared.compile
    assert not shared.memory.optimizer_on_host
    assert not shared.memory.ema_on_host


def test_printed_configuration_keeps_auto_settings(tmp_path: Path) -> None:
    given = settings("memory.checkpointing=true")
    file = tmp_path / "stage.yaml"
    file.write_text(as_yaml(validated_config(given, "base"), given))
    printed = yaml.safe_load(file.read_text())
    assert (printed["precision"], printed["compile"], printed["memory"]["micro_batch"]) == ("auto", "auto", "auto")
    assert printed["memory"]["checkpointing"] is True
    again = merge_settings("nano", "base", file, [])
    assert (
        choose(again, "base", A100, SINGLE_PROCESS, tmp_path).config
        == choose(given, "base", A100, SINGLE_PROCESS, tmp_path).config
    )


def test_guidance_requires_condition_dropout() -> None:
    with pytest.raises(UserError, match=r"sampling.guidance=2: diffusion.drop=0 never trains"):
        stage_config("paper", "base", None, ["diffusion.drop=0", "sampling.guidance=2"])
    assert stage_config("paper", "base", None, ["diffusion.drop=0"]).sampling.guidance == 1
    assert stage_config("paper", "base", None, []).sampling.guidance == 2


@pytest.mark.parametrize(
    ("name", "peak"),
    [("NVIDIA H100 80GB HBM3", 989.0), ("NVIDIA A100-SXM4-40GB", 312.0), ("Tesla T4", None), ("NVIDIA L4", 121.0),
     ("NVIDIA GeForce RTX 4090", 165.2), ("NVIDIA A10", 125.0), ("NVIDIA L40S", None), ("something new", None)],
)  # fmt: skip
def test_gpus_are_identified_by_driver_name(name: str, peak: float | None) -> None:
    assert peaks_of(name).get("bf16") == peak


def test_a_gpu_is_compiled_for_if_triton_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = {"triton": True, "cc": True}
    monkeypatch.setattr("train.memory.automatic.find_spec", lambda name: object() if found["triton"] else None)
    monkeypatch.setattr("train.memory.automatic.shutil.which", lambda name: name if found["cc"] else None)
    monkeypatch.setattr("train.memory.automatic.sysconfig.get_path", lambda name: str(tmp_path))
    (tmp_path / "Python.h").touch()
    assert chosen(A100).config.compile
    assert ", compiled, " in (chosen(A100).message or "")
    found["cc"] = False
    choice = chosen(A100)
    assert not choice.config.compile
    assert "not compiled, as there is no C compiler, which Triton needs" in (choice.message or "")
    found |= {"cc": True, "triton": False}
    assert "not compiled, as there is no Triton" in (chosen(A100).message or "")
    found["triton"] = True
    (tmp_path / "Python.h").unlink()
    assert "no Python.h" in (chosen(A100).message or "")
    assert chosen(A100, "compile=true").config.compile  # what is set stays
