"""The networks' weights: a catalogue of the published ones, where they are on this machine, and their download."""
