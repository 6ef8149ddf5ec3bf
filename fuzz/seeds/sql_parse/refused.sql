INSERT INTO t VALUES (1); UPDATE t SET a = 1; DELETE FROM t; CREATE TABLE t (a int); COPY t FROM stdin;
SELECT * FROM a, LATERAL (SELECT 1) b; SELECT a[1:2], ROW(1,2), ARRAY[1], x::json->>'a' FROM t WINDOW w AS ();
VALUES (1), (2); TABLE t; SELECT 1 UNION ALL SELECT 2; DO $x$ begin end $x$; LISTEN a; /* open /* nested */
