/*
 * The rows of the node's catalog.  Schemas are the organisations, with each one's published tables,
 * and public, with the unions that an unqualified name stands for.  Labels, domains and grants are
 * descriptions (\d+) and pg_seclabel; CHECK and keys are constraints (\d).
 */
#include "node/syscatalog_int.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_OID = 16384, COMITY = 10, ARENA_BYTES = 256 << 20 };

typedef struct known_type {
    struct known_type *next;
    uint32_t schema_oid, oid;
    const cm_enum *labels;
} known_type;

typedef struct filler {
    sqlite3 *db;
    cm_session *session;
    const cm_schema *schema;
    cm_arena arena;
    uint32_t next_oid;
    known_type *types;
    sqlite3_stmt *add_class, *add_attribute, *add_description, *add_label, *add_type, *add_enum,
        *add_constraint, *add_index, *add_definition;
    int code; /* the first failure */
} filler;

/* ---- statements --------------------------------------------------------------------------- */

static sqlite3_stmt *prepare(filler *f, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(f->db, sql, -1, &stmt, NULL);
    f->code = f->code == SQLITE_OK ? code : f->code;
    return stmt;
}

static void number(sqlite3_stmt *stmt, int index, int64_t value)
{
    (void)sqlite3_bind_int64(stmt, index, value); /* its failure shows when the row is missing */
}

static void text(sqlite3_stmt *stmt, int index, const char *value)
{
    (void)sqlite3_bind_text(stmt, index, value, -1, SQLITE_TRANSIENT);
}

static void run(filler *f, sqlite3_stmt *stmt)
{
    if (stmt != NULL) {
        int code = sqlite3_step(stmt);
        f->code = f->code == SQLITE_OK && code != SQLITE_DONE ? code : f->code;
        sqlite3_reset(stmt);
    }
}

static void prepare_all(filler *f)
{
    f->add_class = prepare(
        f,
        "INSERT INTO pg_class(oid, relname, relnamespace, relowner, relkind, relam, reltuples,"
        " relhasindex, relpersistence, relnatts, relchecks, relispopulated, relreplident, relacl)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'p', ?9, ?10, 1, 'd', ?11)");
    f->add_attribute = prepare(
        f, "INSERT INTO pg_attribute(attrelid, attname, atttypid, attlen, attnum, atttypmod,"
           " attnotnull, attcollation, attstattarget, attislocal, attstorage, attalign) VALUES"
           " (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, -1, 1, 'p', 'i')");
    f->add_description = prepare(
        f, "INSERT INTO pg_description(objoid, classoid, objsubid, description) VALUES (?1, 1259,"
           " ?2, ?3)");
    f->add_label = prepare(f, "INSERT INTO pg_seclabel(objoid, classoid, objsubid, provider, label)"
                              " VALUES (?1, 1259, ?2, 'comity', ?3)");
    f->add_type = prepare(
        f, "INSERT INTO pg_type(oid, typname, typnamespace, typowner, typlen, typtype, typcategory,"
           " typisdefined, typdelim, typinput, typtypmod) VALUES (?1, ?2, ?3, ?4, 4, 'e', 'E', 1,"
           " ',', 'enum_in', -1)");
    f->add_enum = prepare(
        f, "INSERT INTO pg_enum(oid, enumtypid, enumsortorder, enumlabel) VALUES (?1, ?2, ?3, ?4)");
    f->add_constraint = prepare(
        f,
        "INSERT INTO pg_constraint(oid, conname, connamespace, contype, convalidated, conrelid,"
        " conindid, conislocal, conkey) VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, 1, '{' || ?7 || '}')");
    f->add_index = prepare(
        f,
        "INSERT INTO pg_index(indexrelid, indrelid, indnatts, indnkeyatts, indisunique,"
        " indisprimary, indisvalid, indisready, indislive, indkey, indoption) VALUES (?1, ?2, ?5,"
        " ?5, 1, ?3, 1, 1, 1, ?4, ?6)");
    f->add_definition =
        prepare(f, "INSERT INTO cm_definition(oid, definition, column_name) VALUES (?1, ?2, ?3)");
}

