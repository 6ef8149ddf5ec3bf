#include "source/sqlite_db.h"

#include "base/clock.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PROGRESS_OPS = 20000,            /* virtual machine steps between looks at the clock */
    SCRATCH_BYTES = 4 * 1024 * 1024, /* of a value in a function: touched pages only */
};

typedef struct definition {
    struct definition *next;
    cm_sqlite *db;
    const cm_type *type;
    const char *column;
} definition;

struct cm_sqlite {
    sqlite3 *handle;
    int timeout_ms;
    int64_t deadline_ms;
    definition *definitions;
    cm_arena scratch;
    cm_fault fault; /* of the function that failed the running statement */
};

static int look_at_clock(void *arg)
{
    const cm_sqlite *db = arg;
    return cm_clock_ms() > db->deadline_ms;
}

CM_MUST static cm_status fail(cm_sqlite *db, int code, cm_diag *diag)
{
    const char *text = sqlite3_errmsg(db->handle);
    switch (code & 0xff) {
    case SQLITE_NOMEM:
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "SQLite: %s", text);
    case SQLITE_INTERRUPT:
        return cm_fail(diag, CM_ECANCELLED, CM_SQL_CANCELLED,
                       "SQLite: the statement took longer than %d ms", db->timeout_ms);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return cm_fail(diag, CM_EIO, "55P03", "SQLite: %s", text);
    case SQLITE_FULL:
        return cm_fail(diag, CM_EIO, CM_SQL_DISK_FULL, "SQLite: %s", text);
    case SQLITE_ERROR:
        if (db->fault.sqlstate != NULL) {
            return cm_fail(diag, CM_EINVAL, db->fault.sqlstate, "%s", text);
        }
        if (strstr(text, "overflow") != NULL) {
            return cm_fail(diag, CM_ERANGE, CM_SQL_RANGE, "SQLite: %s", text);
        }
        return cm_fail(diag, CM_EINVAL, CM_SQL_FDW, "SQLite: %s", text);
    default:
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "SQLite: %s", text);
    }
}

static void start_clock(cm_sqlite *db)
{
    db->deadline_ms = cm_clock_ms() + db->timeout_ms;
    db->fault = (cm_fault){0};
}

/*
 * Sorts beyond 64 MB go through temporary files (unlinked as they are made): SQLite's sorter in
 * memory alone has no limit and is half as fast.
 */
static const char *settings_of(cm_sqlite_mode mode)
{
    switch (mode) {
    case CM_SQLITE_BUILD:
        return "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
               "PRAGMA cache_size=-65536; PRAGMA threads=4;";
    case CM_SQLITE_MEMORY:
        return "PRAGMA case_sensitive_like=ON; PRAGMA trusted_schema=OFF; PRAGMA journal_mode=OFF;";
    case CM_SQLITE_READ:
    case CM_SQLITE_HUB:
        break;
    }
    return "PRAGMA case_sensitive_like=ON; PRAGMA trusted_schema=OFF; PRAGMA query_only=ON;"
           "PRAGMA cache_size=-65536; PRAGMA mmap_size=2147418112;"
           "PRAGMA threads=4;";
}

static int flags_of(cm_sqlite_mode mode)
{
    int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    return flags | (mode == CM_SQLITE_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
}

/* A path as a URI, so that no name is taken for a special one. */
static void put_uri(cm_buf *out, const char *path, const char *query)
{
    cm_buf_printf(out, "file:");
    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '%' || *c == '?' || *c == '#') {
            cm_buf_printf(out, "%%%02x", (unsigned)*c);
        } else {
            cm_buf_put_u8(out, (uint8_t)*c);
        }
    }
    cm_buf_printf(out, "%s", query);
}

cm_status cm_sqlite_open(const char *path, cm_sqlite_mode mode, int timeout_ms, cm_sqlite **ret,
                         cm_diag *diag)
{
    CM_CLEANUP(cm_buf_wipe_free) cm_buf uri = {0};
    if (mode == CM_SQLITE_HUB || mode == CM_SQLITE_MEMORY) {
        cm_buf_printf(&uri, ":memory:");
    } else {
        put_uri(&uri, path, mode == CM_SQLITE_READ ? "?mode=ro" : "?mode=rw");
    }
    cm_sqlite *db = calloc(1, sizeof *db);
    if (db == NULL || uri.failed || cm_arena_init(&db->scratch, SCRATCH_BYTES) != CM_OK) {
        free(db);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory opening SQLite");
    }
    db->timeout_ms = timeout_ms;
    start_clock(db);
    int code = sqlite3_open_v2(cm_buf_text(&uri), &db->handle, flags_of(mode), NULL);
    if (code != SQLITE_OK) {
        cm_status st = cm_fail(diag, CM_EIO, "08001", "cannot open SQLite file \"%s\": %s", path,
                               db->handle == NULL ? "out of memory" : sqlite3_errmsg(db->handle));
        cm_sqlite_free(db);
        return st;
    }
    sqlite3_busy_timeout(db->handle, timeout_ms);
    if (mode != CM_SQLITE_BUILD) { /* a load takes as long as its file is large */
        sqlite3_progress_handler(db->handle, PROGRESS_OPS, look_at_clock, db);
    }
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
    /* A quoted name that does not exist is an error, not a string. */
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, (int *)NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, (int *)NULL);
    cm_status st = cm_sqlite_exec(db, settings_of(mode), diag);
    if (st != CM_OK) {
        cm_sqlite_free(db);
        return st;
    }
    *ret = db;
    return CM_OK;
}

