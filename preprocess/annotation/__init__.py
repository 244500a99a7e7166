"""`prep annotate`: people's own photographs become a dataset in AI-Hub's layout, by estimated poses and masks.

The arrows run one way: command → run → person, garment → regions, bones; the estimators are met only as the two
Protocols of `estimators`, and each package behind them is imported in one file alone: `yolo`, `rembg_masks`.
"""
