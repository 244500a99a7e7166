"""The machine: GPUs, processors, memory, precision, and the processes of distributed training."""
