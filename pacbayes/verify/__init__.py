"""Checking a certificate without trusting the program that made it.

Every certified number is recomputed from the recorded quantities that it rests on, with ball
arithmetic (python-flint) and from the theorems as they are stated: an upper bound is right if it
lies where its theorem refutes all risks, and not looser than need be if a little below it the
theorem does not. Nothing is shared with the rest of the package but the format of the file.

`core` is the whole of it for a certificate alone; `inputs` looks at the files that one was made
from, and `plans` at plans.
"""

from pacbayes.verify.comparisons import TOLERANCE, Finding, Report
from pacbayes.verify.core import verify
from pacbayes.verify.inputs import Inputs, check_inputs
from pacbayes.verify.reading import UnreadableError, read

__all__ = [
    "TOLERANCE",
    "Finding",
    "Inputs",
    "Report",
    "UnreadableError",
    "check_inputs",
    "read",
    "verify",
]