void cm_sqlite_free(cm_sqlite *db)
{
    if (db == NULL) {
        return;
    }
    sqlite3_close_v2(db->handle);
    while (db->definitions != NULL) {
        definition *next = db->definitions->next;
        free(db->definitions);
        db->definitions = next;
    }
    cm_arena_fini(&db->scratch);
    free(db);
}

cm_status cm_sqlite_exec(cm_sqlite *db, const char *sql, cm_diag *diag)
{
    start_clock(db);
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? CM_OK : fail(db, code, diag);
}

cm_status cm_sqlite_attach(cm_sqlite *db, const char *path, const char *schema, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf uri = {0};
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    put_uri(&uri, path, "?mode=ro&immutable=1");
    cm_buf_printf(&sql, "ATTACH ");
    cm_sql_put_text(&sql, cm_buf_text(&uri));
    cm_buf_printf(&sql, " AS ");
    cm_sql_put_name(&sql, schema);
    if (uri.failed || sql.failed) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory opening SQLite");
    }
    return cm_sqlite_exec(db, cm_buf_text(&sql), diag);
}

cm_status cm_sqlite_detach(cm_sqlite *db, const char *schema, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf sql = {0};
    cm_buf_printf(&sql, "DETACH ");
    cm_sql_put_name(&sql, schema);
    return cm_sqlite_exec(db, cm_buf_text(&sql), diag);
}

cm_status cm_sqlite_prepare(cm_sqlite *db, const char *sql, cm_sqlite_stmt **ret, cm_diag *diag)
{
    sqlite3_stmt *stmt = NULL;
    const char *tail = NULL;
    start_clock(db);
    int code = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, &tail);
    if (code != SQLITE_OK) {
        return fail(db, code, diag);
    }
    CM_ASSERT(stmt != NULL && *tail == '\0'); /* callers give exactly one statement */
    *ret = (cm_sqlite_stmt *)stmt;
    return CM_OK;
}

static sqlite3_stmt *inner(cm_sqlite_stmt *stmt)
{
    return (sqlite3_stmt *)stmt;
}

void cm_sqlite_finalize(cm_sqlite_stmt *stmt)
{
    sqlite3_finalize(inner(stmt));
}

void cm_sqlite_bind_int(cm_sqlite_stmt *stmt, int parameter, int64_t value)
{
    CM_ASSERT(sqlite3_bind_int64(inner(stmt), parameter, value) == SQLITE_OK);
}

void cm_sqlite_bind_text(cm_sqlite_stmt *stmt, int parameter, const char *text, size_t bytes)
{
    CM_ASSERT(sqlite3_bind_text64(inner(stmt), parameter, text, bytes, SQLITE_STATIC,
                                  SQLITE_UTF8) == SQLITE_OK);
}

void cm_sqlite_bind_null(cm_sqlite_stmt *stmt, int parameter)
{
    CM_ASSERT(sqlite3_bind_null(inner(stmt), parameter) == SQLITE_OK);
}

void cm_sqlite_bind_value(cm_sqlite_stmt *stmt, int parameter, const cm_value *value, bool is_text)
{
    if (value->null) {
        cm_sqlite_bind_null(stmt, parameter);
    } else if (is_text) {
        cm_sqlite_bind_text(stmt, parameter, value->text, strlen(value->text));
    } else {
        cm_sqlite_bind_int(stmt, parameter, (int64_t)value->number);
    }
}

cm_status cm_sqlite_step(cm_sqlite *db, cm_sqlite_stmt *stmt, bool *ret_row, cm_diag *diag)
{
    int code = sqlite3_step(inner(stmt));
    if (code == SQLITE_ROW) {
        *ret_row = true;
        return CM_OK;
    }
    cm_status st = code == SQLITE_DONE ? CM_OK : fail(db, code, diag);
    sqlite3_reset(inner(stmt));
    *ret_row = false;
    return st;
}

