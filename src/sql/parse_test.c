#include "sql/ast.h"
#include "sql/sql_int.h"
#include "sql/stmt.h"

// clang-format off
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    cm_arena arena;
    cm_diag diag;
    cm_stmts stmts;
} fixture;

static int setup(void **state)
{
    static fixture f;

    f = (fixture){0};
    assert_int_equal(cm_arena_init(&f.arena, (size_t)512 << 20), CM_OK);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;

    cm_arena_fini(&f->arena);
    return 0;
}

/* The only statement of a text. */
static const cm_stmt *one(fixture *f, const char *sql)
{
    cm_diag_reset(&f->diag);
    if (cm_sql_parse(sql, &f->arena, &f->stmts, &f->diag) != CM_OK) {
        fail_msg("%s: %s at %d", sql, f->diag.message, f->diag.position);
    }
    assert_int_equal(f->stmts.count, 1);
    return f->stmts.stmt;
}

static void refused(fixture *f, const char *sql, const char *sqlstate, const char *message,
                    int position)
{
    cm_diag_reset(&f->diag);
    if (cm_sql_parse(sql, &f->arena, &f->stmts, &f->diag) == CM_OK) {
        fail_msg("%s was taken", sql);
    }
    assert_string_equal(f->diag.message, message);
    assert_string_equal(f->diag.sqlstate, sqlstate);
    assert_int_equal(f->diag.position, position);
}

static void test_owner_ddl(void **state)
{
    fixture *f = *state;
    const cm_stmt *s =
        one(f, "CREATE SERVER claims FOREIGN DATA WRAPPER postgres OPTIONS (conninfo "
               "'dbname=claims');");

    assert_int_equal(s->kind, CM_STMT_CREATE_SERVER);
    assert_string_equal(s->tag, "CREATE SERVER");
    assert_string_equal(s->name, "claims");
    assert_string_equal(s->foreign.wrapper, "postgres");
    assert_string_equal(cm_options_get(&s->options, "conninfo"), "dbname=claims");
    assert_null(cm_options_get(&s->options, "dbname"));

    s = one(f, "CREATE TYPE region AS ENUM ('north', 'south', 'east', 'west')");
    assert_int_equal(s->kind, CM_STMT_CREATE_ENUM);
    assert_int_equal(s->labels, 4);
    assert_string_equal(s->label[3], "west");

    s = one(f, "SECURITY LABEL FOR comity ON COLUMN visits.cost IS 'aggregate min 10'");
    assert_int_equal(s->kind, CM_STMT_LABEL);
    assert_string_equal(s->name, "visits");
    assert_string_equal(s->column, "cost");
    assert_null(s->schema);
    assert_string_equal(s->value, "aggregate min 10");
    s = one(f, "SECURITY LABEL ON COLUMN a.visits.cost IS NULL");
    assert_string_equal(s->schema, "a");
    assert_null(s->value);
    s = one(f, "SECURITY LABEL ON FOREIGN TABLE visits IS 'private'");
    assert_null(s->column);

    s = one(f, "IMPORT FOREIGN SCHEMA public LIMIT TO (a, b) FROM SERVER claims INTO hospital");
    assert_int_equal(s->kind, CM_STMT_IMPORT_SCHEMA);
    assert_true(s->foreign.limit_to);
    assert_int_equal(s->foreign.names, 2);
    assert_string_equal(s->foreign.name[1], "b");
    assert_string_equal(s->foreign.remote_schema, "public");
    assert_string_equal(s->foreign.local_schema, "hospital");

    assert_int_equal(one(f, "ANALYZE")->kind, CM_STMT_ANALYZE);
    assert_string_equal(one(f, "ANALYZE visits")->name, "visits");
    s = one(f, "DROP FOREIGN TABLE IF EXISTS h.visits");
    assert_int_equal(s->kind, CM_STMT_DROP_TABLE);
    assert_true(s->if_exists);
    assert_string_equal(s->schema, "h");
    assert_int_equal(one(f, "DROP TYPE region")->kind, CM_STMT_DROP_TYPE);
    assert_int_equal(one(f, "DROP SERVER claims")->kind, CM_STMT_DROP_SERVER);
}

