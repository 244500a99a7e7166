"""Configuration of a training stage: the settings, the presets, and how they are merged and validated."""
