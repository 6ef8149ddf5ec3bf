/*
 * PostgreSQL's system functions, as far as catalog queries and clients on connecting call them.
 * Most say the same whatever they are asked: one table of those.
 */
#include "node/syscatalog_int.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- functions with one answer ------------------------------------------------------------ */

typedef struct constant {
    const char *name;
    uint32_t type;
    const char *text; /* NULL: SQL's NULL */
    int number;       /* not for texts */
} constant;

static const constant constants[] = {
    {"has_any_column_privilege", CM_OID_BOOL, NULL, 1},
    {"has_column_privilege", CM_OID_BOOL, NULL, 1},
    {"has_database_privilege", CM_OID_BOOL, NULL, 1},
    {"has_foreign_data_wrapper_privilege", CM_OID_BOOL, NULL, 1},
    {"has_function_privilege", CM_OID_BOOL, NULL, 1},
    {"has_language_privilege", CM_OID_BOOL, NULL, 1},
    {"has_schema_privilege", CM_OID_BOOL, NULL, 1},
    {"has_sequence_privilege", CM_OID_BOOL, NULL, 1},
    {"has_server_privilege", CM_OID_BOOL, NULL, 1},
    {"has_table_privilege", CM_OID_BOOL, NULL, 1},
    {"has_tablespace_privilege", CM_OID_BOOL, NULL, 1},
    {"has_type_privilege", CM_OID_BOOL, NULL, 1},
    {"pg_has_role", CM_OID_BOOL, NULL, 1},
    {"pg_collation_is_visible", CM_OID_BOOL, NULL, 1},
    {"pg_conversion_is_visible", CM_OID_BOOL, NULL, 1},
    {"pg_function_is_visible", CM_OID_BOOL, NULL, 1},
    {"pg_opclass_is_visible", CM_OID_BOOL, NULL, 1},
    {"pg_operator_is_visible", CM_OID_BOOL, NULL, 1},
    {"pg_opfamily_is_visible", CM_OID_BOOL, NULL, 1},
    {"pg_statistics_obj_is_visible", CM_OID_BOOL, NULL, 1},
    {"pg_ts_config_is_visible", CM_OID_BOOL, NULL, 1},
    {"pg_ts_dict_is_visible", CM_OID_BOOL, NULL, 1},
    {"pg_ts_parser_is_visible", CM_OID_BOOL, NULL, 1},
    {"pg_ts_template_is_visible", CM_OID_BOOL, NULL, 1},
    {"pg_is_in_recovery", CM_OID_BOOL, NULL, 0},
    {"pg_is_other_temp_schema", CM_OID_BOOL, NULL, 0},
    {"pg_relation_is_publishable", CM_OID_BOOL, NULL, 0},
    {"row_security_active", CM_OID_BOOL, NULL, 0},
    {"pg_my_temp_schema", CM_OID_OID, NULL, 0},
    {"pg_database_size", CM_OID_INT8, NULL, 0},
    {"pg_indexes_size", CM_OID_INT8, NULL, 0},
    {"pg_relation_size", CM_OID_INT8, NULL, 0},
    {"pg_table_size", CM_OID_INT8, NULL, 0},
    {"pg_tablespace_size", CM_OID_INT8, NULL, 0},
    {"pg_total_relation_size", CM_OID_INT8, NULL, 0},
    {"txid_current", CM_OID_INT8, NULL, 1},
    {"array_lower", CM_OID_INT4, NULL, 1},
    {"pg_char_to_encoding", CM_OID_INT4, NULL, 6},
    {"pg_backend_pid", CM_OID_INT4, NULL, 0}, /* replaced below: here for its type */
    {"getdatabaseencoding", CM_OID_TEXT, "UTF8", 0},
    {"pg_client_encoding", CM_OID_TEXT, "UTF8", 0},
    {"pg_encoding_to_char", CM_OID_TEXT, "UTF8", 0},
    {"pg_tablespace_location", CM_OID_TEXT, "", 0},
    {"current_schema", CM_OID_NAME, "public", 0},
    {"inet_client_addr", CM_OID_TEXT, NULL, 0},
    {"inet_client_port", CM_OID_TEXT, NULL, 0},
    {"inet_server_addr", CM_OID_TEXT, NULL, 0},
    {"inet_server_port", CM_OID_TEXT, NULL, 0},
    {"pg_get_function_arguments", CM_OID_TEXT, NULL, 0},
    {"pg_get_function_identity_arguments", CM_OID_TEXT, NULL, 0},
    {"pg_get_function_result", CM_OID_TEXT, NULL, 0},
    {"pg_get_functiondef", CM_OID_TEXT, NULL, 0},
    {"pg_get_partkeydef", CM_OID_TEXT, NULL, 0},
    {"pg_get_ruledef", CM_OID_TEXT, NULL, 0},
    {"pg_get_serial_sequence", CM_OID_TEXT, NULL, 0},
    {"pg_get_statisticsobjdef_columns", CM_OID_TEXT, NULL, 0},
    {"pg_get_triggerdef", CM_OID_TEXT, NULL, 0},
    {"shobj_description", CM_OID_TEXT, NULL, 0},
};

