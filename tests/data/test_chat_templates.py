"""Chat templates are programs: they reach nothing, and come to an end."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pacbayes.data import Message, Record, chat_templates
from pacbayes.data.encode import encode
from pacbayes.errors import InputError

RECORD = Record(
    path="d.jsonl",
    line=3,
    messages=(Message(role="user", content="a"), Message(role="assistant", content="b")),
)


@pytest.fixture(scope="module")
def tokenizer():
    made = Tokenizer(models.WordLevel({"a": 0, "b": 1, "?": 2}, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="?")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", r"\(access to attribute '__class__'"),
        ("{{ cycler.__init__.__globals__.os.system('true') }}", r"\(access to attribute"),
        ("{{ messages.append(1) }}", r"\(access to attribute 'append'|is not safely callable"),
        ("{% include '/etc/passwd' %}", "refuses this conversation"),
        ("{% for i in range(10**9) %}{% endfor %}", r"holds `\*\*`, which can run on"),
        ("{{ 'x' * 1000000000 }}", "holds `1000000000`, which"),
        ("{% for i in range(999999) %}{% endfor %}", "Range too big"),
        (
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            r"takes more than 0\.2 seconds",
        ),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion"),
        ("{{ raise_exception('\x1b[2J') }}", r"conversation \(\\u001b\[2J\)"),
    ],
)
def test_hostile_templates(tokenizer, monkeypatch, template, message):
    monkeypatch.setattr(chat_templates, "SECONDS", 0.2)
    tokenizer.chat_template = template
    with pytest.raises(InputError, match=rf"^d\.jsonl:3: .*{message}") as caught:
        encode(RECORD, tokenizer, max_length=99)
    assert str(caught.value).isprintable()


def test_templates_with_powers_in_their_text_are_read(tokenizer):
    tokenizer.chat_template = (
        "** 1234567890 {% for m in messages %}{{ m.content * 2 }}{% endfor %}{# 2 ** 9 #}"
    )
    assert encode(RECORD, tokenizer, max_length=99).n_scored
