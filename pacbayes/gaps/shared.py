"""The assumption of every model that knows training and target data by strata only."""

from __future__ import annotations

from pacbayes.gaps.gap import Status

DECLARED = (
    "Within each stratum, target examples are distributed as the training examples, as declared."
)
ASSUMED = (
    "Assumes that within each stratum target examples are distributed as the training examples, "
    "which was not declared to be so by construction."
)


def shared(declared: bool) -> tuple[Status, str]:
    """The status that strata allow, and the assumption in words.

    >>> shared(True)[0], shared(False)[0]
    ('certificate', 'estimate')
    """
    return ("certificate", DECLARED) if declared else ("estimate", ASSUMED)


HELD_OUT = "No held-out unit trained or selected the model."
"""The assumption of what is measured."""
