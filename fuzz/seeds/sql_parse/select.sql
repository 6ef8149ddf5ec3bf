WITH x AS (SELECT region, sum(cost) AS c FROM north.visits WHERE year = $1 GROUP BY region)
SELECT DISTINCT r.name, c / nullif(count(*), 0)::numeric(10,2), CASE WHEN c > 1.5e3 THEN 'a' ELSE E'b\n' END
FROM x LEFT JOIN regions r USING (region) JOIN (SELECT 1 AS one) s ON true
WHERE note LIKE 'a%\_' AND seen BETWEEN date '2020-01-01' AND $2 AND region IN ('north', 'south')
  AND EXISTS (SELECT 1 FROM tumours WHERE stage IS NOT NULL) AND NOT ok
  AND extract(year FROM seen) + interval '1 year 2 months' > now()
GROUP BY 1, 2 HAVING count(DISTINCT person) FILTER (WHERE ok) > 20
ORDER BY 2 DESC NULLS FIRST LIMIT 10 OFFSET 5;
SELECT version(), current_database(); SELECT relname FROM pg_catalog.pg_class c WHERE c.oid = 1
