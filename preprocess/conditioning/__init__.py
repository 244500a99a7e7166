"""From a Record to (Ia, Jp, Ic, Jg) and Ip: pure functions of the pictures and their annotations."""

from preprocess.conditioning.conditions import GarmentSide, PersonSide, garment_side, person_side
from preprocess.conditioning.subject import Subject
from preprocess.loading.layer_check import check_layers
from preprocess.loading.subjects import load_person, load_product

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
