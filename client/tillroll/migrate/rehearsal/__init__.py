"""A rehearsal: what is pending, run on an empty copy of the schema and watched."""

from tillroll.migrate.rehearsal.rates import Rates, calibrate, load_rates, save_rates
from tillroll.migrate.rehearsal.rehearse import applied_versions, rehearse
from tillroll.migrate.rehearsal.results import (
    Lock,
    OverBudget,
    Rehearsal,
    RehearsedFile,
    Scan,
    StatementEffect,
)
from tillroll.migrate.rehearsal.sizes import (
    Sizes,
    TableSize,
    load_sizes,
    read_sizes,
    sizes_of,
)

__all__ = [
    "Lock",
    "OverBudget",
    "Rates",
    "Rehearsal",
    "RehearsedFile",
    "Scan",
    "Sizes",
    "StatementEffect",
    "TableSize",
    "applied_versions",
    "calibrate",
    "load_rates",
    "load_sizes",
    "read_sizes",
    "rehearse",
    "save_rates",
    "sizes_of",
]
