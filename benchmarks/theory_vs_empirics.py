"""Theory against experience: what real fine-tunes show beside what was predicted of them.

    python -m benchmarks.theory_vs_empirics [--results DIR] [--json FILE] [--markdown]
    python -m benchmarks.theory_vs_empirics --notebook

Reads the committed runs of `benchmarks.study` and prints for each study and base, by budget: the
empirically best difficulty with those it cannot be told from; the difficulty that `pacbayes plan`
chooses from pilots, the runs at the least budgets (three of five); that of the least certificate
plus gap; that of the total-variation model; the baselines (easiest, middle, hardest, one at random,
the best pilot, and the mixtures that were run, the practitioner's among them); and the excess
target risk of each. Then rank correlations of bounds and predictions with the true risk, the
growth of KL, the movement of the best difficulty, certificates against measured risks, the paper's
five observations, and the goals that were set. How each is measured is said in
`benchmarks.empirics`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.empirics.as_json import as_json
from benchmarks.empirics.comparison import report_on
from benchmarks.empirics.notebook import FITS, NOTEBOOK, with_answer
from benchmarks.empirics.sentences import summary
from benchmarks.empirics.studies import RESULTS, read_studies
from benchmarks.empirics.tables import tables_of
from pacbayes.errors import InputError
from pacbayes.planning.planner import PlanSettings


def main() -> int:
    """Print the tables; 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the studies")
    parser.add_argument("--json", type=Path, help="file to write all numbers to")
    parser.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument(
        "--fits",
        type=int,
        default=PlanSettings.n_fits,
        help="bootstrap fits of each plan; the default is that of `pacbayes plan`",
    )
    parser.add_argument(
        "--notebook",
        action="store_true",
        help="write the answer of notebook 06 instead, as its own code makes it",
    )
    arguments = parser.parse_args()
    try:
        studies = read_studies(arguments.results)
        if arguments.notebook:
            lines = summary(report_on(studies, FITS))
            written = with_answer(NOTEBOOK.read_text(encoding="utf-8"), lines)
            NOTEBOOK.write_text(written, encoding="utf-8")
            return 0
        report = report_on(studies, arguments.fits)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    shown = [t.markdown() if arguments.markdown else t.text() for t in tables_of(report)]
    print("\n\n".join(shown))
    if arguments.json:
        arguments.json.write_text(json.dumps(as_json(report), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