static void answer_constant(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    const constant *c = sqlite3_user_data(ctx);
    (void)args;
    (void)arg;
    if (c->type != CM_OID_TEXT && c->type != CM_OID_NAME) {
        sqlite3_result_int(ctx, c->number);
    } else if (c->text != NULL) {
        sqlite3_result_text(ctx, c->text, -1, SQLITE_STATIC);
    }
}

/* ---- helpers ------------------------------------------------------------------------------ */

static const char *text_of(sqlite3_value *value)
{
    return (const char *)sqlite3_value_text(value);
}

static void give_text(sqlite3_context *ctx, const char *text)
{
    sqlite3_result_text(ctx, text, -1, SQLITE_TRANSIENT);
}

/* The first value of a query of the catalog itself, with up to two numbers or one text. */
static bool look_up(sqlite3_context *ctx, const char *sql, sqlite3_value *a, sqlite3_value *b)
{
    sqlite3_stmt *stmt = NULL;
    bool found = false;
    if (sqlite3_prepare_v2(sqlite3_context_db_handle(ctx), sql, -1, &stmt, NULL) == SQLITE_OK) {
        int code = sqlite3_bind_value(stmt, 1, a);
        if (code == SQLITE_OK && b != NULL) {
            code = sqlite3_bind_value(stmt, 2, b);
        }
        if (code == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
            sqlite3_result_value(ctx, sqlite3_column_value(stmt, 0));
            found = true;
        }
    }
    sqlite3_finalize(stmt);
    return found;
}

/* Functions that are one query over their arguments. */
typedef struct query_function {
    const char *name;
    int args;
    uint32_t type;
    const char *sql;
} query_function;

static const query_function queries[] = {
    {"pg_table_is_visible", 1, CM_OID_BOOL,
     "SELECT relnamespace IN (11, 2200) FROM pg_class WHERE oid = ?1"},
    {"pg_type_is_visible", 1, CM_OID_BOOL,
     "SELECT typnamespace IN (11, 2200) FROM pg_type WHERE oid = ?1"},
    {"pg_get_userbyid", 1, CM_OID_NAME,
     "SELECT rolname FROM pg_roles WHERE oid = ?1 UNION ALL SELECT nspname FROM pg_namespace WHERE"
     " oid = ?1 UNION ALL SELECT 'comity'"},
    {"obj_description", 1, CM_OID_TEXT,
     "SELECT description FROM pg_description WHERE objoid = ?1 AND objsubid = 0"},
    {"obj_description", 2, CM_OID_TEXT,
     "SELECT description FROM pg_description WHERE objoid = ?1 AND objsubid = 0 AND ?2 = "
     "'pg_class'"},
    {"col_description", 2, CM_OID_TEXT,
     "SELECT description FROM pg_description WHERE objoid = ?1 AND objsubid = ?2"},
    {"pg_get_constraintdef", -1, CM_OID_TEXT,
     "SELECT definition FROM cm_definition WHERE oid = ?1"},
    {"pg_get_viewdef", -1, CM_OID_TEXT, "SELECT definition FROM cm_definition WHERE oid = ?1"},
    {"pg_get_indexdef", 1, CM_OID_TEXT, "SELECT definition FROM cm_definition WHERE oid = ?1"},
    {"pg_get_indexdef", 3, CM_OID_TEXT,
     "SELECT CASE ?2 WHEN 0 THEN definition ELSE column_name END FROM cm_definition WHERE oid = "
     "?1"},
    {"to_regclass", 1, CM_OID_TEXT, "SELECT cm_regclass(cm_regclass(?1))"},
    {"to_regtype", 1, CM_OID_TEXT, "SELECT cm_regtype(cm_regtype(?1))"},
};