static void finalize_all(filler *f)
{
    sqlite3_stmt *all[] = {f->add_class, f->add_attribute,  f->add_description,
                           f->add_label, f->add_type,       f->add_enum,
                           f->add_index, f->add_constraint, f->add_definition};
    for (size_t i = 0; i < CM_COUNT(all); i++) {
        sqlite3_finalize(all[i]);
    }
}

/* ---- columns ------------------------------------------------------------------------------ */

static uint32_t enum_oid(filler *f, uint32_t schema_oid, uint32_t owner, const cm_enum *labels)
{
    for (const known_type *t = f->types; t != NULL; t = t->next) {
        if (t->schema_oid == schema_oid && strcmp(t->labels->name, labels->name) == 0) {
            return t->oid;
        }
    }
    known_type *t = CM_NEW_SMALL(&f->arena, known_type, 1);
    *t = (known_type){f->types, schema_oid, f->next_oid++, labels};
    f->types = t;
    number(f->add_type, 1, t->oid);
    text(f->add_type, 2, labels->name);
    number(f->add_type, 3, schema_oid);
    number(f->add_type, 4, owner);
    run(f, f->add_type);
    for (size_t i = 0; i < labels->count; i++) {
        number(f->add_enum, 1, f->next_oid++);
        number(f->add_enum, 2, t->oid);
        number(f->add_enum, 3, (int64_t)i + 1);
        text(f->add_enum, 4, labels->labels[i]);
        run(f, f->add_enum);
    }
    return t->oid;
}

static bool has_range(const cm_column *col)
{
    return col->has_check && col->type.kind != CM_TYPE_ENUM && col->type.kind != CM_TYPE_BOOL &&
           col->type.kind != CM_TYPE_TEXT;
}

static void print_bound(const cm_column *col, cm_i128 bound, cm_buf *out)
{
    const cm_value value = {.number = bound};
    bool date = col->type.kind == CM_TYPE_DATE || col->type.kind == CM_TYPE_TIMESTAMP;
    cm_buf_printf(out, "%s", date ? "'" : "");
    cm_value_print(&col->type, &value, out);
    cm_buf_printf(out, "%s", date ? "'" : "");
}

static void describe(filler *f, uint32_t oid, int number_of_column, const char *what)
{
    number(f->add_description, 1, oid);
    number(f->add_description, 2, number_of_column);
    text(f->add_description, 3, what);
    run(f, f->add_description);
}

static void describe_column(filler *f, uint32_t oid, const cm_column *col, int attnum)
{
    CM_CLEANUP(cm_buf_free) cm_buf what = {0};
    cm_buf_printf(&what, "label ");
    cm_label_print(col->label, &what);
    number(f->add_label, 1, oid);
    number(f->add_label, 2, attnum);
    text(f->add_label, 3, cm_buf_text(&what) + strlen("label "));
    run(f, f->add_label);
    if (has_range(col)) {
        cm_buf_printf(&what, ", ");
        print_bound(col, col->range.lo, &what);
        cm_buf_printf(&what, " to ");
        print_bound(col, col->range.hi, &what);
    }
    describe(f, oid, attnum, cm_buf_text(&what));
}

static void add_column(filler *f, uint32_t oid, uint32_t schema_oid, uint32_t owner,
                       const cm_column *col, int attnum)
{
    bool is_enum = col->type.kind == CM_TYPE_ENUM;
    bool is_text = col->type.kind == CM_TYPE_TEXT;
    number(f->add_attribute, 1, oid);
    text(f->add_attribute, 2, col->name);
    number(f->add_attribute, 3,
           is_enum ? enum_oid(f, schema_oid, owner, col->type.labels) : cm_type_oid(&col->type));
    number(f->add_attribute, 4, is_enum ? 4 : cm_type_len(&col->type));
    number(f->add_attribute, 5, attnum);
    number(f->add_attribute, 6, cm_type_mod(&col->type));
    number(f->add_attribute, 7, col->not_null);
    number(f->add_attribute, 8, is_text ? 100 : 0);
    run(f, f->add_attribute);
}

