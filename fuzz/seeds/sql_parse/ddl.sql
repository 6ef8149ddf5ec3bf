CREATE SERVER claims FOREIGN DATA WRAPPER postgres OPTIONS (conninfo 'dbname=claims', mode $$ro$$);
CREATE TYPE region AS ENUM ('north', 'south', 'ea''st');
CREATE FOREIGN TABLE IF NOT EXISTS visits (
    person varchar(16) NOT NULL, region region NOT NULL, id int8 PRIMARY KEY,
    year int CHECK (year BETWEEN 2000 AND 2030), cost numeric(10,2) CHECK (cost >= -1.5 AND cost <= 1e6),
    note text OPTIONS (column_name 'Note', max_bytes '40'), "at" timestamp, seen date, ok boolean
) SERVER claims OPTIONS (table 'public.visits');
DROP SERVER IF EXISTS claims; DROP TYPE region; DROP FOREIGN TABLE visits;
IMPORT FOREIGN SCHEMA public LIMIT TO (a, b) FROM SERVER claims INTO public;
ANALYZE visits
