"""The fine-tuning compressed to few bits: one network, certified by the length of its code."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from pacbayes.bounds import certified, occam_kl
from pacbayes.certificate import Centre, Certificate, CertifiedObject, Complexity, Posterior
from pacbayes.data.sample import Unit
from pacbayes.models.writing import computing_with, write_checkpoint
from pacbayes.objects.codebook import Codebook
from pacbayes.objects.run import Evaluated, FloatArray, Run, mean_interval, network_certificates
from pacbayes.objects.shift_code import Layout, ShiftCode, decode, encode
from pacbayes.risk import Scorer

CODE_FILE = "code.bin"
"""The code itself, beside the network that it decodes to."""

CODE_FIXED = (
    "The code (its decoder, the prior's centre and scales, the order of the tensors) was fixed "
    "without the certification data."
)

KEYS = 8
"""Codebooks that are tried; which one it was is in the code."""
LOG_DICTIONARIES = 3
FINALISTS = 2
"""Candidates scored on all data, after a choice on the pilots."""
_MULTIPLES = tuple(2.0 ** (k / 2) for k in range(-3, 4))
_LARGEST_COMPLEXITY = 2.0
"""Nats a unit: codes that are longer than this certify nothing worth having."""
_GAIN = 4.7
"""Typical product of the best word with a unit vector, for the sizes met here; only a start."""

Score = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A code with its length in bits."""

    code: ShiftCode
    data: bytes
    bits: int


def certify_compressed(run: Run) -> tuple[Certificate, ...]:
    """Certifies the network that the shortest good code decodes to.

    With probability ≥ 1 − δ, for all codes of b bits at once, R(h) ≤ kl⁺(r̂(h), (b ln 2 +
    ln(1/δ))/n), and for 0-1 losses the exact binomial tail at δ 2^−b. The search for a code
    looks at the data freely, as whatever it finds is in the code. Upper side only.
    """
    layout = Layout(
        centre=dict(sorted(run.model.prior_centre.items())),
        relative_scales=run.model.relative_scales,
    )
    found = search(run, layout)
    with computing_with(run.model, decode(found.data, layout).weights(layout)):
        folder, extra = run.folder / "compressed", {CODE_FILE: found.data}
        source = run.settings.team.led(lambda: write_checkpoint(run.model, folder, extra=extra))
        losses = run.losses("compressed")
    base = run.certificates[0]
    return network_certificates(
        run,
        what=CertifiedObject(
            kind="compressed",
            description=(
                f"one network, the fine-tuning compressed to {found.bits} bits; its mean loss on "
                "fresh units"
            ),
            target="fresh",
            path=source.path,
            sha256=source.sha256,
            code_bits=found.bits,
        ),
        losses=losses,
        event="Occam bound of stratum {}, upper side, all codes",
        theorem=lambda values, delta: evaluate(values, found.bits, delta),
        kl=nats(found.bits),
        kl_by_group={},
        prior=replace(
            base.prior,
            family="code",
            scale_grid=replace(base.prior.scale_grid, size=1, index=0, log_cost=0.0),
        ),
        posterior=Posterior(
            centre=Centre(path=source.path, sha256=source.sha256),
            family="point",
            choice="number of code words with the least bound",
            groups=(),
        ),
        assumptions=(CODE_FIXED,),
    )


def nats(bits: int) -> float:
    """−ln of the prior of a code of so many bits, rounded up."""
    return math.nextafter(bits * math.log(2), math.inf) * (1 + 2**-52)


def evaluate(losses: FloatArray, bits: int, delta: float) -> Evaluated:
    """The Occam bounds of a network with these losses and this code length."""
    n, cost = losses.size, nats(bits)
    bounds = {
        "occam_kl": certified(
            "occam_kl",
            empirical_risk=mean_interval(losses)[2],
            log_prior=-cost,
            n=n,
            delta=delta,
        )
    }
    if bool(np.isin(losses, (0.0, 1.0)).all()):
        bounds["occam_binomial"] = certified(
            "occam_binomial", n_errors=int(losses.sum()), log_prior=-cost, n=n, delta=delta
        )
    return Evaluated(
        risk_bound=(0.0, min(bounds.values())),
        bounds=bounds,
        complexity=Complexity(kl=cost / n, log_term=-math.log(delta) / n),
    )


