"""The certified interval of each stratum, with what it is made of."""

from __future__ import annotations

from pathlib import Path

from pacbayes.certificate import Certificate, Part

_COLOURS: dict[Part, str] = {
    "empirical_risk": "#4c72b0",
    "monte_carlo": "#8da9d4",
    "kl": "#dd8452",
    "log_term": "#f0c29e",
}
_NAMES: dict[Part, str] = {
    "empirical_risk": "empirical risk",
    "monte_carlo": "Monte-Carlo uncertainty",
    "kl": "KL",
    "log_term": "log term",
}


def save_figure(certificate: Certificate, path: Path) -> Path:
    """Writes the figure and returns its path.

    For each stratum a bar up to the certified upper bound, split into empirical risk, Monte-Carlo
    slack, KL and log term; the certified lower bound and the held-out risk are marked on it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.0 + 1.2 * len(certificate.strata), 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = range(len(certificate.strata))
    floor = [0.0] * len(certificate.strata)
    for part, colour in _COLOURS.items():
        heights = [stratum.parts[part] for stratum in certificate.strata]
        axes.bar(places, heights, bottom=floor, color=colour, label=_NAMES[part], width=0.6)
        floor = [a + b for a, b in zip(floor, heights, strict=True)]
    axes.scatter(
        places,
        [stratum.risk_bound[0] for stratum in certificate.strata],
        marker="_",
        s=900,
        color="black",
        label="certified lower bound",
    )
    held = [(i, s.held_out) for i, s in enumerate(certificate.strata) if s.held_out is not None]
    if held:
        risks = [found.stochastic.mean for _, found in held]
        axes.scatter([i for i, _ in held], risks, color="black", s=22, label="held-out risk")
    axes.set_xticks(places, [f"{s.name}\nn = {s.n}" for s in certificate.strata])
    axes.set_ylim(0, 1)
    axes.set_ylabel(f"risk ({certificate.loss.name} loss)")
    axes.set_title(f"certified with {100 * (1 - certificate.delta.total):g} % confidence", size=10)
    figure.legend(loc="outside right upper", fontsize=8, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    figure.savefig(partial, dpi=150, format=path.suffix.removeprefix("."))
    partial.replace(path)
    return path
