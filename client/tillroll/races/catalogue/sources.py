"""Where the races were described or met in the wild."""

from __future__ import annotations

Source = tuple[str, str]

ACIDRAIN: Source = (
    "Warszawski and Bailis, ACIDRain, SIGMOD 2017",
    "https://www.bailis.org/papers/acidrain-sigmod2017.pdf",
)
AD_HOC: Source = (
    "Tang et al., Ad Hoc Transactions in Web Applications, SIGMOD 2022",
    "https://ipads.se.sjtu.edu.cn/_media/publications/concerto-sigmod22.pdf",
)
ADYA: Source = (
    "Adya, Weak Consistency, PhD thesis, MIT 1999",
    "https://pmg.csail.mit.edu/pubs/adya99__weak_consis-abstract.html",
)
CRITIQUE: Source = (
    "Berenson et al., A Critique of ANSI SQL Isolation Levels, SIGMOD 1995",
    "https://www.microsoft.com/en-us/research/wp-content/uploads/2016/02/tr-95-51.pdf",
)
HERMITAGE: Source = (
    "Kleppmann, Hermitage: what isolation levels really do",
    "https://github.com/ept/hermitage",
)
JEPSEN: Source = (
    "Kingsbury, Jepsen: PostgreSQL 12.3, 2020",
    "https://jepsen.io/analyses/postgresql-12.3",
)

IDEMPOTENCY: Source = (
    "Leach, Implementing Stripe-like Idempotency Keys in Postgres, 2017",
    "https://brandur.org/idempotency-keys",
)

ISOLATION: Source = (
    "PostgreSQL documentation, Transaction Isolation",
    "https://www.postgresql.org/docs/current/transaction-iso.html",
)
LOCKING: Source = (
    "PostgreSQL documentation, Explicit Locking",
    "https://www.postgresql.org/docs/current/explicit-locking.html",
)
RETRY_REPORT: Source = (
    "PostgREST, issue 3673: surprising retrying of a statement, 2024",
    "https://github.com/PostgREST/postgrest/issues/3673",
)
RETRY_STORM: Source = (
    "Cerefox, pull request 174: conflicts must not wear a retryable SQLSTATE, 2026",
    "https://github.com/fstamatelopoulos/cerefox/pull/174",
)
SEQUENCES: Source = (
    "PostgreSQL documentation, Sequence Manipulation Functions",
    "https://www.postgresql.org/docs/current/functions-sequence.html",
)
VOLATILITY: Source = (
    "PostgreSQL documentation, Function Volatility Categories",
    "https://www.postgresql.org/docs/current/xfunc-volatility.html",
)
