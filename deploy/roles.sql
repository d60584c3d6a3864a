-- Two roles of PostgreSQL: one owns the tables and migrates, one serves and can neither change the audit
-- trail nor take a trigger away. Run as a superuser; give both passwords of their own.
create role commensal_owner login password 'change me';
create role commensal_app login password 'change me too';
create database commensal owner commensal_owner;
\connect commensal
revoke all on schema public from public;
grant usage, create on schema public to commensal_owner;
grant usage on schema public to commensal_app;
alter default privileges for role commensal_owner in schema public
  grant select, insert, update, delete on tables to commensal_app;
alter default privileges for role commensal_owner in schema public
  grant usage, select on sequences to commensal_app;
-- After the first `commensal serve` (or migrate) as commensal_owner:
--   revoke update, delete, truncate on audit from commensal_app;
