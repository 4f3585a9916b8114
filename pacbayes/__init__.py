"""PAC-Bayes generalization certificates of fine-tuned language models."""

__version__ = "0.1.0"