def search(run: Run, layout: Layout) -> Candidate:
    """The code with the smallest bound, its geometric mean over strata and losses.

    The number of words is chosen with the first key on the pilots, near the number at which the
    codewords' noise is that of the posterior; then the other keys are tried at that number and
    the next smaller one; then the best few are scored on all data.
    """
    scorer = run.scorer("compressing", ())
    pilots = [units[: run.settings.pilot] for units in run.strata]
    counts = counts_to_try(run, layout)
    first = candidates(run, layout, 0, counts)
    scored = [(score(run, scorer, pilots, layout, c), c) for c in first]
    best = min(range(len(scored)), key=lambda place: scored[place][0])
    near = counts[max(0, best - 1) : best + 1]
    for key in range(1, KEYS):
        for candidate in candidates(run, layout, key, near):
            scored.append((score(run, scorer, pilots, layout, candidate), candidate))
    scored.sort(key=lambda pair: pair[0])
    finalists = [candidate for _, candidate in scored[:FINALISTS]]
    return min(finalists, key=lambda c: score(run, scorer, run.strata, layout, c))


def candidates(run: Run, layout: Layout, key: int, counts: Sequence[int]) -> Iterator[Candidate]:
    """Codes of one key with the first so many words."""
    shape = shape_of(run)
    target = (layout.flat(run.model.noise.tensors) - layout.flat(layout.centre)) / layout.units(
        shape
    )
    book = Codebook(size=layout.size, log_dictionaries=LOG_DICTIONARIES, key=key)
    words = tuple(book.best_words(target, max(counts)))
    whole = ShiftCode(
        words=words, key=key, log_dictionaries=LOG_DICTIONARIES, amplitude=0, shape=shape
    )
    for count in counts:
        code = whole.first(count, target)
        data, bits = encode(code, layout)
        yield Candidate(code=code, data=data, bits=bits)


def shape_of(run: Run) -> tuple[int, ...]:
    """Half octaves by which the posterior's scale of a tensor exceeds its share of the common."""
    sigmas = {group.name: group.sigma_posterior for group in run.certificates[0].posterior.groups}
    scales, sizes = run.model.relative_scales, run.model.sizes
    logs = {name: math.log2(sigmas[name] / scales[name]) for name in scales}
    middle = math.fsum(logs[name] * sizes[name] for name in logs) / sum(sizes.values())
    return tuple(round(2 * (logs[name] - middle)) for name in sorted(run.model.prior_centre))


def counts_to_try(run: Run, layout: Layout) -> list[int]:
    """Numbers of words around the one whose noise is as large as the posterior's."""
    groups = run.certificates[0].posterior.groups
    shift = math.fsum(group.distance_squared / group.sigma_posterior**2 for group in groups)
    middle = shift / _GAIN**2
    book = Codebook(size=layout.size, log_dictionaries=LOG_DICTIONARIES, key=0)
    smallest = min(part.n for part in run.sample.strata)
    most = max(1, int(_LARGEST_COMPLEXITY * smallest / (book.word_bits * math.log(2))))
    return sorted({min(most, max(1, round(m * middle))) for m in _MULTIPLES})


def score(
    run: Run,
    scorer: Scorer,
    strata: Sequence[Sequence[Unit]],
    layout: Layout,
    candidate: Candidate,
) -> Score:
    """The bound on a log scale if these units were typical; then what tells vacuous ones apart."""
    cost = nats(candidate.bits)
    bounds, roots = [], []
    with computing_with(run.model, candidate.code.weights(layout)):
        for part, units in zip(run.sample.strata, strata, strict=True):
            for risk in scorer.at_centre(units).mean(axis=1):
                share = run.settings.delta / len(strata)
                bounds.append(
                    occam_kl(
                        empirical_risk=min(1.0, float(risk)), log_prior=-cost, n=part.n, delta=share
                    )
                )
                roots.append(float(risk) + math.sqrt(cost / (2 * part.n)))
    return fmean(map(math.log, bounds)), fmean(roots)
