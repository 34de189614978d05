"""The migration runner: for any project with `supabase/migrations`.

It shares the Supabase CLI's history table, so either tool can take over from the other.
"""

from tillroll.migrate.adopt import Adoption, adopt
from tillroll.migrate.check import CheckResult, NewFile, check, new
from tillroll.migrate.commute import OrderProof, prove_order
from tillroll.migrate.compare import Difference, compare
from tillroll.migrate.contract import (
    ContractChange,
    ContractResult,
    Severity,
    contract,
)
from tillroll.migrate.drift import Drift, Drifted, drift, drift_since_last_up
from tillroll.migrate.errors import (
    Blocker,
    ConnectionFailed,
    GateFailed,
    HistoryDivergent,
    LockContention,
    MigrateError,
    MigrationFailed,
    PartWay,
    Unfinished,
    UsageError,
)
from tillroll.migrate.exposed import exposed_schemas
from tillroll.migrate.facts import Fact, extract
from tillroll.migrate.generate import GenerateResult, Unsettled, generate
from tillroll.migrate.history import is_loopback
from tillroll.migrate.install import InstalledFile, InstallResult, Release, install
from tillroll.migrate.lint import Finding, LintResult, Rule, lint
from tillroll.migrate.matrix import ROLES, AccessChange, MatrixResult, matrix
from tillroll.migrate.plan import Plan, PlannedFile, PlannedStatement, make_plan, read_plan
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
from tillroll.migrate.rehearsal.sizes import Sizes, TableSize, load_sizes, read_sizes, sizes_of
from tillroll.migrate.repair import Repair, RepairResult, repair
from tillroll.migrate.runner import AppliedFile, Runner, UpResult
from tillroll.migrate.sources import Sources, find_root
from tillroll.migrate.status import FileStatus, Status
from tillroll.migrate.watch import Progress

__all__ = [
    "ROLES",
    "AccessChange",
    "Adoption",
    "AppliedFile",
    "Blocker",
    "CheckResult",
    "ConnectionFailed",
    "ContractChange",
    "ContractResult",
    "Difference",
    "Drift",
    "Drifted",
    "Fact",
    "FileStatus",
    "Finding",
    "GateFailed",
    "GenerateResult",
    "HistoryDivergent",
    "InstallResult",
    "InstalledFile",
    "LintResult",
    "Lock",
    "LockContention",
    "MatrixResult",
    "MigrateError",
    "MigrationFailed",
    "NewFile",
    "OrderProof",
    "OverBudget",
    "PartWay",
    "Plan",
    "PlannedFile",
    "PlannedStatement",
    "Progress",
    "Rates",
    "Rehearsal",
    "RehearsedFile",
    "Release",
    "Repair",
    "RepairResult",
    "Rule",
    "Runner",
    "Scan",
    "Severity",
    "Sizes",
    "Sources",
    "StatementEffect",
    "Status",
    "TableSize",
    "Unfinished",
    "Unsettled",
    "UpResult",
    "UsageError",
    "adopt",
    "applied_versions",
    "calibrate",
    "check",
    "compare",
    "contract",
    "drift",
    "drift_since_last_up",
    "exposed_schemas",
    "extract",
    "find_root",
    "generate",
    "install",
    "is_loopback",
    "lint",
    "load_rates",
    "load_sizes",
    "make_plan",
    "matrix",
    "new",
    "prove_order",
    "read_plan",
    "read_sizes",
    "rehearse",
    "repair",
    "save_rates",
    "sizes_of",
]