/* ---- constraints -------------------------------------------------------------------------- */

static void add_constraint(filler *f, uint32_t table, uint32_t schema_oid, const char *name,
                           const char *kind, uint32_t index, const char *attnums,
                           const char *definition)
{
    uint32_t oid = f->next_oid++;
    number(f->add_constraint, 1, oid);
    text(f->add_constraint, 2, name);
    number(f->add_constraint, 3, schema_oid);
    text(f->add_constraint, 4, kind);
    number(f->add_constraint, 5, table);
    number(f->add_constraint, 6, index);
    text(f->add_constraint, 7, attnums);
    run(f, f->add_constraint);
    number(f->add_definition, 1, oid);
    text(f->add_definition, 2, definition);
    text(f->add_definition, 3, NULL);
    run(f, f->add_definition);
}

static void add_check(filler *f, uint32_t oid, uint32_t schema_oid, const char *table,
                      const cm_column *col, int attnum)
{
    CM_CLEANUP(cm_buf_free) cm_buf definition = {0};
    cm_arena scratch = f->arena;
    cm_buf_printf(&definition, "CHECK (%s >= ", col->name);
    print_bound(col, col->range.lo, &definition);
    cm_buf_printf(&definition, " AND %s <= ", col->name);
    print_bound(col, col->range.hi, &definition);
    cm_buf_printf(&definition, ")");
    add_constraint(f, oid, schema_oid, cm_arena_printf(&scratch, "%s_%s_check", table, col->name),
                   "c", 0, cm_arena_printf(&scratch, "%d", attnum), cm_buf_text(&definition));
}

static void add_class(filler *f, uint32_t oid, const char *name, uint32_t schema_oid,
                      uint32_t owner, const char *kind, uint64_t rows, size_t cols, bool has_index,
                      int64_t checks, const char *acl)
{
    number(f->add_class, 1, oid);
    text(f->add_class, 2, name);
    number(f->add_class, 3, schema_oid);
    number(f->add_class, 4, owner);
    text(f->add_class, 5, kind);
    number(f->add_class, 6, kind[0] == 'i' ? 403 : 2);
    (void)sqlite3_bind_double(f->add_class, 7, (double)rows);
    number(f->add_class, 8, has_index);
    number(f->add_class, 9, (int64_t)cols);
    number(f->add_class, 10, checks);
    text(f->add_class, 11, acl);
    run(f, f->add_class);
}

/* PRIMARY KEY or UNIQUE: an index, and the constraint that stands on it. */
static void add_key(filler *f, uint32_t oid, uint32_t schema_oid, uint32_t owner,
                    const cm_org_table *t, const cm_table_key *key)
{
    CM_CLEANUP(cm_buf_free) cm_buf names = {0};      /* a, b */
    CM_CLEANUP(cm_buf_free) cm_buf numbers = {0};    /* 1 2 */
    CM_CLEANUP(cm_buf_free) cm_buf list = {0};       /* 1,2 */
    CM_CLEANUP(cm_buf_free) cm_buf options = {0};    /* 0 0 */
    CM_CLEANUP(cm_buf_free) cm_buf underlined = {0}; /* a_b */
    cm_arena scratch = f->arena;
    for (size_t i = 0; i < key->cols; i++) {
        const char *name = t->col[key->col[i]].name;
        cm_buf_printf(&names, "%s%s", i == 0 ? "" : ", ", name);
        cm_buf_printf(&underlined, "%s%s", i == 0 ? "" : "_", name);
        cm_buf_printf(&numbers, "%s%u", i == 0 ? "" : " ", key->col[i] + 1);
        cm_buf_printf(&list, "%s%u", i == 0 ? "" : ",", key->col[i] + 1);
        cm_buf_printf(&options, "%s0", i == 0 ? "" : " ");
    }
    const char *columns = cm_buf_text(&names);
    const char *name =
        key->primary ? cm_arena_printf(&scratch, "%s_pkey", t->name)
                     : cm_arena_printf(&scratch, "%s_%s_key", t->name, cm_buf_text(&underlined));
    uint32_t index = f->next_oid++;
    add_class(f, index, name, schema_oid, owner, "i", 0, key->cols, false, 0, NULL);
    number(f->add_index, 1, index);
    number(f->add_index, 2, oid);
    number(f->add_index, 3, key->primary);
    text(f->add_index, 4, cm_buf_text(&numbers));
    number(f->add_index, 5, (int64_t)key->cols);
    text(f->add_index, 6, cm_buf_text(&options));
    run(f, f->add_index);
    number(f->add_definition, 1, index);
    text(f->add_definition, 2,
         cm_arena_printf(&scratch, "CREATE UNIQUE INDEX %s ON %s USING btree (%s)", name, t->name,
                         columns));
    text(f->add_definition, 3, columns);
    run(f, f->add_definition);
    add_constraint(
        f, oid, schema_oid, name, key->primary ? "p" : "u", index, cm_buf_text(&list),
        cm_arena_printf(&scratch, "%s (%s)", key->primary ? "PRIMARY KEY" : "UNIQUE", columns));
}

