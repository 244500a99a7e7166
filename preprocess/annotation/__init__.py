"""`prep annotate`: turns your own photographs into a dataset in AI-Hub's layout, by estimated poses and masks.

Imports run one way: command → session → person_labels, garment_labels → body_regions, bones. Estimators are used
through the two protocols of `estimators.protocols`; each package behind them is imported in one module: `yolo`,
`rembg_masks`.
"""
