SET statement_timeout = 0;
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET row_security = off;


--
-- Name: x; Type: TABLE; Schema: public
--

CREATE TABLE "public"."x" (
    "id" integer
);


set local my.own = ';'; set time zone 'UTC';
lock table "public"."x" in share mode;
create temporary table kept (id int) on commit drop;
insert into kept values (1);
RESET ALL;
