"""A year of an ordinary project: what `lint` says of it is little, and worth saying."""

from __future__ import annotations

from collections import Counter

from tests.migration.conftest import Write
from tillroll.migrate import lint

HISTORY = {
    "20250110090000_profiles": """
create table public.profiles (
    id uuid primary key references auth.users (id) on delete cascade,
    username text unique not null,
    avatar_url text,
    created_at timestamptz not null default now()
);
alter table public.profiles enable row level security;
create policy "Profiles are visible" on public.profiles for select to authenticated using (true);
create policy "Own profile" on public.profiles for update to authenticated
    using ((select auth.uid()) = id) with check ((select auth.uid()) = id);
grant select, update on public.profiles to authenticated;
revoke all on public.profiles from anon;
""",
    "20250110090100_new_user": """
create function public.handle_new_user() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    insert into public.profiles (id, username)
    values (new.id, new.raw_user_meta_data ->> 'username');
    return new;
end;
$$;
create trigger on_auth_user_created after insert on auth.users
    for each row execute function public.handle_new_user();
""",
    "20250203100000_courts_and_bookings": """
create type public.booking_status as enum ('requested', 'confirmed', 'cancelled');
create table public.courts (
    id bigint generated always as identity primary key,
    name text not null,
    surface text check (surface in ('clay', 'grass', 'hard')),
    latitude double precision,
    longitude double precision,
    hourly_price integer not null
);
create table public.bookings (
    id bigint generated always as identity primary key,
    court_id bigint not null references public.courts (id),
    member_id uuid not null references public.profiles (id),
    starts_at timestamptz not null,
    ends_at timestamptz not null,
    status public.booking_status not null default 'requested',
    check (ends_at > starts_at)
);
create index bookings_court_idx on public.bookings (court_id, starts_at);
create index bookings_member_idx on public.bookings (member_id);
alter table public.courts enable row level security;
alter table public.bookings enable row level security;
create policy "Courts are visible" on public.courts for select to anon, authenticated using (true);
create policy "Own bookings" on public.bookings for all to authenticated
    using (member_id = (select auth.uid())) with check (member_id = (select auth.uid()));
grant select on public.courts to anon, authenticated;
grant select, insert, update on public.bookings to authenticated;
""",
    "20250220080000_free_slots": """
create function public.free_slots(court bigint, day date) returns setof tstzrange
language sql stable set search_path = '' as $$
    select tstzrange(b.ends_at, lead(b.starts_at) over (order by b.starts_at))
    from public.bookings as b
    where b.court_id = court and b.starts_at::date = day;
$$;
grant execute on function public.free_slots to authenticated;
""",
    "20250311120000_notes_on_bookings": """
alter table public.bookings add column note text;
alter table public.bookings add column paid boolean not null default false;
comment on column public.bookings.note is 'What the member wants the staff to know.';
""",
    "20250402150000_staff": """
create schema private;
create function private.is_staff() returns boolean
language sql stable security definer set search_path = '' as $$
    select exists (select from public.staff as s where s.id = (select auth.uid()));
$$;
create table public.staff (id uuid primary key references public.profiles (id));
alter table public.staff enable row level security;
create policy "Staff sees staff" on public.staff for select to authenticated
    using ((select private.is_staff()));
create policy "Staff sees bookings" on public.bookings for select to authenticated
    using ((select private.is_staff()));
grant select on public.staff to authenticated;
grant usage on schema private to authenticated;
grant execute on function private.is_staff to authenticated;
""",
    "20250519070000_payments": """
create table public.payments (
    id serial primary key,
    booking_id bigint not null references public.bookings (id),
    amount float8 not null,
    paid_at timestamp not null default now()
);
create policy "Own payments" on public.payments for select
    using (auth.uid() in (select b.member_id from public.bookings as b where b.id = booking_id));
""",
    "20250601070000_payments_put_right": """
alter table public.payments enable row level security;
alter table public.payments alter column amount type numeric(12, 2);
grant select on public.payments to authenticated;
create index payments_booking_idx on public.payments (booking_id);
""",
    "20250808100000_monthly_report": """
create view public.monthly_revenue with (security_invoker = true) as
    select date_trunc('month', p.paid_at) as month, sum(p.amount) as revenue
    from public.payments as p group by 1;
grant select on public.monthly_revenue to authenticated;
create or replace function public.free_slots(court bigint, day date, minutes int default 60)
returns setof tstzrange language sql stable set search_path = '' as $$
    select s from public.free_slots(court, day) as s
    where upper(s) - lower(s) >= make_interval(mins => minutes);
$$;
""",
    "20251001120000_cleanup": """
alter type public.booking_status add value 'no_show';
update public.bookings set note = null where note = '';
alter table public.bookings alter column note set default '';
-- lint: allow drop-column because the app reads court coordinates from maps since 3.1
alter table public.courts drop column latitude, drop column longitude;
""",
}
FOUND = {  # by file, each linted on the day on which it was the newest
    "20250519070000_payments": [
        *("inexact-amount", "timestamp-zone", "rls-missing", "grant-missing"),
        *("policy-roles", "policy-per-row"),
    ],
    "20250601070000_payments_put_right": ["column-type", "index-concurrently"],
}


def test_an_ordinary_history_gives_few_findings_and_each_is_right(write: Write) -> None:
    folder = write(**{f"{name}.sql": text for name, text in HISTORY.items()})
    for name in HISTORY:
        newest = lint(folder, files=[folder / f"{name}.sql"])
        found = Counter(each.rule for each in newest.findings)
        assert found == Counter(FOUND.get(name, [])), name


def test_a_history_that_was_never_applied_gives_even_fewer(write: Write) -> None:
    folder = write(**{f"{name}.sql": text for name, text in HISTORY.items()})
    found = [each.rule for each in lint(folder).findings]
    assert sorted(found) == sorted(
        ["inexact-amount", "timestamp-zone", "policy-roles", "policy-per-row"]
    )
