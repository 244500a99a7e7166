"""What the tests of sharded checkpoints look at: `sharded_training.py FOLDER` lets groups of processes train and save.

One program does all of it, since importing FSDP takes seconds. The tests compare with the full tensors, which rank 0
writes beside the runs.
"""

import json
import os
import shutil
import signal
import sys
import threading
from functools import partial
from pathlib import Path
from typing import Any

import torch
from process_groups import run_group
from safetensors.torch import save_file
from torch import Tensor, nn

from common.errors import UserError
from train.configuration.stage_config import AveragesConfig
from train.hardware.world import PeerFailed, World, is_peer_failure
from train.runs import shard_writer
from train.runs.average_folder import AverageFolder
from train.runs.run_folder import RunFolder
from train.training.checkpoint import restore, save_checkpoint
from train.training.optim.power_averages import named, save_if_due
from train.training.parallel import shard, whole
from train.training.saving import snapshot
from train.training.saving.background_writer import BackgroundWriter
from train.training.saving.snapshot import moments_of
from train.training.state import Training

OUTCOMES = "outcomes.json"


def tiny_training(seed: int, world: World | None = None) -> Training:
    """Return a training whose tensors do not divide evenly: of two or three processes, some have no shard."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 1))
    if world is not None:
        shard(model, world, torch.float32)
    training = Training(model, _copied(model), torch.optim.AdamW(model.parameters(), lr=0.1))
    training.averages = {0.05: _copied(model)}
    return training


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def tiny_step(training: Training) -> None:
    """Make a step, and let the averages differ from the weights."""
    training.optimizer.zero_grad()
    training.model(torch.ones(2, 3)).sum().backward()
    training.optimizer.step()
    with torch.no_grad():
        for number, weights in enumerate((training.ema, *training.averages.values()), 2):
            for name, p in training.model.named_parameters():
                weights[name].lerp_(p, 1 / number)
    training.step += 1


def parts(training: Training) -> dict[str, dict[str, Tensor]]:
    """Return the tensors of a checkpoint."""
    return {
        "model": training.model.state_dict(), "ema": training.ema, "optimizer": moments_of(training),
        "averages": named(training.averages),
    }  # fmt: skip


def save_whole(training: Training, folder: Path, world: World) -> None:
    """Write the full tensors of a training as they are."""
    for part, values in parts(training).items():
        full = {name: whole(value).clone().contiguous() for name, value in values.items()}
        if world.is_main:
            folder.mkdir(exist_ok=True)
            save_file(full, folder / part)


def train(folder: Path, world: World) -> list[str]:
    """Save at steps 2 and 3, and go on to step 5 while nothing of step 3 can be written; return what is there then."""
    run, training = RunFolder(folder / "run"), tiny_training(0, world)
    with BackgroundWriter(world) as writer:
        for _ in range(2):
            tiny_step(training)
        save_checkpoint(run, training, 3, None, world, writer)
        tiny_step(training)
        writer.wait_for_earlier(training.step)
        gate = threading.Event()
        writer.add(lambda _: gate.wait())
        save_checkpoint(run, training, 3, None, world, writer)
        save_if_due(run.averages, training, AveragesConfig(every=3), world, writer, last=False)
        save_whole(training, folder / "whole", world)
        for _ in range(2):
            tiny_step(training)
        written = [path.name for path in run.checkpoints.path.iterdir()]
        gate.set()
    return written


def resume(run: Path, whole: Path, world: World) -> bool:
    """Resume, write the full tensors, and save anew, also the averages."""
    training = tiny_training(world.rank, world)
    resumed = restore(RunFolder(run), training, world)
    save_whole(training, whole, world)
    tiny_step(training)
    save_checkpoint(RunFolder(run), training, 3, None, world)
    AverageFolder(run / "averages").save(3, training.averages, 9, 3, world)
    return resumed


def fail(run: Path, rank: int, where: str, world: World) -> str:
    """Save behind the steps where one process cannot write; return what the next step raises."""
    training = tiny_training(world.rank, world)
    restore(RunFolder(run), training, world)
    tiny_step(training)
    if world.rank == rank:
        setattr(*{"write": (shard_writer, "save_tensors"), "checksum": (snapshot, "sha256_of")}[where], _full)
    try:
        with BackgroundWriter(world) as writer:
            save_checkpoint(RunFolder(run), training, 3, None, world, writer)
            writer.settle()
            world.agree(writer.check)
    except (UserError, PeerFailed) as error:
        return f"{type(error).__name__} {error}"
    return "nothing"


def _full(*_: object) -> str:
    raise OSError(28, "No space left on device")


def lose(run: Path, world: World) -> str:
    """Save where the second process is killed while it writes; return what becomes of the first one's thread."""
    training = tiny_training(world.rank, world)
    restore(RunFolder(run), training, world)
    tiny_step(training)
    if world.rank == 1:
        vars(shard_writer)["save_tensors"] = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    writer = BackgroundWriter(world)
    save_checkpoint(RunFolder(run), training, 3, None, world, writer)
    writer.settle()
    try:
        writer.check()
    except RuntimeError as error:
        return f"peer failure: {is_peer_failure(error)}"
    return "nothing"


def _whole_run(folder: Path) -> Path:
    """Return a copy of the run, saved by one process; it is another process that computes here."""

    def save(_: World) -> bool:
        alone, run = tiny_training(7), RunFolder(folder / "one")
        restore(RunFolder(folder / "run"), alone)
        save_checkpoint(run, alone, 1)
        return True

    assert run_group(1, save) == [True]
    return folder / "one"


def main(folder: Path) -> None:
    """Do everything, in order; write the outcomes that are no files."""
    outcomes: dict[str, Any] = {"train": run_group(2, partial(train, folder))}

    def copy(source: str, name: str) -> Path:
        return Path(shutil.copytree(folder / source, folder / name))

    outcomes["from-whole"] = run_group(2, partial(resume, _whole_run(folder), folder / "whole-of-one"))
    outcomes["three"] = run_group(3, partial(resume, copy("run", "three"), folder / "whole-three"))
    for where in ("write", "checksum"):
        for rank in (0, 1):
            name = f"{where}-{rank}"
            outcomes[name] = run_group(2, partial(fail, copy("run", name), rank, where))
    outcomes["lost"] = run_group(2, partial(lose, copy("run", "lost")))
    (folder / OUTCOMES).write_text(json.dumps(outcomes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
