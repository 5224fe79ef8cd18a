-- The document registry (database okmany): what the connector may read, and its heartbeat. Run it in that database as
-- the owner of the tables, after role.sql; running it again changes nothing.
--   psql -d okmany -f okmany.sql

SET client_min_messages = warning;

-- The connector touches this row every few seconds. It proves that the stream is alive while the registry is quiet,
-- and lets the slot move on while only other databases of the cluster write.
CREATE TABLE IF NOT EXISTS public.heartbeat (id int PRIMARY KEY, at timestamptz NOT NULL);
COMMENT ON TABLE public.heartbeat IS 'One row, written by the Debezium connector; read by the expiry notification service';
GRANT SELECT, INSERT, UPDATE ON public.heartbeat TO lejarat_cdc;

GRANT USAGE ON SCHEMA public TO lejarat_cdc;

-- These columns and no others: needed for the first snapshot, which is an ordinary SELECT.
GRANT SELECT (id, kind, number, status, valid_until, issued_on,
              family_name, given_name, birth_family_name, birth_given_name, birth_place, birth_date,
              mother_family_name, mother_given_name)
    ON public.document TO lejarat_cdc;

-- The same columns again for the stream: what is not listed never leaves the database. The key must be among them.
DROP PUBLICATION IF EXISTS lejarat_okmany;
CREATE PUBLICATION lejarat_okmany FOR TABLE
    public.document (id, kind, number, status, valid_until, issued_on,
                     family_name, given_name, birth_family_name, birth_given_name, birth_place, birth_date,
                     mother_family_name, mother_given_name),
    public.heartbeat;
