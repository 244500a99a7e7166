"""Muon (Jordan et al. 2024): momentum, orthogonalised, for weights that are matrices; AdamW for all others.

A convolution's weight (out, in, k, k) counts as a matrix (out, in · k²). Every update has the same effect on all
directions of a layer's input, where Adam's favours a few. Updates are scaled to the RMS of AdamW's (Liu et al. 2025,
"Muon is scalable for LLM training"), so that both use one learning rate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

MOMENTUM = "momentum"
"""Name of a matrix's only state."""
_DECAY = 0.95
_RMS = 0.2
"""RMS of an AdamW update in units of the learning rate, as measured by Liu et al."""
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration that brings all singular values close to 1, by Jordan et al."""
_ITERATIONS = 5


class Muon(torch.optim.AdamW):
    """AdamW, but Muon for parameters with two or more dimensions of at least ``least`` rows and columns."""

    found_inf: Tensor | None = None
    """Set before a step by those who check gradients, as for the fused AdamW: if it is not 0, nothing changes."""

    def __init__(self, parameters: Iterable[nn.Parameter], *, least: int = 16, **settings: Any) -> None:
        groups: dict[bool, list[nn.Parameter]] = {False: [], True: []}
        for parameter in parameters:
            groups[parameter.ndim > 1 and min(len(parameter), parameter[0].numel()) >= least].append(parameter)
        super().__init__([{"params": of, "muon": muon} for muon, of in groups.items() if of], **settings)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Step all parameters that have a gradient."""
        every, found = self.param_groups, self.found_inf
        self.param_groups = [group for group in every if not group["muon"]]
        try:
            super().step()
        finally:
            self.param_groups = every
        for group in every:
            if group["muon"]:
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        self._step_matrix(parameter, group, found)

    def _step_matrix(self, parameter: nn.Parameter, group: dict[str, Any], found: Tensor | None) -> None:
        """Step one parameter; if ``found``, a tensor (), is not 0, the gradient is not finite and nothing changes."""
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None, "step skips parameters without gradient"
        if not state:
            state[MOMENTUM] = torch.zeros_like(parameter)
        kept = torch.ones((), device=parameter.device) if found is None else 1.0 - found
        gradient = gradient.masked_fill(kept == 0, 0.0)
        momentum = state[MOMENTUM].lerp_(gradient, (1 - _DECAY) * kept)
        # Nesterov's momentum; reshape, as the weights of a convolution are channels-last.
        matrix = orthogonalised(torch.lerp(gradient, momentum, _DECAY).reshape(len(parameter), -1))
        change = matrix.view(parameter.shape) * (_RMS * max(matrix.shape) ** 0.5)
        change.add_(parameter, alpha=group["weight_decay"])
        parameter.sub_(change * (kept * group["lr"]))


def orthogonalised(matrix: Tensor) -> Tensor:
    """Return the matrix (n, m) with all singular values close to 1, by five Newton-Schulz iterations."""
    a, b, c = _NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
