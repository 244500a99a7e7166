"""Noise schedules, training objective, conditioning, guidance and samplers of the cascade."""
