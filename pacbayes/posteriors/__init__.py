"""Gaussian priors and posteriors over weights: KL, noise, and how much of it."""