static void test_foreign_table(void **state)
{
    fixture *f = *state;
    const cm_stmt *s =
        one(f, "CREATE FOREIGN TABLE visits (\n"
               "    person   varchar(16) NOT NULL,\n"
               "    region   region      NOT NULL,\n"
               "    year     int         CHECK (year BETWEEN 2000 AND 2030),\n"
               "    cost     numeric(10,2) CHECK (cost >= -1.5 AND 99 >= cost),\n"
               "    note     text OPTIONS (column_name 'Note', max_bytes '20'),\n"
               "    day      date, UNIQUE (person), CHECK (day >= DATE '2020-01-01')\n"
               ") SERVER claims OPTIONS (table 'public.visits')");
    const char *labels[] = {"north", "south"};
    const cm_enum region = {"region", 2, labels};
    const cm_enum *const enums[] = {&region};
    cm_column col[6];

    assert_int_equal(s->kind, CM_STMT_CREATE_TABLE);
    assert_string_equal(s->foreign.server, "claims");
    assert_int_equal(s->columns, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(
            cm_column_resolve(&s->columndef[i], enums, 1, &f->arena, &col[i], &f->diag), CM_OK);
    }
    assert_true(col[0].unique && col[0].not_null);
    assert_int_equal(col[0].type.kind, CM_TYPE_TEXT);
    assert_int_equal(col[0].type.max_bytes, 16);
    assert_int_equal(col[1].type.kind, CM_TYPE_ENUM);
    assert_true(col[1].has_check && col[1].range.hi == 1);
    assert_true(col[2].has_check && col[2].range.lo == 2000 && col[2].range.hi == 2030);
    assert_true(col[3].range.lo == -150 && col[3].range.hi == 9900);
    assert_int_equal(col[4].type.max_bytes, 20);
    assert_string_equal(cm_options_get(&s->columndef[4].options, "column_name"), "Note");
    assert_true(col[5].range.lo == 7305 && !col[5].not_null);

    s = one(f, "CREATE FOREIGN TABLE IF NOT EXISTS t (a bigint PRIMARY KEY, b real) SERVER s");
    assert_true(s->if_not_exists);
    assert_true(s->columndef[0].unique && s->columndef[0].not_null);
    assert_int_equal(cm_column_resolve(&s->columndef[1], enums, 1, &f->arena, col, &f->diag),
                     CM_EINVAL);
    assert_string_equal(f->diag.sqlstate, "42704");
    assert_int_equal(f->diag.position, 61);

    s = one(f, "CREATE FOREIGN TABLE t (a int, b int, PRIMARY KEY (b, a), UNIQUE (a, b)) SERVER s");
    assert_int_equal(s->keys, 2);
    assert_true(s->key[0].primary && !s->key[1].primary);
    assert_int_equal(s->key[0].cols, 2);
    assert_int_equal(s->key[0].col[0], 1);
    assert_int_equal(s->key[0].col[1], 0);
    assert_true(s->columndef[0].not_null && !s->columndef[0].unique);
    refused(f, "CREATE FOREIGN TABLE t (a int, UNIQUE (a, c)) SERVER s", "42703",
            "column \"c\" named in a constraint does not exist", 32);
    refused(f, "CREATE FOREIGN TABLE t (a int, UNIQUE (a, a)) SERVER s", "42701",
            "column \"a\" appears twice in unique constraint", 32);
    refused(f, "CREATE FOREIGN TABLE t (a int, PRIMARY KEY USING INDEX i) SERVER s", "0A000",
            "a key that names no column is not supported", 32);
    refused(f, "CREATE FOREIGN TABLE t (a int CHECK (a % 2 = 0)) SERVER s", "0A000",
            "this CHECK is not supported", 31);
    refused(f, "CREATE FOREIGN TABLE t (a int, A int) SERVER s", "42701",
            "column \"a\" specified more than once", 32);
    refused(f, "CREATE FOREIGN TABLE t (a int DEFAULT 1) SERVER s", "0A000",
            "this kind of constraint is not supported", 31);
}

