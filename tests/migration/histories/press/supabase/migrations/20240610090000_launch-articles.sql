insert into public.authors (id, name, "order") values
  ('6a1f0e64-5c0c-4a53-9a6e-0b8f3f6c1d01', 'ليلى حداد', 1),
  ('6a1f0e64-5c0c-4a53-9a6e-0b8f3f6c1d02', '山田 花子', 2),
  ('6a1f0e64-5c0c-4a53-9a6e-0b8f3f6c1d03', 'Zoë O''Brien; ed.', 3);
insert into public.articles (author_id, slug, title, body, tags, published_at)
select a.id, 'welcome-' || a."order", U&'\00AB' || a.name || U&'!00BB' uescape '!',
  E'Line one;\nline two \\ with a backslash\u2028and a separator 🗞️', array['news', 'x;y'],
  '2024-06-10'
from public.authors a;
