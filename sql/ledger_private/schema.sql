-- The schema of the tables and of the engine. Never expose it: its functions are SECURITY DEFINER.
--
-- Callers hold USAGE because `ledger` runs with their rights and calls in here; each object below
-- grants what of it they may touch.

create schema ledger_private;

comment on schema ledger_private is 'Tables and engine of the ledger. Not for the API.';

revoke all on schema ledger_private from public, anon, authenticated, service_role;
grant usage on schema ledger_private to authenticated, service_role;
