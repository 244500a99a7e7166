"""`prep`: turns a try-on dataset into WebDataset shards of (Ia, Jp, Ic, Jg) and Ip. CPU only, no torch.

Imports run one way: cli → sharding → planning, loading → conditioning, sources → formats.
"""
