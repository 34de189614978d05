"""Drift: a live database against what its migrations make, without writing to it."""

from __future__ import annotations

__all__ = ["Drift", "Drifted", "drift", "drift_since_last_up"]
