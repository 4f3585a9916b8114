"""The field's words for readers who do not know them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from pacbayes.certificate import Certificate
from pacbayes.markup import Markup, tag
from pacbayes.report.documents import Document

_SHARED: Mapping[str, str] = MappingProxyType(
    {
        "stratum": "a group of examples, usually of like difficulty, judged by itself",
        "risk": "the mean loss on fresh examples; it can only be estimated or bounded",
        "vacuous": "of a bound: 1 or more, true of every model",
    }
)
_OF_CERTIFICATES: Mapping[str, str] = MappingProxyType(
    {
        "prior": "a distribution of weights, fixed before the certification data were seen",
        "posterior": "a distribution of weights around the fine-tuned ones: the noise in “risk "
        "with noise”",
        "KL": "how far the posterior is from the prior, in nats: what the model has taken from its "
        "data",
        "n": "independent examples that a bound rests on",
        "δ": "the probability, over the choice of the data, that a certificate is wrong; its "
        "confidence is 1 − δ",
        "event": "what happens with probability 1 − δ or more; bounds on one event hold together",
        "held-out risk": "the mean loss on examples that neither trained nor certified the model",
    }
)
_OF_PLANS: Mapping[str, str] = MappingProxyType(
    {
        "budget": "independent units (examples, or groups of them) that can be trained on",
        "target": "the data that the model is meant for",
        "d*(n)": "the difficulty of training data to choose for a budget of n units",
        "least expected regret": "of a difficulty: what it loses against the best one, averaged "
        "over the fits, is least",
        "generalization gap": "risk on fresh examples like those of training, less the empirical "
        "risk; more data shrink it",
        "extrapolation gap": "risk on the target, less that on fresh examples like those of "
        "training; training data nearer to the target shrink it",
    }
)


def glossary(documents: Sequence[Document]) -> Markup:
    """The words that a page of such documents has, folded up."""
    certificates = [isinstance(document, Certificate) for document in documents]
    words = {
        **(_OF_CERTIFICATES if any(certificates) else {}),
        **({} if all(certificates) else _OF_PLANS),
        **_SHARED,
    }
    listed = [tag("div", tag("dt", word), tag("dd", what)) for word, what in words.items()]
    return tag(
        "details", tag("summary", "Words on this page"), tag("dl", listed, class_="words note")
    )