static void test_rights(void **state)
{
    fixture *f = *state;
    const cm_stmt *s = one(f, "GRANT SELECT ON visits, tests TO insurer, PUBLIC");

    assert_int_equal(s->kind, CM_STMT_GRANT);
    assert_false(s->grant.revoke);
    assert_int_equal(s->grant.tables, 2);
    assert_string_equal(s->grant.table[1], "tests");
    assert_int_equal(s->grant.grantees, 2);
    assert_string_equal(s->grant.grantee[0], "insurer");
    assert_string_equal(s->grant.grantee[1], "public");
    s = one(f, "REVOKE ALL ON ALL TABLES IN SCHEMA h FROM insurer");
    assert_true(s->grant.revoke && s->grant.all_tables);
    assert_string_equal(s->schema, "h");
    s = one(f, "GRANT administrator, publisher TO ann");
    assert_int_equal(s->kind, CM_STMT_GRANT_ROLE);
    assert_int_equal(s->grant.roles, 2);
    assert_string_equal(s->grant.grantee[0], "ann");
    s = one(f, "CREATE USER ann LOGIN NOSUPERUSER PASSWORD 'secret' IN ROLE analyst");
    assert_int_equal(s->kind, CM_STMT_CREATE_ROLE);
    assert_string_equal(s->password, "secret");
    assert_string_equal(s->grant.role[0], "analyst");
    assert_int_equal(one(f, "ALTER ROLE ann PASSWORD 'new'")->kind, CM_STMT_ALTER_ROLE);
    assert_int_equal(one(f, "DROP ROLE IF EXISTS ann")->kind, CM_STMT_DROP_ROLE);

    refused(f, "GRANT INSERT ON t TO x", "0A000", "a right other than SELECT is not supported", 0);
    refused(f, "GRANT SELECT (a) ON t TO x", "0A000", "a right on single columns is not supported",
            0);
    refused(f, "CREATE ROLE x SUPERUSER", "0A000", "role attribute \"superuser\" is not supported",
            15);
}

static void test_session(void **state)
{
    fixture *f = *state;
    const cm_stmt *s = one(f, "SET search_path = a, 'B'");

    assert_int_equal(s->kind, CM_STMT_SET);
    assert_string_equal(s->value, "a, B");
    assert_string_equal(one(f, "SET comity.wait TO 5")->name, "comity.wait");
    assert_null(one(f, "RESET ALL")->value);
    assert_string_equal(one(f, "RESET x")->tag, "RESET");
    assert_string_equal(one(f, "SET TIME ZONE 'UTC'")->name, "timezone");
    assert_string_equal(one(f, "SHOW TIME ZONE")->name, "timezone");
    assert_int_equal(one(f, "SET TRANSACTION READ ONLY")->kind, CM_STMT_SET);
    assert_int_equal(one(f, "BEGIN")->kind, CM_STMT_BEGIN);
    assert_string_equal(one(f, "START TRANSACTION")->tag, "START TRANSACTION");
    assert_int_equal(one(f, "END")->kind, CM_STMT_COMMIT);
    assert_int_equal(one(f, "ROLLBACK")->kind, CM_STMT_ROLLBACK);
    assert_int_equal(one(f, "DISCARD ALL")->kind, CM_STMT_DISCARD);
    assert_null(one(f, "DEALLOCATE ALL")->name);
    assert_string_equal(one(f, "DEALLOCATE q")->name, "q");
    s = one(f, "EXECUTE q (1, -2.5, 'x', NULL, DATE '2025-01-01', true)");
    assert_int_equal(s->args, 6);
    assert_string_equal(s->arg[1], "-2.5");
    assert_null(s->arg[3]);
    assert_string_equal(s->arg[4], "2025-01-01");
    assert_string_equal(s->arg[5], "true");
    s = one(f, "PREPARE q AS SELECT a FROM t WHERE b = $2");
    assert_int_equal(s->kind, CM_STMT_PREPARE);
    assert_int_equal(s->params, 2);
    assert_string_equal(s->query, "SELECT a FROM t WHERE b = $2");
    assert_int_equal(s->query_offset, 13);
    s = one(f, "ROLLBACK TO SAVEPOINT x");
    assert_int_equal(s->kind, CM_STMT_ROLLBACK_TO);
    assert_string_equal(s->name, "x");
}

