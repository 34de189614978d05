-- ledger.export_checkpoint: all hash chains of a book at one moment, under one root.
--
-- Raises  book_not_found, forbidden
-- Tests   tests/integration/ledger/test_export_checkpoint.py

create or replace function ledger.export_checkpoint(
    book_id uuid
)
returns ledger.checkpoint
language plpgsql
stable
security invoker
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger_private.check_book_reader(export_checkpoint.book_id);
    return ledger_private.checkpoint_of(export_checkpoint.book_id);
end;
$$;

comment on function ledger.export_checkpoint is
$$Return the end of every hash chain of a book, and the Merkle root over them.

Keep the root where who writes the database cannot: it holds every entry of its moment fast. heads
are ordered by account and slot; chains without entries are left out. A leaf of the tree is the
account_id (16 bytes), slot (2), version (8) and hash (32), in network order, with the prefixes of
RFC 6962. entries: how many there are. Viewers and up.$$;

revoke execute on function ledger.export_checkpoint from public, anon, authenticated, service_role;
grant execute on function ledger.export_checkpoint to authenticated, service_role;
