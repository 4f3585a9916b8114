"""The shipped sample: problems, a small language model pretrained on them, and its fine-tunes."""