static void test_cursors(void **state)
{
    fixture *f = *state;
    const cm_stmt *s = one(f, "DECLARE \"C c\" NO SCROLL CURSOR WITH HOLD FOR SELECT $1 FROM t");

    assert_int_equal(s->kind, CM_STMT_DECLARE);
    assert_string_equal(s->name, "C c");
    assert_true(s->cursor.hold && s->cursor.forward_only);
    assert_string_equal(s->query, "SELECT $1 FROM t");
    assert_int_equal(s->query_offset, 45);
    assert_int_equal(s->params, 1);
    s = one(f, "MOVE BACKWARD ALL IN c");
    assert_int_equal(s->kind, CM_STMT_FETCH);
    assert_true(s->cursor.move && s->cursor.fetch == CM_FETCH_BACKWARD);
    assert_true(s->cursor.count == INT64_MAX);
    s = one(f, "COPY (SELECT (a) FROM (VALUES (1)) v (a)) TO STDOUT (FORMAT csv, NULL 'x')");
    assert_int_equal(s->kind, CM_STMT_COPY);
    assert_string_equal(s->query, "SELECT (a) FROM (VALUES (1)) v (a)");
    assert_int_equal(s->query_offset, 6);
    assert_true(s->copy.csv && s->copy.delimiter == ',');
    assert_string_equal(s->copy.null, "x");
    s = one(f, "COPY h.\"t t\" (a, \"b\"\"c\") TO STDOUT");
    assert_string_equal(s->query, "SELECT \"a\", \"b\"\"c\" FROM \"h\".\"t t\"");
    refused(f, "COPY t FROM STDIN", "0A000", "COPY FROM is not supported", 1);
    refused(f, "COPY t TO STDOUT (DELIMITER 'ab')", "22023",
            "COPY delimiter must be a single one-byte character", 19);
    refused(f, "DECLARE c BINARY CURSOR FOR SELECT 1", "0A000", "a BINARY cursor is not supported",
            0);
}

static void test_explain(void **state)
{
    fixture *f = *state;
    const cm_stmt *s = one(f, "EXPLAIN SELECT 1 FROM t");

    assert_int_equal(s->kind, CM_STMT_EXPLAIN);
    assert_true(s->explain.disclosure && s->explain.cost);
    assert_false(s->explain.analyze || s->explain.json);
    assert_string_equal(s->query, "SELECT 1 FROM t");
    s = one(f, " EXPLAIN (ANALYZE, COST OFF, DISCLOSURE false, FORMAT JSON)\n(SELECT 1 FROM t)");
    assert_true(s->explain.analyze && s->explain.json);
    assert_false(s->explain.disclosure || s->explain.cost);
    assert_string_equal(s->query, "(SELECT 1 FROM t)");
    assert_int_equal(s->query_offset, 60);
    s = one(f, "EXPLAIN ANALYZE VERBOSE WITH x AS (SELECT 1 FROM t) SELECT * FROM x");
    assert_string_equal(s->query, "WITH x AS (SELECT 1 FROM t) SELECT * FROM x");
    s = one(f, "EXPLAIN (SELECT 1 FROM t)");
    assert_string_equal(s->query, "(SELECT 1 FROM t)");
    refused(f, "EXPLAIN (FOO) SELECT 1", "42601", "unrecognized EXPLAIN option \"foo\"", 10);
    s = one(f, "EXPLAIN (BUFFERS, TIMING off, VERBOSE) EXECUTE p(1)");
    assert_true(s->explain.execute && s->args == 1);
    s = one(f, "EXPLAIN CREATE MATERIALIZED VIEW v (a) AS SELECT 1 FROM t WITH DATA");
    assert_true(s->explain.matview && s->view.cols == 1);
    assert_string_equal(s->query, "SELECT 1 FROM t ");
    refused(f, "EXPLAIN (FORMAT xml) SELECT 1", "0A000", "EXPLAIN format xml is not supported", 10);
    refused(f, "EXPLAIN DELETE FROM t", "0A000", "EXPLAIN of anything but SELECT is not supported",
            0);
}

