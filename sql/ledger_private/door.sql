-- What enter_book found out: who acts in the book, as what, and which rules her postings meet.

create type ledger_private.door as (
    user_id uuid,
    role text,
    has_groups boolean,
    has_periods boolean,
    archived boolean
);

comment on type ledger_private.door is
$$A caller inside a book. user_id: null for service_role and the owner of the schema, who count as
owners. archived: entered for a replay only.$$;
