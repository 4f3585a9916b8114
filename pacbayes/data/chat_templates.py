"""Writing a conversation out with a tokenizer's chat template, which is a program of its own.

transformers runs it in a sandbox, from which nothing of Python can be reached; it does not keep it
from running on. Memory is not limited: a template can still ask for all there is.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import FrameType
from typing import Any

from pacbayes.data.records import Message, Record
from pacbayes.errors import refusing

SECONDS = 4.0
"""Of the processor, for one conversation; templates that are meant to end take milliseconds."""

_LARGEST = 10**7


def rendered(record: Record, tokenizer: Any, messages: tuple[Message, ...], **options: Any) -> Any:
    """What the tokenizer's chat template makes of some of a record's messages.

    Args:
        record: The record, for error messages.
        tokenizer: A transformers tokenizer.
        messages: The first few of its messages, or all.
        options: For the tokenizer's `apply_chat_template`.

    Raises:
        InputError: The template fails on them, takes too long, or could never end.
    """
    if (odd := _endless(str(tokenizer.chat_template))) is not None:
        raise record.error(f"the chat template holds `{odd}`, which can run on without an end.")
    turns = [{"role": message.role, "content": message.content} for message in messages]
    what = "the chat template refuses this conversation"
    with refusing(what, path=record.path, line=record.line), _limited():
        return tokenizer.apply_chat_template(turns, **options)


@lru_cache
def _endless(template: str) -> str | None:
    """A power or a very large number, which no signal interrupts while it is at work."""
    from jinja2 import Environment, TemplateSyntaxError

    try:
        for _, kind, text in Environment().lex(template):
            if text == "**" or (kind == "integer" and len(text) > len(str(_LARGEST))):
                return text[:20]
    except TemplateSyntaxError:
        return None  # whoever renders it says more of that
    return None


@contextmanager
def _limited() -> Iterator[None]:
    """A context that a TimeoutError ends after `SECONDS`, in the main thread, on Unix."""
    alone = threading.current_thread() is threading.main_thread()
    if not (alone and hasattr(signal, "setitimer")):
        yield
        return

    def late(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"it takes more than {SECONDS:g} seconds")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