static void answer_query(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    const query_function *q = sqlite3_user_data(ctx);
    if (args > 0) {
        (void)look_up(ctx, q->sql, arg[0],
                      args > 1 && strstr(q->sql, "?2") != NULL ? arg[1] : NULL);
    }
}

/* ---- names of objects --------------------------------------------------------------------- */

/*
 * x::regclass and its like: a number becomes the name that is shown, a text the number that is
 * compared; digits in a text are that number.
 */
typedef struct reg_type {
    const char *name;
    const char *by_oid, *by_name;
} reg_type;

static const reg_type reg_types[] = {
    {"cm_regclass",
     "SELECT CASE WHEN c.relnamespace IN (11, 2200) THEN quote_ident(c.relname) ELSE"
     " quote_ident(n.nspname) || '.' || quote_ident(c.relname) END FROM pg_class c JOIN "
     "pg_namespace"
     " n ON n.oid = c.relnamespace WHERE c.oid = ?1",
     "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ?1 IN"
     " (n.nspname || '.' || c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname)) OR"
     " (c.relnamespace IN (11, 2200) AND ?1 IN (c.relname, quote_ident(c.relname))) ORDER BY"
     " c.relnamespace LIMIT 1"},
    {"cm_regtype", "SELECT format_type(?1, NULL)",
     "SELECT oid FROM pg_type WHERE typname = ?1 OR format_type(oid, NULL) = ?1 OR 'pg_catalog.' ||"
     " typname = ?1 ORDER BY oid LIMIT 1"},
    {"cm_regnamespace", "SELECT quote_ident(nspname) FROM pg_namespace WHERE oid = ?1",
     "SELECT oid FROM pg_namespace WHERE nspname = ?1"},
    {"cm_regrole", "SELECT pg_get_userbyid(?1)", "SELECT oid FROM pg_roles WHERE rolname = ?1"},
    {"cm_regproc", "SELECT CASE ?1 WHEN 0 THEN '-' ELSE ?1 END",
     "SELECT CASE WHEN ?1 LIKE 'pg_catalog.%' THEN substr(?1, 12) ELSE ?1 END"},
};

static void answer_reg(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    const reg_type *type = sqlite3_user_data(ctx);
    (void)args;
    if (sqlite3_value_type(arg[0]) == SQLITE_NULL) {
        return;
    }
    if (sqlite3_value_type(arg[0]) == SQLITE_INTEGER) {
        if (!look_up(ctx, type->by_oid, arg[0], NULL)) {
            sqlite3_result_value(ctx, arg[0]);
        }
        return;
    }
    const char *text = text_of(arg[0]);
    if (text[0] != '\0' && strspn(text, "0123456789") == strlen(text)) {
        sqlite3_result_int64(ctx, strtoll(text, NULL, 10));
    } else {
        (void)look_up(ctx, type->by_name, arg[0], NULL);
    }
}

static const char *long_type_name(const char *name)
{
    static const struct {
        const char *from, *to;
    } names[] = {
        {"bool", "boolean"},
        {"int2", "smallint"},
        {"int4", "integer"},
        {"int8", "bigint"},
        {"float4", "real"},
        {"float8", "double precision"},
        {"varchar", "character varying"},
        {"bpchar", "character"},
        {"timestamp", "timestamp without time zone"},
        {"timestamptz", "timestamp with time zone"},
        {"time", "time without time zone"},
        {"char", "\"char\""},
        {"_int4", "integer[]"},
        {"_text", "text[]"},
    };
    for (size_t i = 0; i < CM_COUNT(names); i++) {
        if (strcmp(names[i].from, name) == 0) {
            return names[i].to;
        }
    }
    return name;
}

/* format_type(oid, typmod) */
static void format_type(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    static const char sql[] =
        "SELECT CASE WHEN typnamespace IN (11, 2200) THEN typname ELSE (SELECT nspname FROM"
        " pg_namespace n WHERE n.oid = typnamespace) || '.' || typname END FROM pg_type WHERE oid ="
        " ?1";
    sqlite3_stmt *stmt = NULL;
    char name[192];
    int64_t oid = sqlite3_value_int64(arg[0]);
    int mod =
        args > 1 && sqlite3_value_type(arg[1]) != SQLITE_NULL ? sqlite3_value_int(arg[1]) : -1;
    if (sqlite3_value_type(arg[0]) == SQLITE_NULL) {
        return;
    }
    (void)snprintf(name, sizeof name, "%s", oid == 0 ? "-" : "???");
    if (sqlite3_prepare_v2(sqlite3_context_db_handle(ctx), sql, -1, &stmt, NULL) == SQLITE_OK &&
        sqlite3_bind_int64(stmt, 1, oid) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *known = (const char *)sqlite3_column_text(stmt, 0);
        const char *shown = known != NULL ? long_type_name(known) : "???";
        if (mod >= 4 && oid == CM_OID_NUMERIC) {
            (void)snprintf(name, sizeof name, "%s(%d,%d)", shown, (mod - 4) >> 16,
                           (mod - 4) & 0xffff);
        } else if (mod >= 4 && (oid == 1042 || oid == 1043)) {
            (void)snprintf(name, sizeof name, "%s(%d)", shown, mod - 4);
        } else {
            (void)snprintf(name, sizeof name, "%s", shown);
        }
    }
    sqlite3_finalize(stmt);
    give_text(ctx, name);
}

