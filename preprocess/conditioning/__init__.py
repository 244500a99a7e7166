"""From a Subject to the tuple (Ia, Jp, Ic, Jg) and its target Ip: pure functions of images and their annotations.

Nothing here reads files or depends on their location (import-linter checks it): functions take the pixels and typed
labels of a Subject, and of the record only the kind of garment and the pairing. So they do not depend on any dataset's
file names, and tests or notebooks can call them with arrays. A Subject has its parse's path only for the message of a
RecordError. `loading` creates Subjects, and contains the check that has to read files (`layer_check`).
"""

from preprocess.conditioning.conditions import GarmentSide, PersonSide, Subject, garment_side, person_side

__all__ = ["GarmentSide", "PersonSide", "Subject", "garment_side", "person_side"]