/* ---- tables ------------------------------------------------------------------------------- */

static uint32_t add_table(filler *f, const cm_org_table *t, uint32_t schema_oid, uint32_t owner,
                          const char *acl, const char *what)
{
    uint32_t oid = f->next_oid++;
    int64_t checks = 0;
    bool has_primary = false, has_key = t->keys > 0;
    for (size_t k = 0; k < t->keys; k++) {
        has_primary = has_primary || t->key[k].primary;
    }
    for (size_t i = 0; i < t->cols; i++) {
        checks += has_range(&t->col[i]);
        has_key = has_key || t->col[i].unique;
    }
    add_class(f, oid, t->name, schema_oid, owner, t->stored != NULL ? "m" : "r", t->rows, t->cols,
              has_key, checks, acl);
    describe(f, oid, 0, what);
    for (size_t i = 0; i < t->cols; i++) {
        const cm_column *col = &t->col[i];
        int attnum = (int)i + 1;
        add_column(f, oid, schema_oid, owner, col, attnum);
        describe_column(f, oid, col, attnum);
        if (has_range(col)) {
            add_check(f, oid, schema_oid, t->name, col, attnum);
        }
        if (col->unique) {
            bool primary = col->not_null && !has_primary;
            has_primary = has_primary || primary;
            const unsigned index = (unsigned)i;
            const cm_table_key key = {primary, 1, &index};
            add_key(f, oid, schema_oid, owner, t, &key);
        }
    }
    for (size_t k = 0; k < t->keys; k++) {
        add_key(f, oid, schema_oid, owner, t, &t->key[k]);
    }
    return oid;
}

/* A view of this node.  What it reads may be gone: then it has no columns. */
static void add_view(filler *f, const cm_state_view *view)
{
    uint32_t oid = f->next_oid++;
    const cm_column *col = NULL;
    size_t cols = 0;
    cm_diag ignored = {0};
    if (cm_view_columns(f->session, view, &f->arena, &col, &cols, &ignored) != CM_OK) {
        cols = 0;
    }
    add_class(f, oid, view->name, CM_OID_PUBLIC, COMITY, "v", 0, cols, false, 0, NULL);
    for (size_t i = 0; i < cols; i++) {
        add_column(f, oid, CM_OID_PUBLIC, COMITY, &col[i], (int)i + 1);
    }
    number(f->add_definition, 1, oid);
    text(f->add_definition, 2, view->definition);
    text(f->add_definition, 3, NULL);
    run(f, f->add_definition);
}

