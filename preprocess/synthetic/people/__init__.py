"""Drawn people: sizes, skeleton and pose, bodies and heads."""
