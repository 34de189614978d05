"""The race lab: what goes wrong when money moves at the same time, run live and step by step."""

from __future__ import annotations

from tillroll.races.catalogue import RACES
from tillroll.races.lab import Lab, LabError
from tillroll.races.record import ActRecord, Moment, RaceRecord
from tillroll.races.script import Act, Race, Step, session
from tillroll.races.stepper import run

__all__ = [
    "RACES",
    "Act",
    "ActRecord",
    "Lab",
    "LabError",
    "Moment",
    "Race",
    "RaceRecord",
    "Step",
    "run",
    "session",
]
