/* The tables as their owners publish them: TPC-H's columns, with domains and keys declared. */
#include "cli/tpch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const CM_TPCH_ORGS[CM_BENCH_PARTIES] = {"north", "south", "east"};

/*
 * Columns whose values the definition lists (4.2.2.13 and 4.2.3 there) are enums, as IMPORT FOREIGN
 * SCHEMA would make them.  Q19 asks for a mode, AIR REG, that no row has.
 */
static const char *const TYPES[] = {
    "CREATE TYPE region_name AS ENUM ('AFRICA', 'AMERICA', 'ASIA', 'EUROPE', 'MIDDLE EAST')",
    "CREATE TYPE nation_name AS ENUM ('ALGERIA', 'ARGENTINA', 'BRAZIL', 'CANADA', 'CHINA', "
    "'EGYPT', 'ETHIOPIA', 'FRANCE', 'GERMANY', 'INDIA', 'INDONESIA', 'IRAN', 'IRAQ', 'JAPAN', "
    "'JORDAN', 'KENYA', 'MOROCCO', 'MOZAMBIQUE', 'PERU', 'ROMANIA', 'RUSSIA', 'SAUDI ARABIA', "
    "'UNITED KINGDOM', 'UNITED STATES', 'VIETNAM')",
    "CREATE TYPE manufacturer AS ENUM ('Manufacturer#1', 'Manufacturer#2', 'Manufacturer#3', "
    "'Manufacturer#4', 'Manufacturer#5')",
    "CREATE TYPE brand AS ENUM ('Brand#11', 'Brand#12', 'Brand#13', 'Brand#14', 'Brand#15', "
    "'Brand#21', 'Brand#22', 'Brand#23', 'Brand#24', 'Brand#25', 'Brand#31', 'Brand#32', "
    "'Brand#33', 'Brand#34', 'Brand#35', 'Brand#41', 'Brand#42', 'Brand#43', 'Brand#44', "
    "'Brand#45', 'Brand#51', 'Brand#52', 'Brand#53', 'Brand#54', 'Brand#55')",
    "CREATE TYPE container AS ENUM ('JUMBO BAG', 'JUMBO BOX', 'JUMBO CAN', 'JUMBO CASE', "
    "'JUMBO DRUM', 'JUMBO JAR', 'JUMBO PACK', 'JUMBO PKG', 'LG BAG', 'LG BOX', 'LG CAN', 'LG "
    "CASE', 'LG DRUM', 'LG JAR', 'LG PACK', 'LG PKG', 'MED BAG', 'MED BOX', 'MED CAN', 'MED "
    "CASE', 'MED DRUM', 'MED JAR', 'MED PACK', 'MED PKG', 'SM BAG', 'SM BOX', 'SM CAN', 'SM "
    "CASE', 'SM DRUM', 'SM JAR', 'SM PACK', 'SM PKG', 'WRAP BAG', 'WRAP BOX', 'WRAP CAN', "
    "'WRAP CASE', 'WRAP DRUM', 'WRAP JAR', 'WRAP PACK', 'WRAP PKG')",
    "CREATE TYPE segment AS ENUM ('AUTOMOBILE', 'BUILDING', 'FURNITURE', 'HOUSEHOLD', "
    "'MACHINERY')",
    "CREATE TYPE order_status AS ENUM ('F', 'O', 'P')",
    "CREATE TYPE priority AS ENUM ('1-URGENT', '2-HIGH', '3-MEDIUM', '4-NOT SPECIFIED', "
    "'5-LOW')",
    "CREATE TYPE return_flag AS ENUM ('A', 'N', 'R')",
    "CREATE TYPE line_status AS ENUM ('F', 'O')",
    "CREATE TYPE instruction AS ENUM ('COLLECT COD', 'DELIVER IN PERSON', 'NONE', 'TAKE BACK "
    "RETURN')",
    "CREATE TYPE mode AS ENUM ('AIR', 'AIR REG', 'FOB', 'MAIL', 'RAIL', 'REG AIR', 'SHIP', "
    "'TRUCK')",
};

