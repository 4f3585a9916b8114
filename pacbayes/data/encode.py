"""From records to token ids and the positions that are scored.

A position t is scored when the loss looks at how the model predicts token t from the tokens before
it; position 0 never is. Nothing is padded, truncated or packed here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pacbayes.data.chat_templates import rendered
from pacbayes.data.records import Record
from pacbayes.errors import refusing

_Ids = tuple[int, ...]
_Mask = tuple[bool, ...]
_GENERATION_MARK = re.compile(r"\{%-?\s*generation\s*-?%\}")  # as transformers looks for it


@dataclass(frozen=True, kw_only=True)
class Example:
    """A record as the model sees it.

    Attributes:
        input_ids: All tokens, prompt and completion; empty if the example is unscorable.
        scored: For each token, whether the loss counts its prediction from the tokens before it.
        unscorable: Why the example cannot be scored, or None. An unscorable example counts as loss
            1 and is reported: leaving it out would change the risk that is certified.
    """

    input_ids: _Ids
    scored: _Mask
    unscorable: str | None = None

    @property
    def n_scored(self) -> int:
        """Number of scored tokens."""
        return sum(self.scored)

    @property
    def n_prompt(self) -> int:
        """Number of tokens before the first scored one."""
        return self.scored.index(True) if self.n_scored else len(self.scored)


def encode(record: Record, tokenizer: Any, *, max_length: int) -> Example:
    """Tokenize a record and mark its scored tokens.

    `prompt`/`completion`: scored are the tokens of the completion and one end token, if the
    tokenizer has one. The two are tokenized together, as a model meets them; where a token would
    span the border between them, the completion is tokenized on its own. Start tokens come first
    when the tokenizer adds them (once, also when the prompt has them in writing).

    `text`: scored is everything, and one end token, but not what has no token before it.

    `messages`: written out by the tokenizer's chat template, to which nothing is added; scored are
    the assistant turns: those between the template's `{% generation %}` marks, or, without marks,
    what a turn adds to the generation prompt, as far as its end token.

    Args:
        record: The record.
        tokenizer: A transformers tokenizer (for `messages` without marks, a fast one).
        max_length: The most tokens the model can take.

    Returns:
        The example; if it is longer than `max_length` or has no token to score, an unscorable one.

    Raises:
        InputError: The record does not fit the tokenizer: an empty prompt without a start token,
            `messages` without a chat template, or a template that cannot be split into turns.
    """
    with refusing("the tokenizer fails on this record", path=record.path, line=record.line):
        ids, scored = _tokens(record, tokenizer)
    if len(ids) > max_length:
        return _unscorable(f"{len(ids)} tokens, longer than the context of {max_length}")
    if not any(scored):
        return _unscorable("no token to predict")
    return Example(input_ids=ids, scored=scored)


def _unscorable(reason: str) -> Example:
    return Example(input_ids=(), scored=(), unscorable=reason)


def _tokens(record: Record, tokenizer: Any) -> tuple[_Ids, _Mask]:
    if record.messages:
        return _conversation(record, tokenizer)
    if record.text is not None:
        ids = _plain(tokenizer, record.text)
        start = _start_tokens(record, tokenizer, record.text, ids)
        ids = start + _ended(ids, tokenizer)
        return ids, _mask(max(len(start), 1), len(ids))
    prompt, completion = _prompt_and_completion(record, tokenizer)
    if not prompt:
        raise record.error(
            "empty prompt, and the tokenizer has no start token: nothing to predict the first "
            "token from; use `text` instead."
        )
    return prompt + completion, _mask(len(prompt), len(prompt) + len(completion))


def _mask(n_given: int, n_all: int) -> _Mask:
    return (False,) * n_given + (True,) * (n_all - n_given)


def _prompt_and_completion(record: Record, tokenizer: Any) -> tuple[_Ids, _Ids]:
    if record.prompt is None or record.completion is None:
        raise record.error("record without completion.")
    text = record.prompt + record.completion
    prompt, both = _plain(tokenizer, record.prompt), _plain(tokenizer, text)
    start = _start_tokens(record, tokenizer, text, both)
    joint = both[: len(prompt)] == prompt
    completion = both[len(prompt) :] if joint else _plain(tokenizer, record.completion)
    return start + prompt, _ended(completion, tokenizer)


def _plain(tokenizer: Any, text: str) -> _Ids:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def _start_tokens(record: Record, tokenizer: Any, text: str, ids: _Ids) -> _Ids:
    """Return the tokens that the tokenizer puts before `text`, unless its `ids` start with them.

    Comparing the two ways to tokenize it tells them from the end tokens that some tokenizers add
    as well, even if both are the same token.
    """
    full = tuple(tokenizer(text)["input_ids"])
    starts = [full[:k] for k in range(len(full) + 1) if full[k : k + len(ids)] == ids]
    if not starts:
        raise record.error("the tokenizer splits this text otherwise when it adds a start token.")
    return () if ids[: len(starts[0])] == starts[0] else starts[0]


def _ended(ids: _Ids, tokenizer: Any) -> _Ids:
    """Return the ids with one end token, if the tokenizer has one."""
    end = tokenizer.eos_token_id
    return ids if end is None or ids[-1:] == (end,) else (*ids, end)


def _conversation(record: Record, tokenizer: Any) -> tuple[_Ids, _Mask]:
    template = getattr(tokenizer, "chat_template", None)
    if not template:
        raise record.error(
            "`messages` need a chat template and the tokenizer has none; the usual mistake is the "
            "tokenizer of a base model in place of the fine-tuned one."
        )
    marked = _GENERATION_MARK.search(tokenizer.get_chat_template())
    ids, scored = (_marked if marked else _unmarked)(record, tokenizer)
    return ids, (False, *scored[1:])


def _marked(record: Record, tokenizer: Any) -> tuple[_Ids, _Mask]:
    """Return tokens and mask of a conversation whose template marks what the model generates."""
    out = rendered(
        record, tokenizer, record.messages, return_dict=True, return_assistant_tokens_mask=True
    )
    if not any(out["assistant_masks"]):
        raise record.error("the `{% generation %}` marks of the chat template mark no token.")
    return tuple(out["input_ids"]), tuple(map(bool, out["assistant_masks"]))


def _unmarked(record: Record, tokenizer: Any) -> tuple[_Ids, _Mask]:
    """Return tokens and mask of a conversation by what each assistant turn adds to the text."""
    text: str = rendered(record, tokenizer, record.messages, tokenize=False)
    try:
        out = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    except NotImplementedError as error:
        raise record.error(
            "`messages` need a fast tokenizer or a chat template with `{% generation %}` marks."
        ) from error
    ids, offsets = tuple(out["input_ids"]), out["offset_mapping"]
    scored = [False] * len(ids)
    for start, end in _turns(record, tokenizer, text):
        turn = [t for t, (a, b) in enumerate(offsets) if a < end and b > start]
        for t in _up_to_end_token(turn, ids, tokenizer.eos_token_id):
            scored[t] = True
    return ids, tuple(scored)


def _turns(record: Record, tokenizer: Any, text: str) -> list[tuple[int, int]]:
    """Return, for each assistant turn, the characters of `text` that the model would write."""
    if record.messages[0].role == "assistant":
        raise record.error("the first message is the assistant's; it has nothing to answer.")
    spans = []
    for i, message in enumerate(record.messages):
        if message.role == "assistant":
            before = rendered(
                record, tokenizer, record.messages[:i], tokenize=False, add_generation_prompt=True
            )
            through = rendered(record, tokenizer, record.messages[: i + 1], tokenize=False)
            if not (through.startswith(before) and text.startswith(through)):
                raise record.error(
                    f"the chat template writes message {i + 1} differently once more follows, so "
                    "its tokens cannot be told apart; use a template with `{% generation %}` marks "
                    "or a record with one assistant turn."
                )
            spans.append((len(before), len(through)))
    return spans


def _up_to_end_token(turn: Sequence[int], ids: _Ids, end: int | None) -> Sequence[int]:
    """Drop what follows the turn's end token: templates add a newline that nobody generates."""
    ends = [k for k, t in enumerate(turn) if ids[t] == end]
    return turn[: ends[-1] + 1] if ends else turn
