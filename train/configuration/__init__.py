"""What a stage's training is set to, and where the settings come from."""
