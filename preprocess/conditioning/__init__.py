"""From a Subject to the tuple (Ia, Jp, Ic, Jg) and its target Ip: pure functions of images and their annotations.

Nothing here reads a file or knows where one lies (import-linter checks it): a function is given the pixels and typed
labels of a Subject, and of the record only the kind of garment and the pairing that it needs. So it does not depend on
how any dataset names its files, and a test or a notebook calls it with arrays. A Subject carries its parse's path for
the message of a RecordError alone. `loading` makes Subjects; what has to read in order to judge (`layer_check`) is
there.
"""

from preprocess.conditioning.conditions import GarmentSide, PersonSide, Subject, garment_side, person_side

__all__ = ["GarmentSide", "PersonSide", "Subject", "garment_side", "person_side"]
