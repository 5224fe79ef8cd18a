-- The role that the Debezium connectors log in as. Once per cluster, as a superuser:
--   psql -v cdc_password='…' -f role.sql
-- It may follow the log and log in, nothing else; okmany.sql and ugyfelkapu.sql grant what it reads.

SELECT 'CREATE ROLE lejarat_cdc'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'lejarat_cdc') \gexec

ALTER ROLE lejarat_cdc LOGIN REPLICATION NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS
    CONNECTION LIMIT 20 PASSWORD :'cdc_password';
COMMENT ON ROLE lejarat_cdc IS 'Debezium connectors of the expiry notification service';
