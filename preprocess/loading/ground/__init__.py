"""The background of a product photograph, and where it ends.

seen_background   the background by the image's border, and how each pixel differs from it
closed_outline    the outline of least cost around what is garment, for cloth in the background's own colour
enclosed_cloth    adds cloth that a faint edge parts from the background
gaps              decides which gaps and notches of an outline show the background
least_outline     finds that outline, by total variation
second_opinions   decides where two outlines of one garment disagree
notched_prints    fills notches that are prints in the background's colour
"""
