/*
 * TPC-H-like data: the tables, keys, ranges and correlations of the benchmark's definition (4.2 and
 * 4.3 there) as far as its queries look at them, from a small generator of our own.  Row counts
 * are the definition's; values are not those of the official generator.
 */
#include "cli/tpch.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- random numbers ----------------------------------------------------------------------- */

/* Splitmix64 (Steele, Lea, Flood 2014): data, not secrets. */
static uint64_t draw(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static unsigned below(uint64_t *state, unsigned bound)
{
    return (unsigned)(draw(state) % bound);
}

static unsigned between(uint64_t *state, unsigned lo, unsigned hi)
{
    return lo + below(state, hi - lo + 1);
}

/* ---- words -------------------------------------------------------------------------------- */

#define PICK(state, words) ((words)[below((state), (unsigned)CM_COUNT(words))])

static const char *const REGIONS[] = {"AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"};
static const struct {
    const char *name;
    unsigned region;
} NATIONS[] = {
    {"ALGERIA", 0},       {"ARGENTINA", 1}, {"BRAZIL", 1}, {"CANADA", 1},
    {"EGYPT", 4},         {"ETHIOPIA", 0},  {"FRANCE", 3}, {"GERMANY", 3},
    {"INDIA", 2},         {"INDONESIA", 2}, {"IRAN", 4},   {"IRAQ", 4},
    {"JAPAN", 2},         {"JORDAN", 4},    {"KENYA", 0},  {"MOROCCO", 0},
    {"MOZAMBIQUE", 0},    {"PERU", 1},      {"CHINA", 2},  {"ROMANIA", 3},
    {"SAUDI ARABIA", 4},  {"VIETNAM", 2},   {"RUSSIA", 3}, {"UNITED KINGDOM", 3},
    {"UNITED STATES", 1},
};
static const char *const COLOURS[] = {
    "almond", "antique", "azure", "beige",  "blue",   "burlywood", "chocolate", "coral",
    "cream",  "forest",  "green", "indian", "ivory",  "khaki",     "lavender",  "lemon",
    "maroon", "navy",    "olive", "orchid", "peach",  "plum",      "rosy",      "salmon",
    "sienna", "steel",   "tan",   "tomato", "violet", "wheat"};
static const char *const TYPES_1[] = {"STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO"};
static const char *const TYPES_2[] = {"ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED"};
static const char *const TYPES_3[] = {"TIN", "NICKEL", "BRASS", "STEEL", "COPPER"};
static const char *const BOXES_1[] = {"SM", "LG", "MED", "JUMBO", "WRAP"};
static const char *const BOXES_2[] = {"CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM"};
static const char *const SEGMENTS[] = {"AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY",
                                       "HOUSEHOLD"};
static const char *const PRIORITIES[] = {"1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED",
                                         "5-LOW"};
static const char *const INSTRUCTIONS[] = {"DELIVER IN PERSON", "COLLECT COD", "NONE",
                                           "TAKE BACK RETURN"};
static const char *const MODES[] = {"REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"};
static const char *const COMMENTS[] = {
    "foxes",       "ideas",   "requests",  "deposits", "accounts", "packages", "theodolites",
    "pinto beans", "furious", "sly",       "careful",  "blithe",   "quick",    "final",
    "special",     "pending", "sleep",     "wake",     "nag",      "haggle",   "cajole",
    "doze",        "detect",  "integrate", "above",    "across",   "among",    "against",
    "along",       "besides", "despite",   "under"};

/* Words up to so many bytes in all. */
static void put_comment(cm_buf *out, uint64_t *state, size_t most)
{
    size_t start = out->bytes;
    for (unsigned left = between(state, 3, 9); left > 0; left--) {
        const char *word = PICK(state, COMMENTS);
        if (out->bytes - start + strlen(word) + 1 > most) {
            break;
        }
        cm_buf_printf(out, "%s%s", out->bytes > start ? " " : "", word);
    }
}

static void put_address(cm_buf *out, uint64_t *state)
{
    for (unsigned left = between(state, 10, 40); left > 0; left--) {
        cm_buf_put_u8(out, (uint8_t)('a' + below(state, 26)));
    }
}

static void put_phone(cm_buf *out, uint64_t *state, unsigned nation)
{
    cm_buf_printf(out, "%u-%03u-%03u-%04u", nation + 10, between(state, 100, 999),
                  between(state, 100, 999), between(state, 1000, 9999));
}

/* ---- dates -------------------------------------------------------------------------------- */

/* Days from 1992-01-01; the benchmark's calendar ends before 1999. */
static void put_date(cm_buf *out, unsigned day)
{
    static const unsigned MONTHS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned year = 1992;
    unsigned month = 0;
    while (day >= (year % 4 == 0 ? 366U : 365U)) {
        day -= year % 4 == 0 ? 366 : 365;
        year++;
    }
    while (day >= MONTHS[month] + (month == 1 && year % 4 == 0)) {
        day -= MONTHS[month] + (month == 1 && year % 4 == 0);
        month++;
    }
    cm_buf_printf(out, "%u-%02u-%02u", year, month + 1, day + 1);
}

enum { LAST_ORDER_DAY = 2405, TODAY = 1263 }; /* 1998-08-02; 1995-06-17 */

/* ---- tables ------------------------------------------------------------------------------- */

typedef struct maker {
    uint64_t state;
    unsigned suppliers, parts, customers, orders;
    cm_buf out[CM_TPCH_TABLES];
} maker;

static void make_places(maker *m)
{
    cm_buf *region = &m->out[CM_TPCH_REGION];
    cm_buf *nation = &m->out[CM_TPCH_NATION];
    cm_buf_printf(region, "r_regionkey,r_name,r_comment\n");
    for (unsigned i = 0; i < CM_COUNT(REGIONS); i++) {
        cm_buf_printf(region, "%u,%s,", i, REGIONS[i]);
        put_comment(region, &m->state, 100);
        cm_buf_printf(region, "\n");
    }
    cm_buf_printf(nation, "n_nationkey,n_name,n_regionkey,n_comment\n");
    for (unsigned i = 0; i < CM_COUNT(NATIONS); i++) {
        cm_buf_printf(nation, "%u,%s,%u,", i, NATIONS[i].name, NATIONS[i].region);
        put_comment(nation, &m->state, 100);
        cm_buf_printf(nation, "\n");
    }
}

static void put_money(cm_buf *out, int64_t cents)
{
    int64_t whole = cents < 0 ? -cents : cents;
    cm_buf_printf(out, "%s%lld.%02lld", cents < 0 ? "-" : "", (long long)(whole / 100),
                  (long long)(whole % 100));
}

static void make_suppliers(maker *m)
{
    cm_buf *out = &m->out[CM_TPCH_SUPPLIER];
    cm_buf_printf(out, "s_suppkey,s_name,s_address,s_nationkey,s_phone,s_acctbal,s_comment\n");
    for (unsigned i = 1; i <= m->suppliers; i++) {
        unsigned nation = below(&m->state, (unsigned)CM_COUNT(NATIONS));
        cm_buf_printf(out, "%u,Supplier#%09u,", i, i);
        put_address(out, &m->state);
        cm_buf_printf(out, ",%u,", nation);
        put_phone(out, &m->state, nation);
        cm_buf_put(out, ",", 1);
        put_money(out, (int64_t)below(&m->state, 1099999) - 99999);
        cm_buf_put(out, ",", 1);
        if (below(&m->state, 200) == 0) {
            cm_buf_printf(out, "sly Customer deposits Complaints");
        } else {
            put_comment(out, &m->state, 100);
        }
        cm_buf_printf(out, "\n");
    }
}

/* In cents: 4.2.3 of the definition. */
static unsigned retail_price(unsigned part)
{
    return 90000 + part / 10 % 20001 + 100 * (part % 1000);
}

/* The i-th of a part's four suppliers, all different. */
static unsigned supplier_of(const maker *m, unsigned part, unsigned i)
{
    unsigned quarter = m->suppliers / 4;
    unsigned spread = m->suppliers / 3 - quarter;
    unsigned step = quarter + (spread > 1 ? (part - 1) / m->suppliers % spread : 0);
    return (part - 1 + i * step) % m->suppliers + 1;
}

static void make_part(maker *m, unsigned part)
{
    cm_buf *out = &m->out[CM_TPCH_PART];
    unsigned maker_number = between(&m->state, 1, 5);
    cm_buf_printf(out, "%u,", part);
    for (unsigned i = 0; i < 5; i++) {
        cm_buf_printf(out, "%s%s", i > 0 ? " " : "", PICK(&m->state, COLOURS));
    }
    cm_buf_printf(out, ",Manufacturer#%u,Brand#%u%u,", maker_number, maker_number,
                  between(&m->state, 1, 5));
    cm_buf_printf(out, "%s ", PICK(&m->state, TYPES_1));
    cm_buf_printf(out, "%s ", PICK(&m->state, TYPES_2));
    cm_buf_printf(out, "%s,%u,", PICK(&m->state, TYPES_3), between(&m->state, 1, 50));
    cm_buf_printf(out, "%s ", PICK(&m->state, BOXES_1));
    cm_buf_printf(out, "%s,", PICK(&m->state, BOXES_2));
    put_money(out, retail_price(part));
    cm_buf_put(out, ",", 1);
    put_comment(out, &m->state, 22);
    cm_buf_printf(out, "\n");
}

static void make_parts(maker *m)
{
    cm_buf *offer = &m->out[CM_TPCH_PARTSUPP];
    cm_buf_printf(&m->out[CM_TPCH_PART], "p_partkey,p_name,p_mfgr,p_brand,p_type,p_size,"
                                         "p_container,p_retailprice,p_comment\n");
    cm_buf_printf(offer, "ps_partkey,ps_suppkey,ps_availqty,ps_supplycost,ps_comment\n");
    for (unsigned part = 1; part <= m->parts; part++) {
        make_part(m, part);
        for (unsigned i = 0; i < 4; i++) {
            cm_buf_printf(offer, "%u,%u,%u,", part, supplier_of(m, part, i),
                          between(&m->state, 1, 9999));
            put_money(offer, between(&m->state, 100, 100000));
            cm_buf_put(offer, ",", 1);
            put_comment(offer, &m->state, 120);
            cm_buf_printf(offer, "\n");
        }
    }
}

static void make_customers(maker *m)
{
    cm_buf *out = &m->out[CM_TPCH_CUSTOMER];
    cm_buf_printf(out, "c_custkey,c_name,c_address,c_nationkey,c_phone,c_acctbal,c_mktsegment,"
                       "c_comment\n");
    for (unsigned i = 1; i <= m->customers; i++) {
        unsigned nation = below(&m->state, (unsigned)CM_COUNT(NATIONS));
        cm_buf_printf(out, "%u,Customer#%09u,", i, i);
        put_address(out, &m->state);
        cm_buf_printf(out, ",%u,", nation);
        put_phone(out, &m->state, nation);
        cm_buf_put(out, ",", 1);
        put_money(out, (int64_t)below(&m->state, 1099999) - 99999);
        cm_buf_printf(out, ",%s,", PICK(&m->state, SEGMENTS));
        put_comment(out, &m->state, 110);
        cm_buf_printf(out, "\n");
    }
}

/* A line of an order; returns its price with tax and discount in cents, and whether it is open. */
static int64_t make_line(maker *m, unsigned order, unsigned number, unsigned order_day,
                         bool *ret_open)
{
    cm_buf *out = &m->out[CM_TPCH_LINEITEM];
    unsigned part = between(&m->state, 1, m->parts);
    unsigned quantity = between(&m->state, 1, 50);
    unsigned discount = below(&m->state, 11);
    unsigned tax = below(&m->state, 9);
    unsigned ship = order_day + between(&m->state, 1, 121);
    unsigned commit = order_day + between(&m->state, 30, 90);
    unsigned receipt = ship + between(&m->state, 1, 30);
    int64_t price = (int64_t)quantity * retail_price(part);
    cm_buf_printf(out, "%u,%u,%u,%u,%u,", order, part, supplier_of(m, part, below(&m->state, 4)),
                  number, quantity);
    put_money(out, price);
    cm_buf_printf(out, ",0.%02u,0.%02u,%c,%c,", discount, tax,
                  receipt > TODAY ? 'N' : "RA"[below(&m->state, 2)], ship > TODAY ? 'O' : 'F');
    put_date(out, ship);
    cm_buf_put(out, ",", 1);
    put_date(out, commit);
    cm_buf_put(out, ",", 1);
    put_date(out, receipt);
    cm_buf_printf(out, ",%s,", PICK(&m->state, INSTRUCTIONS));
    cm_buf_printf(out, "%s,", PICK(&m->state, MODES));
    put_comment(out, &m->state, 43);
    cm_buf_printf(out, "\n");
    *ret_open = ship > TODAY;
    return price * (100 - discount) / 100 * (100 + tax) / 100;
}

/* A third of the customers never orders; of 32 order keys 8 are used. */
static void make_order(maker *m, unsigned number)
{
    cm_buf *out = &m->out[CM_TPCH_ORDERS];
    unsigned key = number / 8 * 32 + number % 8 + 1;
    unsigned customer = 0;
    unsigned day = below(&m->state, LAST_ORDER_DAY - 1);
    unsigned lines = between(&m->state, 1, 7);
    unsigned open = 0;
    int64_t total = 0;
    do {
        customer = between(&m->state, 1, m->customers);
    } while (customer % 3 == 0);
    for (unsigned i = 1; i <= lines; i++) {
        bool is_open = false;
        total += make_line(m, key, i, day, &is_open);
        open += is_open;
    }
    cm_buf_printf(out, "%u,%u,%c,", key, customer, open == 0 ? 'F' : open == lines ? 'O' : 'P');
    put_money(out, total);
    cm_buf_put(out, ",", 1);
    put_date(out, day);
    cm_buf_printf(out, ",%s,Clerk#%09u,0,", PICK(&m->state, PRIORITIES),
                  between(&m->state, 1, m->orders / 1500 + 1));
    put_comment(out, &m->state, 78);
    cm_buf_printf(out, "\n");
}

static void make_orders(maker *m)
{
    cm_buf_printf(&m->out[CM_TPCH_ORDERS],
                  "o_orderkey,o_custkey,o_orderstatus,o_totalprice,o_orderdate,o_orderpriority,"
                  "o_clerk,o_shippriority,o_comment\n");
    cm_buf_printf(&m->out[CM_TPCH_LINEITEM],
                  "l_orderkey,l_partkey,l_suppkey,l_linenumber,l_quantity,l_extendedprice,"
                  "l_discount,l_tax,l_returnflag,l_linestatus,l_shipdate,l_commitdate,"
                  "l_receiptdate,l_shipinstruct,l_shipmode,l_comment\n");
    for (unsigned i = 0; i < m->orders; i++) {
        make_order(m, i);
    }
}

static unsigned scaled(double scale, unsigned rows, unsigned least)
{
    unsigned ret = (unsigned)lround(scale * rows);
    return ret > least ? ret : least;
}

cm_status cm_tpch_make(const char *dir, double scale, cm_diag *diag)
{
    maker m = {.state = 1,
               .suppliers = scaled(scale, 10000, 8),
               .parts = scaled(scale, 200000, 40),
               .customers = scaled(scale, 150000, 30),
               .orders = scaled(scale, 1500000, 64)};
    cm_status st = CM_OK;
    make_places(&m);
    make_suppliers(&m);
    make_parts(&m);
    make_customers(&m);
    make_orders(&m);
    for (unsigned i = 0; i < CM_TPCH_TABLES; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s.csv", dir, CM_TPCH_TABLE_NAMES[i]);
        if (st == CM_OK) {
            st = cm_bench_write_file(path, &m.out[i], diag);
        }
        cm_buf_free(&m.out[i]);
    }
    return st;
}