static void quote_ident(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    const char *text = text_of(arg[0]);
    (void)args;
    if (text == NULL) {
        return;
    }
    bool plain = text[0] == '_' || (text[0] >= 'a' && text[0] <= 'z');
    for (const char *c = text; *c != '\0'; c++) {
        plain = plain && ((*c >= 'a' && *c <= 'z') || isdigit((unsigned char)*c) || *c == '_');
    }
    if (plain) {
        give_text(ctx, text);
        return;
    }
    cm_buf_put_quoted(&out, text, '"');
    give_text(ctx, cm_buf_text(&out));
}

static void quote_literal(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    CM_CLEANUP(cm_buf_free) cm_buf out = {0};
    const char *text = text_of(arg[0]);
    (void)args;
    if (text == NULL) {
        return;
    }
    cm_buf_put_quoted(&out, text, '\'');
    give_text(ctx, cm_buf_text(&out));
}

/* ---- the session -------------------------------------------------------------------------- */

static void version(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    (void)args;
    (void)arg;
    give_text(ctx, "PostgreSQL 15.0 (Comity " CM_VERSION ")");
}

static void current_user(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    const cm_session *s = sqlite3_user_data(ctx);
    (void)args;
    (void)arg;
    give_text(ctx, s->role);
}

static void current_database(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    const cm_session *s = sqlite3_user_data(ctx);
    (void)args;
    (void)arg;
    give_text(ctx, cm_node_org(s->node));
}

static void backend_pid(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    const cm_session *s = sqlite3_user_data(ctx);
    (void)args;
    (void)arg;
    sqlite3_result_int64(ctx, s->number);
}

static void current_schemas(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    (void)args;
    give_text(ctx, sqlite3_value_int(arg[0]) != 0 ? "{pg_catalog,public}" : "{public}");
}

static void current_setting(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    cm_session *s = sqlite3_user_data(ctx);
    const char *name = text_of(arg[0]);
    char message[128];
    if (name == NULL) {
        return;
    }
    const char *value = cm_session_setting(s, name, &s->arena);
    if (value != NULL) {
        give_text(ctx, value);
    } else if (args < 2 || sqlite3_value_int(arg[1]) == 0) {
        (void)snprintf(message, sizeof message, "unrecognized configuration parameter \"%.63s\"",
                       name);
        sqlite3_result_error(ctx, message, -1);
    }
}

static void set_config(sqlite3_context *ctx, int args, sqlite3_value **arg)
{
    cm_session *s = sqlite3_user_data(ctx);
    const char *name = text_of(arg[0]), *value = text_of(arg[1]);
    cm_diag diag = {0};
    (void)args;
    if (name == NULL || cm_session_set(s, name, value, &diag) != CM_OK) {
        sqlite3_result_error(ctx, name == NULL ? "no name" : diag.message, -1);
        return;
    }
    sqlite3_result_value(ctx, arg[1]);
}

/* ---- all of them -------------------------------------------------------------------------- */

