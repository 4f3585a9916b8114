"""Encoding on real transformers tokenizers, built here."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from pacbayes.data import Message, Record, encode
from pacbayes.errors import InputError

SPECIALS = ["<s>", "</s>", "<pad>"]
CHATML = (
    "{% for m in messages %}<s>{{ m['role'] }}\n{{ m['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)
MARKED = (
    "{% for m in messages %}<s>{{ m['role'] }}\n{% if m['role'] == 'assistant' %}"
    "{%- generation %}{{ m['content'] }}</s>{% endgeneration -%}"
    "{% else %}{{ m['content'] }}</s>{% endif %}{{ '\n' }}{% endfor %}"
)
NOTHING_MARKED = (
    "{{ messages[0]['content'] }}{% if false %}{% generation %}{% endgeneration %}{% endif %}"
)


def chars() -> Tokenizer:
    """Return one token a character."""
    vocab = {t: i for i, t in enumerate([*SPECIALS, *map(chr, range(32, 127)), "\n"])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def bpe() -> Tokenizer:
    """Return a byte-level BPE that merges across the border of 'ab' and 'cd'."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["abcd abcd the answer is ab and cd"] * 20, trainer)
    return tokenizer


def wrap(build, *, adds="", eos="</s>", template=None) -> PreTrainedTokenizerFast:
    """Return a transformers tokenizer; `adds` is the post-processor's template around `$A`."""
    backend = build()
    if adds:
        ids = [(t, backend.token_to_id(t)) for t in SPECIALS]
        backend.post_processor = processors.TemplateProcessing(single=adds, special_tokens=ids)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token=eos, pad_token="<pad>"
    )
    tokenizer.chat_template = template
    return tokenizer


def qa(prompt, completion):
    return Record(prompt=prompt, completion=completion, path="d.jsonl", line=3)


def text(content):
    return Record(text=content, path="d.jsonl", line=3)


def chat(*contents):
    turns = tuple(
        Message("assistant" if i % 2 else "user", content) for i, content in enumerate(contents)
    )
    return Record(messages=turns, path="d.jsonl", line=3)


def parts(record, tokenizer):
    """Return all tokens as text, and the scored ones."""
    example = encode(record, tokenizer, max_length=1000)
    scored = [i for i, s in zip(example.input_ids, example.scored, strict=True) if s]
    return tokenizer.decode(example.input_ids), tokenizer.decode(scored)


@pytest.mark.parametrize("build", [chars, bpe])
@pytest.mark.parametrize(
    ("adds", "start"),
    [
        ("", ""),
        ("<s> $A", "<s>"),
        ("<s> $A </s>", "<s>"),
        ("$A </s>", ""),
        ("</s> $A </s>", "</s>"),
    ],
)
def test_start_once_end_once(build, adds, start):
    tokenizer = wrap(build, adds=adds)
    assert parts(qa("2+3=", "5"), tokenizer) == (f"{start}2+3=5</s>", "5</s>")
    assert parts(qa("<s>2+3=", "5</s>"), tokenizer)[1] == "5</s>"
    whole, scored = parts(text("hi there"), tokenizer)
    assert (whole, scored) == (f"{start}hi there</s>", whole[len(start) or 1 :])


@pytest.mark.parametrize("build", [chars, bpe])
def test_written_start_and_end_tokens_are_not_doubled(build):
    tokenizer = wrap(build, adds="<s> $A </s>")
    assert parts(qa("<s>a", "b</s>"), tokenizer) == ("<s>ab</s>", "b</s>")
    assert parts(text("<s>ab</s>"), tokenizer) == ("<s>ab</s>", "ab</s>")


def test_no_end_token():
    tokenizer = wrap(chars, eos=None)
    assert parts(qa("a", "b"), tokenizer) == ("ab", "b")
    assert parts(text("ab"), tokenizer) == ("ab", "b")
    assert encode(text("a"), tokenizer, max_length=9).unscorable == "no token to predict"


def test_start_and_end_token_may_be_the_same():
    tokenizer = wrap(chars, adds="<s> $A", eos="<s>")
    assert parts(qa("", "b"), tokenizer) == ("<s>b<s>", "b<s>")


def test_joint_tokens_when_the_prompt_stays_whole():
    tokenizer = wrap(bpe)
    example = encode(qa("the answer is", " ab and cd"), tokenizer, max_length=99)
    joint = tokenizer("the answer is ab and cd", add_special_tokens=False)["input_ids"]
    assert list(example.input_ids) == [*joint, tokenizer.eos_token_id]


