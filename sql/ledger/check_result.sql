-- One line of what verify_book returns. Named so because CHECK is a reserved word.

create type ledger.check_result as (
    check_name text,
    ok boolean,
    details jsonb
);

comment on type ledger.check_result is
'One check of a book. details: an object that names the first offenders.';