static cm_status add_views(filler *f, cm_diag *diag)
{
    const cm_state_view *view = NULL;
    size_t count = 0;
    cm_status st =
        cm_state_view_list(cm_node_state(f->session->node), &f->arena, &view, &count, diag);
    for (size_t i = 0; st == CM_OK && i < count; i++) {
        add_view(f, &view[i]);
    }
    const cm_state_matview *kept = NULL;
    if (st == CM_OK) {
        st = cm_state_matview_list(cm_node_state(f->session->node), &f->arena, &kept, &count, diag);
    }
    for (size_t i = 0; st == CM_OK && i < count; i++) {
        sqlite3_stmt *define =
            prepare(f, "INSERT INTO cm_definition(oid, definition) SELECT oid, ?2 FROM pg_class"
                       " WHERE relname = ?1 AND relkind = 'm'");
        text(define, 1, kept[i].view.name);
        text(define, 2, kept[i].view.definition);
        run(f, define);
        sqlite3_finalize(define);
    }
    return st;
}

static uint32_t schema_oid_of(const filler *f, const char *org)
{
    for (size_t i = 0; i < f->schema->members; i++) {
        if (strcmp(f->schema->member[i].org, org) == 0) {
            return FIRST_OID + (uint32_t)i;
        }
    }
    return CM_OID_PUBLIC;
}

/* The grants of a table as elements of an access list. */
static void put_access(const cm_org_table *t, cm_buf *out)
{
    for (size_t i = 0; i < t->grants; i++) {
        bool everybody = strcmp(t->granted_to[i], "public") == 0;
        cm_buf_printf(out, "%s%s=r/%s", out->bytes > 1 ? "," : "",
                      everybody ? "" : t->granted_to[i], t->org);
    }
}

/* One organisation's table: its grants as an access list, and in words. */
static uint32_t add_own(filler *f, const cm_org_table *t)
{
    CM_CLEANUP(cm_buf_free) cm_buf acl = {0};
    CM_CLEANUP(cm_buf_free) cm_buf what = {0};
    uint32_t schema_oid = schema_oid_of(f, t->org);
    cm_buf_printf(&what, "published by %s, at most %llu rows; SELECT granted to ", t->org,
                  (unsigned long long)t->rows);
    cm_buf_printf(&acl, "{");
    put_access(t, &acl);
    cm_buf_printf(&acl, "}");
    for (size_t i = 0; i < t->grants; i++) {
        bool everybody = strcmp(t->granted_to[i], "public") == 0;
        cm_buf_printf(&what, "%s%s", i > 0 ? ", " : "", everybody ? "everybody" : t->granted_to[i]);
    }
    cm_buf_printf(&what, "%s", t->grants == 0 ? "nobody" : "");
    return add_table(f, t, schema_oid, schema_oid, t->grants > 0 ? cm_buf_text(&acl) : NULL,
                     cm_buf_text(&what));
}

static bool same_columns(const cm_org_table *a, const cm_org_table *b)
{
    if (a->cols != b->cols) {
        return false;
    }
    for (size_t i = 0; i < a->cols; i++) {
        if (strcmp(a->col[i].name, b->col[i].name) != 0 ||
            !cm_type_equal(&a->col[i].type, &b->col[i].type)) {
            return false;
        }
    }
    return true;
}

/* Widest range, strictest label. */
static void widen(cm_column *col, const cm_column *other)
{
    col->not_null = col->not_null && other->not_null;
    col->has_check = col->has_check && other->has_check;
    col->range.lo = other->range.lo < col->range.lo ? other->range.lo : col->range.lo;
    col->range.hi = other->range.hi > col->range.hi ? other->range.hi : col->range.hi;
    col->label.min_rows =
        other->label.min_rows > col->label.min_rows ? other->label.min_rows : col->label.min_rows;
    col->label.kind = other->label.kind < col->label.kind ? other->label.kind : col->label.kind;
}

