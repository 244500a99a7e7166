"""`prep`: from a try-on data set to WebDataset shards of (Ia, Jp, Ic, Jg) and Ip. CPU only, no torch.

The arrows run one way: cli → build → plan → sources, conditioning → annotations, pictures.
"""