void cm_sqlite_reset(cm_sqlite_stmt *stmt)
{
    sqlite3_reset(inner(stmt));
}

size_t cm_sqlite_columns(cm_sqlite_stmt *stmt)
{
    return (size_t)sqlite3_column_count(inner(stmt));
}

static cm_cell cell_of(sqlite3_value *value, int kind)
{
    cm_cell cell = {.kind = CM_CELL_NULL};
    switch (kind) {
    case SQLITE_INTEGER:
        cell.kind = CM_CELL_INTEGER;
        cell.integer = sqlite3_value_int64(value);
        break;
    case SQLITE_FLOAT:
        cell.kind = CM_CELL_REAL;
        cell.real = sqlite3_value_double(value);
        break;
    case SQLITE_TEXT:
        cell.kind = CM_CELL_TEXT;
        cell.text = (const char *)sqlite3_value_text(value);
        cell.bytes = (size_t)sqlite3_value_bytes(value);
        if (cell.text == NULL) { /* out of memory; a blob fits no type, so it is refused */
            cell = (cm_cell){.kind = CM_CELL_BLOB};
        }
        break;
    case SQLITE_BLOB:
        cell.kind = CM_CELL_BLOB;
        break;
    default:
        break;
    }
    return cell;
}

cm_cell cm_sqlite_cell(cm_sqlite_stmt *stmt, size_t col)
{
    sqlite3_stmt *in = inner(stmt);
    int i = (int)col;
    cm_cell cell = {.kind = CM_CELL_NULL};
    switch (sqlite3_column_type(in, i)) {
    case SQLITE_INTEGER:
        cell.kind = CM_CELL_INTEGER;
        cell.integer = sqlite3_column_int64(in, i);
        break;
    case SQLITE_NULL:
        break;
    case SQLITE_TEXT:
        cell.kind = CM_CELL_TEXT;
        cell.text = (const char *)sqlite3_column_text(in, i);
        cell.bytes = (size_t)sqlite3_column_bytes(in, i);
        if (cell.text == NULL) {
            cell = (cm_cell){.kind = CM_CELL_BLOB};
        }
        break;
    case SQLITE_FLOAT:
        cell.kind = CM_CELL_REAL;
        cell.real = sqlite3_column_double(in, i);
        break;
    default:
        cell.kind = CM_CELL_BLOB;
        break;
    }
    return cell;
}

static void canonical(sqlite3_context *context, int args, sqlite3_value **arg)
{
    CM_ASSERT(args == 1);
    const definition *def = sqlite3_user_data(context);
    cm_arena scratch = def->db->scratch;
    cm_cell cell = cell_of(arg[0], sqlite3_value_type(arg[0]));
    cm_value value;
    cm_fault fault;
    if (!cm_cell_canonical(def->type, &cell, &scratch, &value, &fault)) {
        char message[256];
        snprintf(message, sizeof message, "column \"%s\" %s", def->column, fault.what);
        def->db->fault = fault;
        sqlite3_result_error(context, message, -1);
    } else if (value.null) {
        sqlite3_result_null(context);
    } else if (def->type->kind == CM_TYPE_TEXT) {
        sqlite3_result_text(context, value.text, -1, SQLITE_TRANSIENT);
    } else {
        sqlite3_result_int64(context, (int64_t)value.number);
    }
}

cm_status cm_sqlite_define(cm_sqlite *db, const char *name, const cm_type *type, const char *column,
                           cm_diag *diag)
{
    definition *def = calloc(1, sizeof *def);
    if (def == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    *def = (definition){.next = db->definitions, .db = db, .type = type, .column = column};
    db->definitions = def;
    int code = sqlite3_create_function_v2(db->handle, name, 1,
                                          SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY,
                                          def, canonical, NULL, NULL, NULL);
    return code == SQLITE_OK ? CM_OK : fail(db, code, diag);
}

cm_status cm_sqlite_number(cm_sqlite *db, const char *sql, int64_t *ret, cm_diag *diag)
{
    cm_sqlite_stmt *stmt = NULL;
    cm_status st = cm_sqlite_prepare(db, sql, &stmt, diag);
    bool row = false;
    if (st == CM_OK) {
        st = cm_sqlite_step(db, stmt, &row, diag);
    }
    if (st == CM_OK) {
        *ret = row ? sqlite3_column_int64(inner(stmt), 0) : 0;
    }
    cm_sqlite_finalize(stmt);
    return st;
}

void cm_sql_put_name(cm_buf *out, const char *name)
{
    cm_buf_put_quoted(out, name, '"');
}

void cm_sql_put_text(cm_buf *out, const char *text)
{
    cm_buf_put_quoted(out, text, '\'');
}
