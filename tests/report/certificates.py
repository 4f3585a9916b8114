"""Certificates whose numbers hang together, as a run would write them."""

import math

from pacbayes.bounds import certified, log_xi
from pacbayes.certificate import Complexity, Delta, LedgerEntry, TensorGroup
from tests.test_certificate import make, make_stratum

LOG_COST = math.log(3)


def kl_stratum(*, name="easy", n=8000, kl=644.7, risk=0.08, delta=0.04, **changes):
    """A stratum under the kl bound with ξ(n), the prior's scale being one of three."""
    terms = {"empirical_risk": risk, "kl": kl + LOG_COST, "n": n, "delta": delta}
    upper = certified("seeger_maurer", **terms)
    values = {
        "name": name,
        "n": n,
        "n_records": n,
        "empirical_risk": risk * 0.95,
        "empirical_risk_bound": (risk * 0.9, risk),
        "bets": (),
        "risk_bound": (certified("seeger_maurer_lower", **terms | {"empirical_risk": 0.0}), upper),
        "bounds": {"seeger_maurer": upper, "pinsker": certified("pinsker", **terms)},
        "complexity": Complexity(kl=kl / n, log_term=(LOG_COST + log_xi(n) - math.log(delta)) / n),
        "dominated_by": "kl",
        "n_unscorable": 0,
        "vacuous": upper == 1.0,
    }
    return make_stratum(**(values | changes))


def kl_certificate(*strata, kl=644.7, **changes):
    """A posterior's certificate of such strata."""
    group = TensorGroup(
        name="lora_B",
        size=64,
        sigma_prior=0.5,
        sigma_posterior=0.5,
        distance_squared=kl / 2,
    )
    base = make()
    values = {
        "strata": strata or (kl_stratum(kl=kl),),
        "kl": kl,
        "kl_by_group": {"lora_B": kl},
        "posterior": type(base.posterior)(
            centre=base.posterior.centre, family="gaussian", choice="best", groups=(group,)
        ),
        "loss": type(base.loss)(
            name="exact", range=(0.0, 1.0), parameters={"statement": "1 unless it is right"}
        ),
        "delta": Delta(total=0.05, ledger=(LedgerEntry(event="kl bound", delta=0.04),)),
        "joint": {},
    }
    return make(**(values | changes))
