"""The background of a product photograph, and where it ends.

seen_background   the background by the image's border, and how each pixel differs from it
second_opinions   decides where two outlines of one garment disagree
"""
