"""Opening a checkpoint of whichever kind for certification."""

from __future__ import annotations

import os

from pacbayes.models import folder as folders
from pacbayes.models.adapter import open_adapter
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.full import open_full
from pacbayes.models.loading import OpenOptions


def open_fine_tuned(options: OpenOptions) -> FineTuned:
    """Opens a checkpoint and its prior, and compares them tensor by tensor.

    Raises:
        InputError: Anything missing, unreadable, not finite or not matching, in one line.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if folders.config_name(options.checkpoint) == folders.ADAPTER_CONFIG:
        return open_adapter(options)
    return open_full(options)