/*
 * The definition's ranges (4.2.3 there).  $S, $P, $C, $O: how many suppliers, parts, customers
 * there are, and the greatest order key.
 */
static const char *const DDL[CM_TPCH_TABLES] = {
    "CREATE FOREIGN TABLE region (r_regionkey integer NOT NULL CHECK (r_regionkey BETWEEN 0 "
    "AND 4), r_name region_name NOT NULL, r_comment varchar(152), PRIMARY KEY (r_regionkey)) "
    "SERVER files",
    "CREATE FOREIGN TABLE nation (n_nationkey integer NOT NULL CHECK (n_nationkey BETWEEN 0 "
    "AND 24), n_name nation_name NOT NULL, n_regionkey integer NOT NULL CHECK (n_regionkey "
    "BETWEEN 0 AND 4), n_comment varchar(152), PRIMARY KEY (n_nationkey)) SERVER files",
    "CREATE FOREIGN TABLE supplier (s_suppkey integer NOT NULL CHECK (s_suppkey BETWEEN 1 AND "
    "$S), s_name char(25) NOT NULL, s_address varchar(40) NOT NULL, s_nationkey integer NOT "
    "NULL CHECK (s_nationkey BETWEEN 0 AND 24), s_phone char(15) NOT NULL, s_acctbal "
    "numeric(15,2) NOT NULL CHECK (s_acctbal BETWEEN -1000 AND 10000), s_comment varchar(101) "
    "NOT NULL, PRIMARY KEY (s_suppkey)) SERVER files",
    "CREATE FOREIGN TABLE part (p_partkey integer NOT NULL CHECK (p_partkey BETWEEN 1 AND "
    "$P), p_name varchar(55) NOT NULL, p_mfgr manufacturer NOT NULL, p_brand brand NOT NULL, "
    "p_type varchar(25) NOT NULL, p_size integer NOT NULL CHECK (p_size BETWEEN 1 AND 50), "
    "p_container container NOT NULL, p_retailprice numeric(15,2) NOT NULL CHECK "
    "(p_retailprice BETWEEN 0 AND 3000), p_comment varchar(23) NOT NULL, PRIMARY KEY "
    "(p_partkey)) SERVER files",
    "CREATE FOREIGN TABLE partsupp (ps_partkey integer NOT NULL CHECK (ps_partkey BETWEEN 1 "
    "AND $P), ps_suppkey integer NOT NULL CHECK (ps_suppkey BETWEEN 1 AND $S), ps_availqty "
    "integer NOT NULL CHECK (ps_availqty BETWEEN 1 AND 9999), ps_supplycost numeric(15,2) NOT "
    "NULL CHECK (ps_supplycost BETWEEN 0 AND 1000), ps_comment varchar(199) NOT NULL, PRIMARY "
    "KEY (ps_partkey, ps_suppkey)) SERVER files",
    "CREATE FOREIGN TABLE customer (c_custkey integer NOT NULL CHECK (c_custkey BETWEEN 1 AND "
    "$C), c_name varchar(25) NOT NULL, c_address varchar(40) NOT NULL, c_nationkey integer "
    "NOT NULL CHECK (c_nationkey BETWEEN 0 AND 24), c_phone char(15) NOT NULL, c_acctbal "
    "numeric(15,2) NOT NULL CHECK (c_acctbal BETWEEN -1000 AND 10000), c_mktsegment segment "
    "NOT NULL, c_comment varchar(117) NOT NULL, PRIMARY KEY (c_custkey)) SERVER files",
    "CREATE FOREIGN TABLE orders (o_orderkey integer NOT NULL CHECK (o_orderkey BETWEEN 1 AND "
    "$O), o_custkey integer NOT NULL CHECK (o_custkey BETWEEN 1 AND $C), o_orderstatus "
    "order_status NOT NULL, o_totalprice numeric(15,2) NOT NULL CHECK (o_totalprice BETWEEN 0 "
    "AND 700000), o_orderdate date NOT NULL CHECK (o_orderdate BETWEEN '1992-01-01' AND "
    "'1998-12-31'), o_orderpriority priority NOT NULL, o_clerk char(15) NOT NULL, "
    "o_shippriority integer NOT NULL CHECK (o_shippriority BETWEEN 0 AND 0), o_comment "
    "varchar(79) NOT NULL, PRIMARY KEY (o_orderkey)) SERVER files",
    "CREATE FOREIGN TABLE lineitem (l_orderkey integer NOT NULL CHECK (l_orderkey BETWEEN 1 "
    "AND $O), l_partkey integer NOT NULL CHECK (l_partkey BETWEEN 1 AND $P), l_suppkey "
    "integer NOT NULL CHECK (l_suppkey BETWEEN 1 AND $S), l_linenumber integer NOT NULL CHECK "
    "(l_linenumber BETWEEN 1 AND 7), l_quantity numeric(15,2) NOT NULL CHECK (l_quantity "
    "BETWEEN 0 AND 50), l_extendedprice numeric(15,2) NOT NULL CHECK (l_extendedprice BETWEEN "
    "0 AND 110000), l_discount numeric(15,2) NOT NULL CHECK (l_discount BETWEEN 0 AND 0.10), "
    "l_tax numeric(15,2) NOT NULL CHECK (l_tax BETWEEN 0 AND 0.08), l_returnflag return_flag "
    "NOT NULL, l_linestatus line_status NOT NULL, l_shipdate date NOT NULL CHECK (l_shipdate "
    "BETWEEN '1992-01-01' AND '1998-12-31'), l_commitdate date NOT NULL CHECK (l_commitdate "
    "BETWEEN '1992-01-01' AND '1998-12-31'), l_receiptdate date NOT NULL CHECK (l_receiptdate "
    "BETWEEN '1992-01-01' AND '1998-12-31'), l_shipinstruct instruction NOT NULL, l_shipmode "
    "mode NOT NULL, l_comment varchar(44) NOT NULL, PRIMARY KEY (l_orderkey, l_linenumber)) "
    "SERVER files",
};

