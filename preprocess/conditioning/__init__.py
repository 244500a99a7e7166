"""From a Record to (Ia, Jp, Ic, Jg) and Ip: pure functions of the pictures and their annotations."""

from preprocess.conditioning.conditions import GarmentSide, PersonSide, garment_side, person_side
from preprocess.conditioning.layer_check import check_layers
from preprocess.conditioning.loading import load_person, load_product
from preprocess.conditioning.subject import Subject

__all__ = [
    "GarmentSide",
    "PersonSide",
    "Subject",
    "check_layers",
    "garment_side",
    "load_person",
    "load_product",
    "person_side",
]