static const cm_system_function functions[] = {
    {"format_type", 1, CM_OID_TEXT, format_type, CM_DATA_NOTHING},
    {"format_type", 2, CM_OID_TEXT, format_type, CM_DATA_NOTHING},
    {"quote_ident", 1, CM_OID_TEXT, quote_ident, CM_DATA_NOTHING},
    {"quote_literal", 1, CM_OID_TEXT, quote_literal, CM_DATA_NOTHING},
    {"version", 0, CM_OID_TEXT, version, CM_DATA_NOTHING},
    {"current_user", 0, CM_OID_NAME, current_user, CM_DATA_SESSION},
    {"session_user", 0, CM_OID_NAME, current_user, CM_DATA_SESSION},
    {"current_role", 0, CM_OID_NAME, current_user, CM_DATA_SESSION},
    {"user", 0, CM_OID_NAME, current_user, CM_DATA_SESSION},
    {"current_database", 0, CM_OID_NAME, current_database, CM_DATA_SESSION},
    {"current_catalog", 0, CM_OID_NAME, current_database, CM_DATA_SESSION},
    {"pg_backend_pid", 0, CM_OID_INT4, backend_pid, CM_DATA_SESSION},
    {"current_schemas", 1, CM_OID_TEXT, current_schemas, CM_DATA_NOTHING},
    {"current_setting", 1, CM_OID_TEXT, current_setting, CM_DATA_SESSION},
    {"current_setting", 2, CM_OID_TEXT, current_setting, CM_DATA_SESSION},
    {"set_config", 3, CM_OID_TEXT, set_config, CM_DATA_SESSION},
};

uint32_t cm_system_function_type(const char *name)
{
    static const struct {
        const char *name;
        uint32_t type;
    } others[] = {
        {"count", CM_OID_INT8},       {"row_number", CM_OID_INT8},   {"length", CM_OID_INT4},
        {"char_length", CM_OID_INT4}, {"position", CM_OID_INT4},     {"strpos", CM_OID_INT4},
        {"array_upper", CM_OID_INT4}, {"array_length", CM_OID_INT4}, {"lower", CM_OID_TEXT},
        {"upper", CM_OID_TEXT},       {"random", CM_OID_NUMERIC}};
    size_t count;
    const cm_system_function *values = cm_system_value_functions(&count);
    for (size_t i = 0; i < CM_COUNT(functions); i++) {
        if (strcmp(functions[i].name, name) == 0) {
            return functions[i].type;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(values[i].name, name) == 0) {
            return values[i].type;
        }
    }
    for (size_t i = 0; i < CM_COUNT(queries); i++) {
        if (strcmp(queries[i].name, name) == 0) {
            return queries[i].type;
        }
    }
    for (size_t i = 0; i < CM_COUNT(constants); i++) {
        if (strcmp(constants[i].name, name) == 0) {
            return constants[i].type;
        }
    }
    for (size_t i = 0; i < CM_COUNT(others); i++) {
        if (strcmp(others[i].name, name) == 0) {
            return others[i].type;
        }
    }
    return 0;
}

/* SQLite takes a pointer to data that it does not change. */
static void *data(const void *pointer)
{
    return (void *)(uintptr_t)pointer;
}

static int add_functions(sqlite3 *db, const cm_system_function *list, size_t count, cm_session *s)
{
    int code = SQLITE_OK;
    for (size_t i = 0; code == SQLITE_OK && i < count; i++) {
        const cm_system_function *f = &list[i];
        void *argument = f->data == CM_DATA_SESSION ? s : f->data == CM_DATA_FLAG ? data(f) : NULL;
        code =
            sqlite3_create_function(db, f->name, f->args, SQLITE_UTF8, argument, f->fn, NULL, NULL);
    }
    return code;
}

cm_status cm_system_functions(sqlite3 *db, cm_session *s, cm_diag *diag)
{
    const int flags = SQLITE_UTF8;
    size_t count;
    const cm_system_function *values = cm_system_value_functions(&count);
    int code = cm_system_array_functions(db);
    for (size_t i = 0; code == SQLITE_OK && i < CM_COUNT(constants); i++) {
        code = sqlite3_create_function(db, constants[i].name, -1, flags, data(&constants[i]),
                                       answer_constant, NULL, NULL);
    }
    for (size_t i = 0; code == SQLITE_OK && i < CM_COUNT(queries); i++) {
        code = sqlite3_create_function(db, queries[i].name, queries[i].args, flags,
                                       data(&queries[i]), answer_query, NULL, NULL);
    }
    for (size_t i = 0; code == SQLITE_OK && i < CM_COUNT(reg_types); i++) {
        code = sqlite3_create_function(db, reg_types[i].name, 1, flags, data(&reg_types[i]),
                                       answer_reg, NULL, NULL);
    }
    if (code == SQLITE_OK) {
        code = add_functions(db, functions, CM_COUNT(functions), s);
    }
    if (code == SQLITE_OK) {
        code = add_functions(db, values, count, s);
    }
    return code == SQLITE_OK ? CM_OK
                             : cm_fail(diag, CM_ENOMEM, CM_SQL_INTERNAL,
                                       "could not make the node's catalog: %s", sqlite3_errmsg(db));
}
