"""A card that is not there: fake tensors on device "cuda" in a build of torch without CUDA.

Inside of ``fake_cuda`` everything runs that FakeTensorMode runs, the backward pass included, and nothing is computed.
Operators behave as on a card where that can be seen from outside: devices, dtypes, layouts, what is kept for the
backward pass. Outside of it torch is as it was: ``torch.cuda.is_available()`` is False at all times, and the autograd
engine has no thread for the device.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.overrides import TorchFunctionMode

from train.configuration.stage_config import StageConfig
from train.diffusion.schedule import make_schedule
from train.memory.live import LiveMemory
from train.memory.trace import blank_batch
from train.models import set_fused_attention
from train.training.step import Stepper, init_training, sample_losses

CUDA = torch.device("cuda")
_attention_on_cpu = F.scaled_dot_product_attention
_SOURCE = Path(__file__).with_suffix(".cpp")
_COMPILER = "g++"


def why_not() -> str | None:
    """Return why ``fake_cuda`` cannot be used here, None where it can."""
    if torch.version.cuda or torch.version.hip:
        return "this build of torch has CUDA itself: fake tensors need no help there"
    if shutil.which(_COMPILER) is None:
        return f"no {_COMPILER}, which compiles what fake CUDA tensors need"
    return None


@cache
def _library() -> Callable[[bool], None]:
    """Compile and load the library; from then on torch has a guard for CUDA. Raises CalledProcessError."""
    # The engine counts devices, and starts their threads, at the first backward pass: let it be before this.
    torch.ones((), requires_grad=True).backward()  # type: ignore[no-untyped-call]
    root = Path(torch.__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "fake_cuda.so"
        command = [_COMPILER, "-shared", "-fPIC", "-O0", "-std=c++20", f"-I{root / 'include'}", str(_SOURCE)]
        command += ["-o", str(library), f"-L{root / 'lib'}", "-ltorch_cpu", "-lc10"]
        subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        switch = ctypes.CDLL(str(library)).fake_cuda  # which stays when the file goes
    switch.argtypes, switch.restype = [ctypes.c_bool], None
    return lambda on: switch(on)


@cache
def _mode() -> FakeTensorMode:
    """Return the one mode of this process, so that what one context made can be used in the next."""
    return FakeTensorMode(allow_non_fake_inputs=True)


@contextmanager
def fake_cuda() -> Iterator[None]:
    """Make tensors fake, and let them live on device "cuda" too. Everything is put back on exit."""
    switch = _library()
    with ExitStack() as stack:
        stack.callback(switch, False)
        switch(True)
        # autocast asks both of a card, and warns or refuses without one.
        stack.enter_context(mock.patch("torch.cuda.amp.common.amp_definitely_not_available", return_value=False))
        stack.enter_context(mock.patch("torch.cuda.is_bf16_supported", return_value=True))
        stack.enter_context(mock.patch("torch.cuda.get_device_capability", return_value=(8, 0)))
        stack.enter_context(mock.patch("torch._C._conv_determine_backend_memory_format", _convolution_layout))
        # Where no kernel for CUDA is known, this one would be made of ten others, and their results counted.
        kernels = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
        stack.callback(kernels._destroy)
        kernels.impl("silu_backward", lambda _, x: torch.empty_like(x), "CUDA")  # type: ignore[no-untyped-call]
        # Not by the mode below, which is not there where a checkpointed block is computed again.
        stack.enter_context(mock.patch("torch.nn.functional.scaled_dot_product_attention", _attention))
        # Module.to would swap fake tensors, and cannot where anything has a weak reference to them.
        stack.enter_context(mock.patch("torch.utils.swap_tensors", _set_data))
        stack.enter_context(torch.autograd.set_multithreading_enabled(False))
        stack.enter_context(_AsOnCard())
        stack.enter_context(_mode())
        yield


def _convolution_layout(image: Tensor, weight: Tensor, _backend: object) -> torch.memory_format:
    """Return cuDNN's choice, which a build without it does not make: channels-last where either input is."""
    contiguous = [t.is_contiguous() or not t.is_contiguous(memory_format=torch.channels_last) for t in (image, weight)]
    return torch.contiguous_format if all(contiguous) else torch.channels_last


def _set_data(held: Tensor, new: Tensor) -> None:
    held.data = new.detach()


class _AsOnCard(TorchFunctionMode):
    """What a build without CUDA does otherwise than one with it, or cannot do."""

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func is torch.Tensor.pin_memory:
            return args[0]
        if func is torch.asarray:  # of a storage: how safetensors reads a file, into memory that is there
            with unset_fake_temporarily():
                return func(*args, **(kwargs or {}))
        result = func(*args, **(kwargs or {}))
        if func == torch.Tensor.data.__set__:  # type: ignore[attr-defined]  # after which a fake tensor tells its old device
            args[0].fake_device = args[1].fake_device
        return result