static void test_split(void **state)
{
    fixture *f = *state;
    const char *text = "\n/* caf\xc3\xa9 */ SELECT a FROM t ;; -- x\n SELECT 'a;b' FROM \xc3\xa9;";

    assert_int_equal(cm_sql_parse(text, &f->arena, &f->stmts, &f->diag), CM_OK);
    assert_int_equal(f->stmts.count, 2);
    assert_string_equal(f->stmts.stmt[0].sql, "/* caf\xc3\xa9 */ SELECT a FROM t");
    assert_int_equal(f->stmts.stmt[0].offset, 1);
    assert_string_equal(f->stmts.stmt[1].sql, "-- x\n SELECT 'a;b' FROM \xc3\xa9");
    assert_int_equal(f->stmts.stmt[1].offset, 31);
    /* Positions count characters of the whole text. */
    assert_int_equal(f->stmts.stmt[0].select->target[0].expr->position, 20);
    assert_int_equal(f->stmts.stmt[1].select->from[0]->position, 56);
    assert_int_equal(cm_sql_parse("", &f->arena, &f->stmts, &f->diag), CM_OK);
    assert_int_equal(f->stmts.count, 0);
    assert_int_equal(cm_sql_parse(" ; -- nothing", &f->arena, &f->stmts, &f->diag), CM_OK);
    assert_int_equal(f->stmts.count, 0);
}

static void test_whose_tables(void **state)
{
    static const struct {
        const char *sql;
        cm_stmt_kind kind;
    } cases[] = {
        {"SELECT 1", CM_STMT_PLAIN_SELECT},
        {"SELECT upper('a') || 'b', sum(x) OVER () FROM (SELECT 1::numeric) s (x)",
         CM_STMT_PLAIN_SELECT},
        {"SELECT 2 IN (SELECT 2), 1 = ANY (ARRAY[1, 2]), (1, 2) = (3, 4)", CM_STMT_PLAIN_SELECT},
        {"SELECT 'a' ~ 'b'", CM_STMT_SYSTEM_SELECT},
        {"SELECT '1'::oid", CM_STMT_SYSTEM_SELECT},
        {"SELECT 1 = ANY ('{1}')", CM_STMT_SYSTEM_SELECT},
        {"SELECT current_user", CM_STMT_SYSTEM_SELECT},
        {"SELECT version(), current_schema()", CM_STMT_SYSTEM_SELECT},
        {"VALUES (1)", CM_STMT_PLAIN_SELECT},
        {"SELECT * FROM pg_class c, pg_catalog.pg_namespace n WHERE c.relnamespace = n.oid AND "
         "c.relname OPERATOR(pg_catalog.~) '^(x)$' COLLATE pg_catalog.default",
         CM_STMT_SYSTEM_SELECT},
        {"SELECT table_name FROM information_schema.tables", CM_STMT_SYSTEM_SELECT},
        {"SELECT a FROM generate_series(1, 3) a", CM_STMT_SYSTEM_SELECT},
        {"SELECT ARRAY(SELECT 1)", CM_STMT_SYSTEM_SELECT},
        {"WITH x AS (SELECT 1) SELECT * FROM x", CM_STMT_PLAIN_SELECT},
        {"SELECT a FROM t", CM_STMT_SELECT},
        {"SELECT (SELECT count(*) FROM t)", CM_STMT_SELECT},
        {"SELECT ARRAY[(SELECT 1 FROM t)]", CM_STMT_SELECT},
        {"WITH x AS (SELECT a FROM t) SELECT * FROM x", CM_STMT_SELECT},
        {"SELECT 1 UNION SELECT a FROM t", CM_STMT_SELECT},
        {"TABLE visits", CM_STMT_SELECT},
        {"SELECT count(*) OVER () FROM h.t", CM_STMT_SELECT},
    };
    fixture *f = *state;

    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        assert_int_equal(one(f, cases[i].sql)->kind, cases[i].kind);
    }
}