/* A table's statement with the sizes in place. */
static void put_ddl(const cm_tpch_data *data, unsigned table, cm_buf *out)
{
    const uint64_t *rows = data->rows;
    for (const char *c = DDL[table]; *c != '\0'; c++) {
        if (*c != '$') {
            cm_buf_put(out, c, 1);
            continue;
        }
        c++;
        uint64_t size = *c == 'S'   ? rows[CM_TPCH_SUPPLIER]
                        : *c == 'P' ? rows[CM_TPCH_PART]
                        : *c == 'C' ? rows[CM_TPCH_CUSTOMER]
                                    : (rows[CM_TPCH_ORDERS] + 7) / 8 * 32; /* 8 of 32 are used */
        cm_buf_printf(out, "%llu", (unsigned long long)size);
    }
}

CM_MUST static cm_status parse_types(cm_arena *arena, const cm_enum **ret, cm_diag *diag)
{
    cm_status st = CM_OK;
    for (size_t i = 0; st == CM_OK && i < CM_COUNT(TYPES); i++) {
        cm_stmts stmts;
        st = cm_sql_parse(TYPES[i], arena, &stmts, diag);
        if (st == CM_OK) {
            cm_enum *type = CM_NEW_SMALL(arena, cm_enum, 1);
            *type = (cm_enum){stmts.stmt[0].name, stmts.stmt[0].labels, stmts.stmt[0].label};
            ret[i] = type;
        }
    }
    return st;
}

CM_MUST static cm_status parse_table(const cm_tpch_data *data, unsigned table,
                                     const cm_enum *const *types, cm_arena *arena,
                                     cm_org_table *ret, cm_source_table *ret_source, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    cm_stmts stmts;
    put_ddl(data, table, &sql);
    cm_status st = cm_sql_parse(cm_buf_text(&sql), arena, &stmts, diag);
    if (st != CM_OK) {
        return st;
    }
    const cm_stmt *create = &stmts.stmt[0];
    cm_column *col = CM_NEW_SMALL(arena, cm_column, create->columns);
    const char **names = CM_NEW_SMALL(arena, const char *, create->columns);
    for (size_t i = 0; st == CM_OK && i < create->columns; i++) {
        st = cm_column_resolve(&create->columndef[i], types, CM_COUNT(TYPES), arena, &col[i], diag);
        col[i].label.kind = CM_LABEL_REVEAL;
        names[i] = col[i].name;
    }
    *ret = (cm_org_table){.name = CM_TPCH_TABLE_NAMES[table],
                          .cols = create->columns,
                          .col = col,
                          .keys = create->keys,
                          .key = create->key};
    if (table == CM_TPCH_PARTSUPP && !data->offers_differ) {
        ret->keys = 0;
    }
    *ret_source = (cm_source_table){.remote = CM_TPCH_TABLE_NAMES[table], .remote_col = names};
    return st;
}

