-- The southern hospital also keeps the tumour registry.
CREATE TYPE stage AS ENUM ('I', 'II', 'III', 'IV');
CREATE FOREIGN TABLE tumours (
    person    varchar(8) PRIMARY KEY,
    stage     stage      NOT NULL,
    diagnosed date       NOT NULL CHECK (diagnosed BETWEEN '2010-01-01' AND '2030-12-31'),
    weight    int        CHECK (weight BETWEEN 0 AND 400)
) SERVER data OPTIONS (table 'tumours');
SECURITY LABEL FOR comity ON COLUMN tumours.person    IS 'join';
SECURITY LABEL FOR comity ON COLUMN tumours.stage     IS 'group min 10';
SECURITY LABEL FOR comity ON COLUMN tumours.diagnosed IS 'filter';
SECURITY LABEL FOR comity ON COLUMN tumours.weight    IS 'aggregate min 10';
GRANT SELECT ON tumours TO research;