static void test_views(void **state)
{
    fixture *f = *state;
    const cm_stmt *s = one(f, "create or replace view public.v (x, \"Y y\") as "
                              "select 1, 2 from t, (select 2 from h.u) s -- all");

    assert_int_equal(s->kind, CM_STMT_CREATE_VIEW);
    assert_string_equal(s->name, "v");
    assert_string_equal(s->schema, "public");
    assert_true(s->view.replace);
    assert_int_equal(s->view.cols, 2);
    assert_string_equal(s->view.col[1], "Y y");
    assert_string_equal(s->query, "select 1, 2 from t, (select 2 from h.u) s -- all");
    assert_int_equal(s->relations, 2);
    s = one(f, "DROP VIEW IF EXISTS v CASCADE");
    assert_int_equal(s->kind, CM_STMT_DROP_VIEW);
    assert_true(s->if_exists && s->view.cascade);

    s = one(f, "CREATE MATERIALIZED VIEW IF NOT EXISTS m (a) AS SELECT b FROM t WITH NO DATA -- x");
    assert_int_equal(s->kind, CM_STMT_CREATE_MATVIEW);
    assert_true(s->if_not_exists && s->view.no_data);
    assert_string_equal(s->query, "SELECT b FROM t ");
    s = one(f, "create materialized view m as select b as with_data from t with data");
    assert_false(s->view.no_data);
    assert_string_equal(s->query, "select b as with_data from t ");
    assert_string_equal(one(f, "CREATE MATERIALIZED VIEW m AS SELECT 1")->query, "SELECT 1");
    assert_int_equal(one(f, "REFRESH MATERIALIZED VIEW m")->kind, CM_STMT_REFRESH_MATVIEW);
    assert_int_equal(one(f, "DROP MATERIALIZED VIEW m")->kind, CM_STMT_DROP_MATVIEW);

    /* How a query with views travels. */
    static const char text[] =
        "CREATE VIEW a AS SELECT 1 FROM t;\n CREATE VIEW b AS SELECT * FROM a;"
        "SELECT x FROM b";
    assert_int_equal(cm_sql_parse_query(text, &f->arena, &s, &f->diag), CM_OK);
    assert_string_equal(s->query, "SELECT x FROM b");
    assert_int_equal(s->select->views, 2);
    f->diag.position = s->offset + 8;
    cm_sql_query_position(s, &f->diag);
    assert_int_equal(f->diag.position, 8);
    f->diag.position = 13; /* within a view */
    cm_sql_query_position(s, &f->diag);
    assert_int_equal(f->diag.position, 0);
    assert_int_not_equal(cm_sql_parse_query("SELECT 1; SELECT 2", &f->arena, &s, &f->diag), CM_OK);
    cm_diag_reset(&f->diag);

    s = one(f, "PREPARE p (int, numeric(10, 2)) AS SELECT $1, $2, $3 FROM t WHERE a = $1");
    assert_string_equal(s->query, "SELECT CAST($1 AS int), CAST($2 AS  numeric(10, 2)), $3 FROM t "
                                  "WHERE a = CAST($1 AS int)");
    assert_int_equal(s->params, 3);
}

