"""Saving while the training goes on: what is copied, and the thread that writes it."""
