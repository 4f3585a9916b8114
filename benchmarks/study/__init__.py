"""Fine-tunes over difficulty × budget × seed of two base models, for what the paper argues."""
