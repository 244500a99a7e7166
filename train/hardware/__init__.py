"""The machine: cards, processors and memory, the processes that train together."""
