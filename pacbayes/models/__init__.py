"""Checkpoints on disk and the models, centres and noise that they become."""