/* The union of tables of one name; none when their columns differ. */
static void add_union(filler *f, const cm_org_table *const *part, size_t parts)
{
    CM_CLEANUP(cm_buf_free) cm_buf what = {0};
    CM_CLEANUP(cm_buf_free) cm_buf acl = {0};
    cm_column *col = CM_NEW_SMALL(&f->arena, cm_column, part[0]->cols);
    cm_org_table whole = *part[0];
    cm_buf_printf(&what, "%s%s", parts > 1 ? "union of the tables of " : "table of ", part[0]->org);
    cm_buf_printf(&acl, "{");
    put_access(part[0], &acl);
    memcpy(col, part[0]->col, whole.cols * sizeof *col);
    whole.col = col;
    whole.keys = parts == 1 ? whole.keys : 0;
    for (size_t i = 1; i < parts; i++) {
        if (!same_columns(part[0], part[i])) {
            return;
        }
        cm_buf_printf(&what, ", %s", part[i]->org);
        put_access(part[i], &acl);
        whole.rows += part[i]->rows;
        for (size_t j = 0; j < whole.cols; j++) {
            widen(&col[j], &part[i]->col[j]);
        }
    }
    for (size_t j = 0; j < whole.cols; j++) {
        col[j].unique = col[j].unique && parts == 1;
        if (col[j].label.kind != CM_LABEL_AGGREGATE && col[j].label.kind != CM_LABEL_GROUP) {
            col[j].label.min_rows = 0;
        }
    }
    cm_buf_printf(&acl, "}");
    (void)add_table(f, &whole, CM_OID_PUBLIC, COMITY, acl.bytes > 2 ? cm_buf_text(&acl) : NULL,
                    cm_buf_text(&what));
}

static int by_name(const void *a, const void *b)
{
    const cm_org_table *x = *(const cm_org_table *const *)a;
    const cm_org_table *y = *(const cm_org_table *const *)b;
    int order = strcmp(x->name, y->name);
    return order != 0 ? order : (x > y) - (x < y);
}

static void add_unions(filler *f)
{
    size_t count = f->schema->tables;
    const cm_org_table **sorted = CM_NEW_SMALL(&f->arena, const cm_org_table *, count + 1);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &f->schema->table[i];
    }
    qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t from = 0, to; from < count; from = to) {
        to = from + 1;
        while (to < count && strcmp(sorted[from]->name, sorted[to]->name) == 0) {
            to++;
        }
        add_union(f, sorted + from, to - from);
    }
}

/* ---- this node ---------------------------------------------------------------------------- */

static void insert(filler *f, const char *sql, const char *a, const char *b, int64_t c, int64_t d)
{
    sqlite3_stmt *stmt = prepare(f, sql);
    text(stmt, 1, a);
    text(stmt, 2, b);
    number(stmt, 3, c);
    number(stmt, 4, d);
    run(f, stmt);
    sqlite3_finalize(stmt);
}

static void add_role(filler *f, const cm_state_role *role, uint32_t oid)
{
    const bool right[] = {role->administrator, role->publisher, role->analyst};
    insert(f,
           "INSERT INTO pg_roles(rolname, rolpassword, oid, rolcanlogin, rolinherit, rolconnlimit)"
           " VALUES (?1, ?2, ?3, ?4, 1, -1)",
           role->name, "********", oid, role->login);
    for (size_t i = 0; i < CM_COUNT(right); i++) {
        if (right[i]) {
            insert(f, "INSERT INTO pg_auth_members(roleid, member, grantor) VALUES (?3, ?4, 10)",
                   NULL, NULL, (int64_t)i + 11, oid);
        }
    }
}

static cm_status add_roles(filler *f, cm_diag *diag)
{
    const cm_state_role *role = NULL;
    size_t count = 0;
    cm_status st =
        cm_state_role_list(cm_node_state(f->session->node), &f->arena, &role, &count, diag);
    for (int i = 0; st == CM_OK && i < 3; i++) {
        insert(f,
               "INSERT INTO pg_roles(rolname, rolpassword, oid, rolcanlogin, rolinherit,"
               " rolconnlimit) VALUES (?1, ?2, ?3, ?4, 1, -1)",
               cm_right_name((cm_right)i), "********", i + 11, 0);
    }
    for (size_t i = 0; st == CM_OK && i < count; i++) {
        add_role(f, &role[i], f->next_oid++);
    }
    return st;
}

