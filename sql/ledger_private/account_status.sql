-- The states of an account: open; frozen (neither side of a posting); closed (for ever).

create domain ledger_private.account_status as text
constraint account_status_known check (value in ('open', 'frozen', 'closed'));

comment on domain ledger_private.account_status is 'open, frozen or closed.';
