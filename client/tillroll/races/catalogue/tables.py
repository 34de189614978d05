"""The table that one begins with, and the questions that are asked of the ledger's."""

from __future__ import annotations

ACCOUNTS = """
create table accounts (id int primary key, owner text not null, balance bigint not null);
insert into accounts values (1, 'alice', 100), (2, 'bob', 100);
"""
LEFT = "select id, owner, balance from accounts order by id"

LEDGER_LEFT = """
select a.name, a.posted from ledger.accounts as a
where a.name in ('checking', 'savings', 'shop') order by a.name
"""
SOUND = "select bool_and(v.ok) from ledger.verify_book(:book) as v"
