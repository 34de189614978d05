-- What every stored amount, balance and limit is: a count of minor units that JSON and JavaScript
-- hold exactly. A domain, because Postgres parses the CHECKs of a table anew for each statement
-- that writes it, and a domain's once a session: that is a fifteenth of a transfer. Views show
-- plain bigint, since type generators lose domains.

create domain ledger_private.minor_units as bigint
constraint minor_units_range check (value between -9007199254740991 and 9007199254740991);

comment on domain ledger_private.minor_units is
'A number of minor units of a currency, within ±(2^53 − 1).';