def _attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend as a card does: by the flash kernel, or in float32, which that one does not take, the efficient one.

    Either keeps q, k, v, its result and the logarithm of each row's sum. A T4 has no flash kernel; its fp16 is the
    other one's, which keeps the same.
    """
    if not q.is_cuda:
        return _attention_on_cpu(q, k, v)
    if torch.is_autocast_enabled("cuda"):
        q, k, v = (x.to(torch.get_autocast_dtype("cuda")) for x in (q, k, v))
    if q.shape[-1] % 8:
        raise NotImplementedError(f"heads of {q.shape[-1]}: a card pads them to a multiple of 8, and keeps the copies")
    if q.dtype == torch.float32:
        out = torch.ops.aten._scaled_dot_product_efficient_attention(q, k, v, None, torch.is_grad_enabled())
    else:
        out = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v)
    result: Tensor = out[0]
    return result


@dataclass(frozen=True)
class Event:
    """An operator, and the innermost function of this project that called it."""

    operator: str
    """For instance "aten.copy_"."""
    place: str
    """For instance "train.training.step.sample_losses"; empty where nothing of train/ called it."""


@dataclass
class Traffic:
    """What was done on the host, and between host and device."""

    on_cpu: Counter[Event] = field(default_factory=Counter)
    """Operators whose result lies on the CPU."""
    to_device: Counter[Event] = field(default_factory=Counter)
    """Copies from host to device."""
    to_host: Counter[Event] = field(default_factory=Counter)
    """Copies from device to host, for which the host waits."""
    read: Counter[Event] = field(default_factory=Counter)
    """Numbers read from tensors on the device (item, bool, float, int): the host waits for the device."""


def cpu_outputs(traffic: Traffic) -> set[str]:
    """Return the functions of this project that make tensors on the CPU, copies from the device among them."""
    return {event.place for event in traffic.on_cpu}


def copies(traffic: Traffic, to: Literal["device", "host"]) -> set[str]:
    """Return the functions of this project that copy between host and device."""
    return {event.place for event in (traffic.to_device if to == "device" else traffic.to_host)}


def synchronisations(traffic: Traffic) -> set[str]:
    """Return the functions of this project in which the host waits for the device: numbers read, copies to the host."""
    return {event.place for event in (*traffic.read, *traffic.to_host)}


class CardWatch(LiveMemory):  # type: ignore[no-untyped-call]
    """Counts the memory of the device, and the traffic between it and the host.

    It goes inside of ``fake_cuda``. A number that is read from a tensor is 1. Raises AssertionError where a fused or
    foreach operator is given tensors of several devices, which fake tensors do not notice.
    """

    def __init__(self) -> None:
        super().__init__()
        self._traffic = Traffic()

    def taken(self) -> Traffic:
        """Return the traffic since the last call, or since the beginning."""
        traffic, self._traffic = self._traffic, Traffic()
        return traffic

    def hold(self, tensors: Iterable[Tensor]) -> None:
        """Count the memory of tensors on the device that were there before."""
        for tensor in tensors:
            if tensor.is_cuda:
                self._note(tensor.untyped_storage())

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operator and take note of where it was."""
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default:
            if args[0].is_cuda:
                self._traffic.read[_event(func)] += 1
            return 1
        result = func(*args, **kwargs)
        given = [*_tensors(args), *_tensors(kwargs)]
        # In-place foreach operators return nothing, and change their first argument.
        made = _tensors(args[0] if result is None else result)
        _refuse_several_devices(func, given)
        self.hold(made)
        self._count(func, given, made)
        return result

    def _count(self, func: Any, given: list[Tensor], made: list[Tensor]) -> None:
        copied = "copy" in func.__name__
        # A number on the CPU beside tensors on the device is an argument of the kernel, and no copy.
        from_cpu = any(not t.is_cuda and (t.ndim > 0 or copied) for t in given)
        if any(not t.is_cuda for t in made):
            self._traffic.on_cpu[_event(func)] += 1
            if any(t.is_cuda for t in given):
                self._traffic.to_host[_event(func)] += 1
        if from_cpu and any(t.is_cuda for t in made):
            self._traffic.to_device[_event(func)] += 1


class _Kept:
    """Bytes of the storages that autograd keeps, each once, but for those of the network's own weights."""

    def __init__(self, model: nn.Module) -> None:
        self._own = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
        self._held: dict[int, tuple[int, Tensor]] = {}

    def pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._own:
            self._held[storage._cdata] = storage.nbytes(), tensor
        return tensor

    @property
    def total(self) -> int:
        return sum(size for size, _ in self._held.values())


def kept_per_sample(config: StageConfig, device: torch.device) -> int:
    """Return the bytes that one more sample of a batch keeps for the backward pass; to be called in ``fake_cuda``.

    What is kept whatever the batch is (weights cast by autocast) is not in it. On a CPU attention is the fused one, as
    `trainer plan` counts it.
    """
    training = init_training(config, device)
    set_fused_attention(training.model, enabled=True)
    stepper = Stepper(config, make_schedule(config.diffusion.schedule), device)
    totals = []
    for size in (1, 2):
        kept = _Kept(training.model)
        with CardWatch(), torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda tensor: tensor):
            losses = sample_losses(training.model, blank_batch(config, size), stepper)
        totals.append(kept.total)
        del losses
    return totals[1] - totals[0]


def _tensors(tree: Any) -> list[Tensor]:
    """Return the tensors of an operator's arguments or results: they are nested in tuples, lists and a dict at most."""
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, dict):
        tree = tree.values()
    elif not isinstance(tree, (tuple, list)):
        return []
    return [tensor for branch in tree for tensor in _tensors(branch)]


def _refuse_several_devices(func: Any, given: list[Tensor]) -> None:
    name = func.__name__
    if not name.startswith(("_foreach_", "_fused_")) or "copy" in name:
        return
    devices = {str(tensor.device) for tensor in given}
    assert len(devices) <= 1, f"{name} is given tensors on {' and '.join(sorted(devices))}"


def _event(func: Any) -> Event:
    place, frame = "", sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("train.") and module != LiveMemory.__module__:
            place = f"{module}.{frame.f_code.co_qualname}".partition(".<locals>")[0]
            break
        frame = frame.f_back  # type: ignore[assignment]
    return Event(str(func).removesuffix(".default"), place)