cm_status cm_tpch_schema_new(const cm_tpch_data *data, cm_arena *arena, cm_tpch_schema *ret,
                             cm_diag *diag)
{
    static const char *const EVERYBODY[] = {"public"};
    cm_member members[CM_BENCH_PARTIES];
    cm_org_table *tables =
        CM_NEW_SMALL(arena, cm_org_table, (size_t)CM_TPCH_TABLES * CM_BENCH_PARTIES);
    size_t count = 0;
    const cm_enum *types[CM_COUNT(TYPES)];
    cm_status st = parse_types(arena, types, diag);
    *ret = (cm_tpch_schema){.schema = NULL};
    for (unsigned i = 0; i < CM_BENCH_PARTIES; i++) {
        members[i] = (cm_member){.org = CM_TPCH_ORGS[i], .computes = true};
    }
    for (unsigned t = 0; st == CM_OK && t < CM_TPCH_TABLES; t++) {
        cm_org_table made;
        st = parse_table(data, t, types, arena, &made, &ret->table[t], diag);
        made.grants = 1;
        made.granted_to = EVERYBODY;
        for (unsigned i = 0; st == CM_OK && i < CM_BENCH_PARTIES; i++) {
            if (data->split[t] || data->home[t] == i) {
                made.org = CM_TPCH_ORGS[i];
                made.rows = cm_published_rows(data->part_rows[t][i]);
                tables[count++] = made;
            }
        }
    }
    return st != CM_OK ? st
                       : cm_schema_build("tpch", "rep3", members, CM_BENCH_PARTIES, tables, count,
                                         arena, &ret->schema, diag);
}

cm_status cm_tpch_open(const cm_tpch_data *data, unsigned owner, cm_source **ret, cm_diag *diag)
{
    char dir[80];
    char cache[96];
    (void)snprintf(dir, sizeof dir, "%s/%u", data->dir, owner);
    (void)snprintf(cache, sizeof cache, "%s/cache", dir);
    const cm_option option = {"directory", dir};
    const cm_options server = {1, &option};
    return cm_source_open(CM_SOURCE_CSV, &server, cache, CM_TPCH_SOURCE_MS, ret, diag);
}

CM_MUST static cm_status load_part(const cm_tpch_data *data, const cm_tpch_schema *schema,
                                   unsigned owner, cm_diag *diag)
{
    cm_source *source = NULL;
    cm_status st = cm_tpch_open(data, owner, &source, diag);
    for (unsigned t = 0; st == CM_OK && t < CM_TPCH_TABLES; t++) {
        cm_source_table table = schema->table[t];
        bool every[CM_TPCH_MAX_COLS];
        memset(every, 1, sizeof every);
        table.table = cm_schema_table(schema->schema, CM_TPCH_ORGS[owner], CM_TPCH_TABLE_NAMES[t]);
        if (table.table != NULL) {
            st = cm_source_check(source, &table, every, diag);
        }
    }
    cm_source_free(source);
    return st;
}

cm_status cm_tpch_load(const cm_tpch_data *data, const cm_tpch_schema *schema, cm_diag *diag)
{
    cm_status st = CM_OK;
    /* A file that was written a moment ago might be written again within the same tick of its
     * time: a source would not trust what it has of it, and load it for every query. */
    (void)sleep(CM_TPCH_SETTLE_SECONDS);
    for (unsigned i = 0; st == CM_OK && i < CM_BENCH_PARTIES; i++) {
        st = load_part(data, schema, i, diag);
    }
    return st;
}
