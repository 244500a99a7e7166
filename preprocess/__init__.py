"""`prep`: from a try-on dataset to WebDataset shards of (Ia, Jp, Ic, Jg) and Ip. CPU only, no torch.

sources      files of a dataset → Records: paths and ids
planning     Records → pairs, splits, shard boundaries
loading      Record → Subject: files read, labels checked against the image; repaired or rejected (faults.py)
conditioning Subject → tuple: pure functions
sharding     tuples → shards
inspection   what a dataset or a folder of shards holds, and what is wrong with it
annotation   photographs → labels by estimators; synthetic: drawn people and garments

Imports run one way (import-linter): cli → inspection, annotation → sharding → loading, planning → conditioning,
sources → formats → faults.
"""
