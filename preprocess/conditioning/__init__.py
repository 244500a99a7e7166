"""From a Record to (Ia, Jp, Ic, Jg) and Ip: pure functions of the pictures and their annotations."""

from preprocess.conditioning.conditions import Conditions, Subject, condition, load_person, load_product

__all__ = ["Conditions", "Subject", "condition", "load_person", "load_product"]