static cm_status add_servers(filler *f, cm_diag *diag)
{
    cm_state *state = cm_node_state(f->session->node);
    const cm_state_server *server = NULL;
    const cm_state_table *table = NULL;
    size_t servers = 0, tables = 0;
    cm_status st = cm_state_server_list(state, &f->arena, &server, &servers, diag);
    if (st == CM_OK) {
        st = cm_state_table_list(state, &f->arena, &table, &tables, diag);
    }
    for (size_t i = 0; st == CM_OK && i < servers; i++) {
        insert(
            f,
            "INSERT INTO pg_foreign_server(srvname, oid, srvowner, srvfdw) SELECT ?1, ?3, 10, oid"
            " FROM pg_foreign_data_wrapper WHERE fdwname = ?2",
            server[i].name, server[i].wrapper, f->next_oid++, 0);
    }
    for (size_t i = 0; st == CM_OK && i < tables; i++) {
        insert(
            f,
            "INSERT INTO pg_foreign_table(ftrelid, ftserver) SELECT c.oid, s.oid FROM pg_class c,"
            " pg_foreign_server s WHERE c.relname = ?1 AND s.srvname = ?2 AND c.relnamespace = ?3"
            " AND c.relkind = 'r'",
            table[i].table.name, table[i].server, schema_oid_of(f, cm_node_org(f->session->node)),
            0);
    }
    return st;
}

static void add_setting(void *arg, const char *name, const char *value, const char *what)
{
    filler *f = arg;
    insert(f,
           "INSERT INTO pg_settings(name, setting, short_desc, boot_val, reset_val, category,"
           " context, vartype, source) VALUES (?1, ?2, NULL, ?2, ?2, 'Comity', 'user', 'string',"
           " 'default')",
           name, value, 0, 0);
    insert(f, "UPDATE pg_settings SET short_desc = ?2 WHERE name = ?1", name, what, 0, 0);
}

static void fill_schema(filler *f)
{
    insert(f,
           "INSERT INTO pg_database(oid, datname, datdba, encoding, datlocprovider, datallowconn,"
           " datconnlimit, dattablespace, datcollate, datctype) VALUES (1, ?1, 10, 6, 'c', 1, -1,"
           " 1663, 'C', 'C.UTF-8')",
           cm_node_org(f->session->node), NULL, 0, 0);
    for (size_t i = 0; i < f->schema->members; i++) {
        insert(f,
               "INSERT INTO pg_namespace(nspname, nspacl, oid, nspowner) VALUES (?1, ?2, ?3, ?3)",
               f->schema->member[i].org, NULL, f->next_oid++, 0);
    }
    for (size_t i = 0; i < f->schema->tables; i++) {
        (void)add_own(f, &f->schema->table[i]);
    }
    add_unions(f);
}

cm_status cm_system_fill(sqlite3 *db, cm_session *s, const cm_schema *schema, cm_diag *diag)
{
    filler f = {.db = db, .session = s, .schema = schema, .next_oid = FIRST_OID};
    if (cm_arena_init(&f.arena, ARENA_BYTES) != CM_OK) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    f.code = sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
    prepare_all(&f);
    fill_schema(&f);
    cm_status st = add_views(&f, diag);
    if (st == CM_OK) {
        st = add_roles(&f, diag);
    }
    if (st == CM_OK) {
        st = add_servers(&f, diag);
    }
    cm_session_settings_walk(s, add_setting, &f);
    finalize_all(&f);
    int code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    f.code = f.code == SQLITE_OK ? code : f.code;
    cm_arena_fini(&f.arena);
    if (st == CM_OK && f.code != SQLITE_OK) {
        st = cm_fail(diag, CM_ENOMEM, CM_SQL_INTERNAL, "could not fill the node's catalog: %s",
                     sqlite3_errmsg(db));
    }
    return st;
}