def test_completion_on_its_own_when_a_token_spans_the_border():
    tokenizer = wrap(bpe)
    prompt, joint = (tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("ab", "abcd"))
    assert joint[: len(prompt)] != prompt  # else this test shows nothing
    example = encode(qa("ab", "cd"), tokenizer, max_length=99)
    assert example.n_prompt == len(prompt)
    assert parts(qa("ab", "cd"), tokenizer) == ("abcd</s>", "cd</s>")


def test_empty_prompt():
    assert parts(qa("", "b"), wrap(chars, adds="<s> $A")) == ("<s>b</s>", "b</s>")
    with pytest.raises(InputError, match=r"^d\.jsonl:3: empty prompt, .* no start token"):
        encode(qa("", "b"), wrap(chars), max_length=9)


def test_longer_than_the_context_is_unscorable_not_an_error():
    tokenizer = wrap(chars, adds="<s> $A")
    assert encode(qa("ab", "cd"), tokenizer, max_length=6).unscorable is None
    example = encode(qa("ab", "cd"), tokenizer, max_length=5)
    assert example.unscorable == "6 tokens, longer than the context of 5"
    assert (example.input_ids, example.n_scored) == ((), 0)


@given(st.text(st.characters(codec="utf-8"), max_size=20), st.text(min_size=1, max_size=20))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_any_text_comes_back(prompt, completion):
    tokenizer = BPE_WITH_START
    completion = completion.encode(errors="replace").decode()
    if any(token in prompt + completion for token in SPECIALS):
        return
    example = encode(qa(prompt, completion), tokenizer, max_length=1000)
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    assert (example.input_ids[0], example.input_ids[-1]) == (bos, eos)
    n = example.n_prompt
    assert example.scored == (False,) * n + (True,) * (len(example.scored) - n)
    assert tokenizer.decode(example.input_ids[1:n]) == prompt
    assert tokenizer.decode(example.input_ids[n:-1]) == completion


BPE_WITH_START = wrap(bpe, adds="<s> $A")


@pytest.mark.parametrize("template", [CHATML, MARKED])
@pytest.mark.parametrize("build", [chars, bpe])
def test_assistant_turns_and_their_end_tokens_are_scored(build, template):
    tokenizer = wrap(build, adds="<s> $A </s>", template=template)
    whole, scored = parts(chat("2+3?", "5", "and 2+2?", "it is 4"), tokenizer)
    assert whole == (
        "<s>user\n2+3?</s>\n<s>assistant\n5</s>\n<s>user\nand 2+2?</s>\n<s>assistant\nit is 4</s>\n"
    )
    assert scored == "5</s>it is 4</s>"


@pytest.mark.parametrize("build", [chars, bpe])
def test_marked_and_unmarked_templates_agree(build):
    record = chat("a é", "b ∑", "c", "d")
    unmarked, marked = (
        encode(record, wrap(build, template=template), max_length=999)
        for template in (CHATML, MARKED)
    )
    assert unmarked == marked


def test_turn_without_end_token_is_scored_to_its_last_character():
    template = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}|{% endfor %}"
    template += "{% if add_generation_prompt %}[assistant]{% endif %}"
    assert parts(chat("a", "b", "c", "d"), wrap(chars, template=template))[1] == "b|d|"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "need a chat template and the tokenizer has none"),
        (CHATML.replace("</s>\n", "{% if not loop.last %}</s>\n{% endif %}"), "differently once"),
        (CHATML.replace("<s>assistant", "<s>bot"), "differently once more follows"),
        ("{{ raise_exception('no\nway') }}", r"refuses this conversation \(no way\)"),
        (NOTHING_MARKED, "mark no token"),
    ],
)
def test_bad_templates(template, message):
    with pytest.raises(InputError, match=rf"^d\.jsonl:3: .*{message}"):
        encode(chat("a", "b", "c", "d"), wrap(chars, template=template), max_length=99)


def test_conversation_that_starts_with_the_assistant():
    record = Record(messages=(Message("assistant", "a"),), path="d.jsonl", line=3)
    with pytest.raises(InputError, match="the first message is the assistant's"):
        encode(record, wrap(chars, template=CHATML), max_length=99)
