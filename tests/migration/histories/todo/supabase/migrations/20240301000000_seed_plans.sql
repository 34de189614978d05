create table public.plans (
  id text primary key, label text not null, price_cents int not null, features jsonb not null
);
alter table public.plans enable row level security;
create policy plans_read on public.plans for select to anon, authenticated using (true);
INSERT INTO public.plans VALUES
  ('free', 'Free', 0, '{"teams": 1, "note": "no card; no catch"}'),
  ('pro', 'Pro', 900, '{"teams": 10}'::jsonb),
  ('équipe', 'Équipe 🎉', 2900, $json${"teams": null, "motto": "all; you; need"}$json$);
