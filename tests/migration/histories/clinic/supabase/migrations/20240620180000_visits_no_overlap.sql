create extension if not exists btree_gist with schema extensions;
alter table clinic.visits
    add column room text,
    add column ends_at timestamptz not null default 'infinity';
alter table clinic.visits add constraint one_visit_a_room
  exclude using gist (
    room extensions.gist_text_ops with operator(pg_catalog.=),
    tstzrange(starts_at, ends_at) with &&
  ) where (room is not null);
