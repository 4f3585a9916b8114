"""What a user runs on a new machine: whether certificates made on it can be trusted.

Each module is one check and its twin: the same thing done wrongly, which has to be noticed.
`pacbayes.selftest.registry.CHECKS` has them by name.
"""

from pacbayes.selftest.bench import Bench
from pacbayes.selftest.finding import FALSE_ALARM, Finding
from pacbayes.selftest.registry import CHECKS, run_checks

__all__ = ["CHECKS", "FALSE_ALARM", "Bench", "Finding", "run_checks"]
