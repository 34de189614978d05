select 1 +-- a;
2; select 3 */* b; */4; select 5 -/* c; */ -6; select 1--;
-1; select 2/1*/*;*/3;
select 8/2, 8 / 2 * 3, 2*-3, /*/ ; */ 1, /**/ 2, /***/ 3, /*/**/;*/ 4, /* **/ 5, /*;/*;*//**/;*/ 6;
/* a /* b; /* c; */ ; */ ' " $$ ; */ select 1 /* ' */; /*-- */select 2;
-- it's; "one
select 1; /* it's; $$ "two */ select 2; -- $a$;
select 3; --/* ;
select 4; /*
-- */ select 5; /* E'\' ; */ select 6;
select '--;', '/*;', "--;" from (select 1 as "--;") q; select $$--;/*$$;
select/**/7/**/;/**//**/;--
--;
;-- the end;;
