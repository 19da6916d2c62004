"""The learned model is a second look that nothing needs: where it is not installed a sentence says so."""

from __future__ import annotations

import pytest

from accounting.anomalies.series import SeriesKind
from cli import anomalies_learned
from cli.anomalies_learned import odd_points
from cli.errors import CommandError


def test_the_learned_model_is_a_sentence_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(anomalies_learned, "import_module", absent)
    with pytest.raises(CommandError, match="scikit-learn"):
        odd_points(SeriesKind.FEE_BPS, 0.01)
