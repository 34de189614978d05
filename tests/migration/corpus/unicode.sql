create table public.größe ("naïve; 🎉" int, 日本 text, Ünï int);
select 1 as é;
select 'שלום; עולם', '‮;gnilaed' as "مرحبا;"; -- سلام;
select 'é;', '👩‍👩‍👧;', '🇺🇳;' as "🧿;";
comment on table public.größe is 'ünïcode; ﷽; ½; ﬀ; İ; ß'; select 'ſ;', 'K;' as "İ;ı";