static void test_errors(void **state)
{
    fixture *f = *state;

    refused(f, "SELECT \xc3\xa9, frm x wher", "42601", "syntax error at or near \"wher\"", 17);
    refused(f, "SELECT a FROM", "42601", "syntax error at end of input", 14);
    refused(f, "SELECT 'abc", "42601", "unterminated quoted string at or near \"'abc\"", 8);
    refused(f, "SELECT a FROM t; CREATE TABLE x (a int)", "0A000", "CREATE TABLE is not supported",
            17);
    refused(f, "INSERT INTO t VALUES (1)", "0A000", "INSERT is not supported", 1);
    refused(f, "/* c */ create sequence v", "0A000", "CREATE SEQUENCE is not supported", 1);
    refused(f, "SELECT $70000", "42P02", "there is no parameter $70000", 8);
    refused(f, "SELECT '\xff'", "22021", "invalid byte sequence for encoding \"UTF8\"", 0);
    refused(f, "DROP TABLE a, b", "0A000", "DROP of several objects at once is not supported", 0);
}

/* Deep trees are an error, neither a crash nor a long wait; flat ones of the same length are fine.
 */
static void test_depth(void **state)
{
    static const struct {
        const char *head, *item, *tail;
        int count;
        const char *sqlstate; /* NULL: fine */
    } cases[] = {
        {"SELECT 1", "+1", "", 300, NULL},
        {"SELECT 1", "+1", "", 2000, "54001"},
        {"SELECT 1", "+1", "", 400000, "54001"},
        {"SELECT ", "(", "", 300000, "54001"},
        {"SELECT ", "-", "a", 300000, NULL}, /* a comment */
        {"SELECT ", "- ", "a", 15000, "54001"},
        {"SELECT ", "NOT ", "a", 15000, "54001"},
        {"SELECT ", "(SELECT ", "", 3000, "42601"},
        {"SELECT a FROM t WHERE a = 1", " OR a = 1", "", 4000, NULL},
        {"SELECT a FROM t WHERE a IN (1", ", 1", ")", 300000, NULL},
        {"SELECT a FROM t", ", t", "", 300000, NULL},
        {"SELECT 1", " UNION SELECT 1", "", 5000, "54001"},
        {"SELECT a FROM t", " CROSS JOIN t", "", 5000, "54001"},
        {"", "SELECT 1;", "", 100000, NULL},
    };
    fixture *f = *state;

    for (size_t i = 0; i < CM_COUNT(cases); i++) {
        size_t item = strlen(cases[i].item);
        size_t bytes = strlen(cases[i].head);
        char *sql = malloc(bytes + item * (size_t)cases[i].count + strlen(cases[i].tail) + 1);
        assert_non_null(sql);
        memcpy(sql, cases[i].head, bytes);
        for (int k = 0; k < cases[i].count; k++, bytes += item) {
            memcpy(sql + bytes, cases[i].item, item);
        }
        memcpy(sql + bytes, cases[i].tail, strlen(cases[i].tail) + 1);
        cm_diag_reset(&f->diag);
        cm_status st = cm_sql_parse(sql, &f->arena, &f->stmts, &f->diag);
        if (cases[i].sqlstate == NULL ? st != CM_OK
                                      : strcmp(f->diag.sqlstate, cases[i].sqlstate) != 0) {
            fail_msg("%zu: %s %s", i, f->diag.sqlstate, f->diag.message);
        }
        free(sql);
        cm_arena_reset(&f->arena);
    }
    char *large = malloc(CM_SQL_MAX_BYTES + 2);
    assert_non_null(large);
    memset(large, ' ', CM_SQL_MAX_BYTES + 1);
    large[CM_SQL_MAX_BYTES + 1] = '\0';
    refused(f, large, "54000", "SQL text is longer than 1048576 bytes", 0);
    free(large);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Random bytes, and statements whose words were shuffled, are taken or refused. */
static void test_garbage(void **state)
{
    static const char *const words[] = {
        "SELECT",  "FROM",  "WHERE", "a",      "t",     ",",     "(",     ")",       "1",
        "'x'",     "=",     "+",     "AND",    "OR",    "NOT",   "IN",    "BETWEEN", "CASE",
        "WHEN",    "THEN",  "ELSE",  "END",    "GROUP", "BY",    "ORDER", "LIMIT",   "JOIN",
        "ON",      "LEFT",  "USING", "WITH",   "AS",    "count", "*",     ".",       "::int",
        "CREATE",  "TYPE",  "ENUM",  "GRANT",  "TO",    "DROP",  "TABLE", "SERVER",  "OPTIONS",
        "FOREIGN", "CHECK", ";",     "EXISTS", "$1",    "NULL",  "IS",    "EXPLAIN", "EXECUTE",
        "SET",     "DATE",  "LIKE",  "UNION",  "OVER",  "[",     "]",     "ROW",     "INTERVAL",
    };
    fixture *f = *state;
    uint32_t seed = 7;
    char text[512];

    for (int round = 0; round < 3000; round++) {
        size_t bytes = 0;
        if (round % 3 == 0) {
            for (size_t count = next_random(&seed) % 60; bytes < count; bytes++) {
                text[bytes] = (char)(1 + next_random(&seed) % (round % 2 == 0 ? 255 : 127));
            }
        } else {
            for (size_t count = 1 + next_random(&seed) % 24; count > 0; count--) {
                const char *word = words[next_random(&seed) % CM_COUNT(words)];
                memcpy(text + bytes, word, strlen(word));
                bytes += strlen(word);
                text[bytes++] = ' ';
            }
        }
        text[bytes] = '\0';
        cm_diag_reset(&f->diag);
        cm_status st = cm_sql_parse(text, &f->arena, &f->stmts, &f->diag);
        assert_int_equal(st, f->diag.status);
        if (st != CM_OK) {
            assert_int_equal(strlen(f->diag.sqlstate), 5);
        }
        cm_arena_reset(&f->arena);
    }
}

static void test_fingerprint(void **state)
{
    fixture *f = *state;
    const char *a, *b, *c;

    assert_int_equal(cm_sql_fingerprint("SELECT a FROM t WHERE b = 1", &f->arena, &a, &f->diag),
                     CM_OK);
    assert_int_equal(cm_sql_fingerprint("select a  from t where b=27", &f->arena, &b, &f->diag),
                     CM_OK);
    assert_int_equal(cm_sql_fingerprint("SELECT c FROM t WHERE b = 1", &f->arena, &c, &f->diag),
                     CM_OK);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    assert_int_equal(cm_sql_fingerprint("SELECT FROM WHERE", &f->arena, &a, &f->diag), CM_EINVAL);
}

/* Gives arg back when all went well. */
static void *parse_often(void *arg)
{
    cm_arena arena;
    cm_stmts stmts;
    cm_diag diag = {0};

    if (cm_arena_init(&arena, 8 << 20) != CM_OK) {
        return NULL;
    }
    for (int i = 0; i < 200; i++) {
        if (cm_sql_parse("SELECT a, count(*) FROM t GROUP BY a", &arena, &stmts, &diag) != CM_OK ||
            cm_sql_parse("SELECT FROM WHERE", &arena, &stmts, NULL) == CM_OK) {
            cm_arena_fini(&arena);
            return NULL;
        }
        cm_arena_reset(&arena);
    }
    cm_arena_fini(&arena);
    return arg;
}

static void test_threads(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, parse_often, threads), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, threads);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_owner_ddl),   CASE(test_foreign_table), CASE(test_rights),
        CASE(test_session),     CASE(test_explain),       CASE(test_split),
        CASE(test_cursors),     CASE(test_whose_tables),  CASE(test_errors),
        CASE(test_views),       CASE(test_depth),         CASE(test_garbage),
        CASE(test_fingerprint), CASE(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
