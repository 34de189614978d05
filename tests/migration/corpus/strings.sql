select '', '''', ';''', 'a''b;''c', "a;", "b"";c" from (select 1 "a;", 2 "b"";c") q;
select E'\';', e'\\', E'\'''; --', E'\x3b;\073;\u003b;\U0000003b', E'/*\';*/', E'''\\'';';
select E'a\';'
  'b\';' -- not here;
  '\'c;', 'd\'
';e';
select 'a;'
';b\' -- c;
 '\;' as x;
select E'\';' -- ';

 '\';' as x, 'le\' as le, e.e, E'\';' from (select 1 as e) e;
select '\', '\;', 'C:\', ';\' ;
select U&'\003b;', U&'!003b;!!' UESCAPE '!', u&"c\003b;" from (select 1 as "c;;") q;
select B'10', X'1f', b'', N';', n'''; ', 'x'';'
';';
select 1 as "begin", 2 as "end;", 3 as "atomic", 4 as "--", 5 as "/*", 6 as "$$", 7 as "'";
select E'\';' -- ';
 '\';', U&'!003b;' -- e;
 uescape '!', 'a' -- one;
 -- two;
 'b;';
