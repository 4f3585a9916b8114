"""What the exit code of a command means, beside 0: done."""

CELL_FAILED = 1
BAD_INPUT = 2
"""Also what cannot be read or written, as on a full disk."""
VACUOUS = 3
NOT_VERIFIED = 4
"""A certificate, or the machine, did not pass its checks."""
PROCESS_LOST = 5
"""One of several processes failed or is gone; the run can be gone on with."""
INTERRUPTED = 130
"""By Ctrl-C; 143 by SIGTERM. The same command goes on from there."""
