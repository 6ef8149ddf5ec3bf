-- Every hospital publishes its visits like this, on its own node, whatever its data source is.
CREATE TYPE region AS ENUM ('coast', 'hills', 'plain', 'city');
CREATE FOREIGN TABLE visits (
    person  varchar(8)    NOT NULL,
    region  region        NOT NULL,
    year    int           NOT NULL CHECK (year BETWEEN 2000 AND 2030),
    visited date          NOT NULL CHECK (visited BETWEEN '2020-01-01' AND '2030-12-31'),
    days    int           NOT NULL CHECK (days BETWEEN 1 AND 365),
    cost    numeric(10,2),
    note    varchar(40)
) SERVER data OPTIONS (table 'visits');
SECURITY LABEL FOR comity ON COLUMN visits.person  IS 'join';              -- equality, never shown
SECURITY LABEL FOR comity ON COLUMN visits.region  IS 'group min 10';
SECURITY LABEL FOR comity ON COLUMN visits.year    IS 'group min 10';
SECURITY LABEL FOR comity ON COLUMN visits.visited IS 'filter';
SECURITY LABEL FOR comity ON COLUMN visits.days    IS 'aggregate min 10';
SECURITY LABEL FOR comity ON COLUMN visits.cost    IS 'aggregate min 10';  -- note stays private
GRANT SELECT ON visits TO research;
