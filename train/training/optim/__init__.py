"""The optimizer step: on the device, offloaded to the host, or in the backward pass."""
