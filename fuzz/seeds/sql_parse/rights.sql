SECURITY LABEL FOR comity ON COLUMN visits.cost IS 'aggregate min 10';
SECURITY LABEL FOR comity ON TABLE visits IS NULL;
GRANT SELECT ON visits, tumours TO insurer, PUBLIC; REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM insurer;
CREATE ROLE ann LOGIN PASSWORD 'secret' IN ROLE analyst, publisher;
ALTER ROLE ann PASSWORD 'other'; GRANT analyst TO ann; REVOKE administrator FROM ann; DROP ROLE IF EXISTS ann
