-- Two databases, each of a role that may do what it needs there and cannot open the other: the ledger is restricted,
-- Dagster's history is what whoever serves the UI reads. Run once as the superuser, with psql 15 or newer:
--   LEDGER_PASSWORD=… HISTORY_PASSWORD=… psql -v ON_ERROR_STOP=1 -f databases.sql

\getenv ledger_password LEDGER_PASSWORD
\getenv history_password HISTORY_PASSWORD

create role ledger login connection limit 100 password :'ledger_password';
create role history login connection limit 200 password :'history_password';

create database ledger owner ledger;
create database history owner history;

revoke connect, temporary on database ledger from public;
revoke connect, temporary on database history from public;
