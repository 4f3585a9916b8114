"""Where a file's difficulties come from, as the report beside it says.

`pacbayes score` and `pacbayes select` write `FILE.report.json` with the SHA-256 of FILE. A report
of another content than the file has now, or of another kind, says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacbayes import strict_json
from pacbayes.files import read_file

_SCORE, _SELECTION = "pacbayes.score/1", "pacbayes.selection/1"


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """How difficulties were scored.

    Attributes:
        settings: Everything a score depends on beside the record, as it was reported.
    """

    settings: Mapping[str, Any]

    @property
    def by(self) -> str:
        """The measure: length, pass-rate, loss or field."""
        return str(self.settings.get("by"))

    @property
    def models(self) -> tuple[str, ...]:
        """SHA-256 of the folders of the model that scored: the checkpoint, an adapter's base."""
        models = self.settings.get("model")
        return tuple(map(str, models)) if isinstance(models, list) else ()


def report_path(path: Path) -> Path:
    """Return where the report on a file is."""
    return path.with_name(f"{path.name}.report.json")


def read_scoring(path: Path, sha256: str) -> Scoring | None:
    """Return how the difficulties of a file were scored, None if that is not known.

    Args:
        path: The file.
        sha256: Of its bytes.
    """
    try:
        report = strict_json.parse(read_file(report_path(path)).decode())
        settings = {
            _SCORE: lambda: _if_same(report["out"], sha256, report["settings"]["score"]),
            _SELECTION: lambda: _if_same(report["subset"], sha256, report["scoring"]),
        }[report["schema"]]()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Scoring(settings=settings) if isinstance(settings, dict) else None


def _if_same(file: Mapping[str, Any], sha256: str, settings: Any) -> Any:
    return settings if file["sha256"] == sha256 else None
