create function fleet.distance(a fleet.position, b fleet.position) returns double precision
immutable strict parallel safe language sql
return sqrt(((a).lat - (b).lat) ^ 2 + ((a).lon - (b).lon) ^ 2);

create operator fleet.<-> (
    function = fleet.distance, leftarg = fleet.position, rightarg = fleet.position,
    commutator = operator(fleet.<->)
);
create aggregate fleet.total(double precision) (sfunc = float8pl, stype = float8, initcond = 0);
create cast (fleet.position as text) with inout as assignment;
select (1, 2)::fleet.position operator(fleet.<->) (3, 4)::fleet.position, (array[1, 2, 3])[1:2];
