"""A certificate as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.padding import Padding
from rich.table import Table

from pacbayes.certificate import Certificate, StratumCertificate
from pacbayes.decimals import confidence, outward, up
from pacbayes.report.terminal import terminal


def show_certificates(certificates: Sequence[Certificate], file: TextIO | None = None) -> None:
    """Prints what is guaranteed, the strata for each loss, and what the guarantees rest on.

    Args:
        certificates: Certificates of one object, which differ in their loss alone.
        file: Where to print; stdout by default.
    """
    console = terminal(file)
    first = certificates[0]
    start = f"With {confidence(first.delta.total)} confidence"
    if first.object.kind == "posterior":
        console.print(
            f"{start} the risk on fresh data of the model with posterior noise lies in the "
            "certified interval, in every stratum."
        )
    else:
        console.print(f"Object: {first.object.description}.\nCheckpoint: {first.object.path}")
        console.print(
            f"{start}, as a statement of its own, that mean lies in the certified interval, "
            "in every stratum."
        )
    for certificate in certificates:
        meaning = certificate.loss.parameters.get("statement", "")
        least, most = certificate.loss.range
        unit = "" if most == 1 else f" (1 stands for {most - least:.3f} nats)"
        console.print(f"\nLoss {certificate.loss.name}: {meaning}{unit}.")
        console.print(_table(certificate))
        for stratum in certificate.strata:
            if stratum.prior_held_out is not None:
                risk = stratum.prior_held_out
                console.print(
                    f"{stratum.name}: the prior's own model, for which these data are held out, "
                    f"has risk {risk.mean:.4f}, at most {up(risk.interval[1])}."
                )
    console.print(
        f"\n{_price(first)} Held-out bounds are for comparison, each a statement of its own."
    )
    for stratum in first.strata:
        if stratum.n_unscorable:
            console.print(
                f"{stratum.name}: {stratum.n_unscorable} records cannot be scored (too long for "
                "the model, or nothing to predict) and count as loss 1."
            )
    console.print("Assumptions:")
    for sentence in first.assumptions:
        console.print(Padding(sentence, (0, 0, 0, 2)))


def _price(certificate: Certificate) -> str:
    """What the bound pays for the choice of the object."""
    tensors = f"{certificate.kl:.1f} nats over {len(certificate.kl_by_group)} tensors."
    return {
        "posterior": f"KL(posterior ‖ prior) {tensors}",
        "drawn": f"Log density ratio of posterior and prior at the network {tensors}",
        "compressed": f"Code of {certificate.object.code_bits} bits, {certificate.kl:.1f} nats.",
    }[certificate.object.kind]


def _table(certificate: Certificate) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stratum")
    n = "tokens" if certificate.object.target == "tokens" else "n"
    risk = "risk, noise" if certificate.object.kind == "posterior" else "its risk"
    for name in (n, "risk, no noise", risk, "certified risk", "held-out", "its bound"):
        table.add_column(name, justify="right")
    table.add_column("largest part")
    table.add_column("verdict")
    for stratum in certificate.strata:
        table.add_row(*_cells(stratum))
    return table


def _cells(stratum: StratumCertificate) -> tuple[str, ...]:
    held = stratum.held_out
    return (
        stratum.name,
        f"{stratum.n}",
        f"{stratum.unperturbed_risk:.4f}",
        f"{stratum.empirical_risk:.4f}",
        outward(stratum.risk_bound),
        "-" if held is None else f"{held.stochastic.mean:.4f}",
        "-" if held is None else f"≤ {up(held.stochastic.interval[1])}",
        stratum.dominated_by.replace("_", " "),
        "vacuous" if stratum.vacuous else "certified",
    )
