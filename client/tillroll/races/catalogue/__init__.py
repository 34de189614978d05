"""The races, in the order in which one would learn them."""

from __future__ import annotations

from tillroll.races.catalogue import (
    abort_at_commit,
    deadlock_opposite_order,
    deadlock_second_key,
    dirty_read,
    double_capture,
    double_reversal,
    endless_retry,
    foreign_key_insert,
    hot_account,
    idempotency_check_then_insert,
    lost_update,
    non_repeatable_read,
    period_lock,
    phantom,
    read_skew,
    ssi_exhausted,
    ssi_on_conflict,
    write_skew,
)
from tillroll.races.script import Race

__all__ = ["RACES"]

RACES: tuple[Race, ...] = (
    dirty_read.RACE,
    non_repeatable_read.RACE,
    read_skew.RACE,
    phantom.RACE,
    lost_update.RACE,
    write_skew.RACE,
    idempotency_check_then_insert.RACE,
    double_capture.RACE,
    double_reversal.RACE,
    period_lock.RACE,
    deadlock_opposite_order.RACE,
    deadlock_second_key.RACE,
    foreign_key_insert.RACE,
    hot_account.RACE,
    abort_at_commit.RACE,
    endless_retry.RACE,
    ssi_exhausted.RACE,
    ssi_on_conflict.RACE,
)
