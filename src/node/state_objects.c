/* Servers, enum types, foreign tables, roles: what DDL makes and drops. */
#include "node/state_int.h"
#include "node/wire.h"

#include <string.h>

enum {
    REMOTE_MAX_BYTES = 1 << 12,
    VERIFIER_BYTES = 4 + 16 + 32 + 32,
};

static cm_status damaged(const char *what, const char *name, cm_diag *diag)
{
    return cm_fail(diag, CM_EIO, "XX001", "this node's state is damaged: %s \"%.63s\"", what, name);
}

/* Runs a change of one named object that must exist. */
static cm_status close_changing(cm_sq *q, const char *sqlstate, const char *what, const char *name,
                                cm_diag *diag)
{
    int changes = 0;
    cm_status st = cm_sq_close(q, &changes);
    if (st == CM_OK && changes == 0) {
        st = cm_fail(diag, CM_ENOTFOUND, sqlstate, "%s \"%.63s\" does not exist", what, name);
    }
    return st;
}

static cm_status refuse_existing(cm_state *state, const char *sql, const char *sqlstate,
                                 const char *what, const char *name, cm_diag *diag)
{
    bool exists = false;
    cm_status st = cm_state_exists(state, sql, name, &exists, diag);
    if (st == CM_OK && exists) {
        st = cm_fail(diag, CM_EEXISTS, sqlstate, "%s \"%.63s\" already exists", what, name);
    }
    return st;
}

/* Binds what was written to buf, unless memory ran out. */
static void bind_buf(cm_sq *q, int index, cm_buf *buf)
{
    if (buf->failed && q->status == CM_OK) {
        q->status = cm_fail(q->diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_sq_blob(q, index, buf->data, buf->bytes);
}

/* ---- servers ------------------------------------------------------------------------------ */

cm_status cm_state_server_add(cm_state *state, const cm_state_server *server, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_wipe_free) cm_buf options = {0};
    cm_status st = refuse_existing(state, "SELECT 1 FROM server WHERE name = ?1",
                                   CM_SQL_DUPLICATE_OBJECT, "server", server->name, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_options_encode(&server->options, &options);
    cm_sq q =
        cm_sq_open(state, "INSERT INTO server(name, wrapper, options) VALUES (?1, ?2, ?3)", diag);
    cm_sq_text(&q, 1, server->name);
    cm_sq_text(&q, 2, server->wrapper);
    bind_buf(&q, 3, &options);
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_server_drop(cm_state *state, const char *name, cm_diag *diag)
{
    bool used = false;
    cm_status st =
        cm_state_exists(state, "SELECT 1 FROM foreign_table WHERE server = ?1", name, &used, diag);
    if (st != CM_OK) {
        return st;
    }
    if (used) {
        st = cm_fail(diag, CM_EINVAL, "2BP01",
                     "cannot drop server \"%.63s\" because foreign tables use it", name);
        cm_diag_hint(diag, "Drop those tables first.");
        return st;
    }
    cm_sq q = cm_sq_open(state, "DELETE FROM server WHERE name = ?1", diag);
    cm_sq_text(&q, 1, name);
    return close_changing(&q, CM_SQL_UNDEFINED_OBJECT, "server", name, diag);
}

static const char select_server[] = "SELECT name, wrapper, options FROM server";

static void read_server(cm_sq *q, cm_arena *arena, void *item)
{
    cm_state_server *ret = item;
    size_t bytes;
    ret->name = cm_sq_get_text(q, 0, arena);
    ret->wrapper = cm_sq_get_text(q, 1, arena);
    const uint8_t *data = cm_sq_get_blob(q, 2, &bytes);
    cm_reader r = cm_reader_of(data, bytes);
    if (!cm_options_decode(&r, arena, &ret->options) || !cm_reader_done(&r)) {
        q->status = damaged("server", ret->name, q->diag);
    }
}

cm_status cm_state_server_get(cm_state *state, const char *name, cm_arena *arena,
                              cm_state_server *ret, cm_diag *diag)
{
    cm_state_server server = {0};
    cm_sq q = cm_sq_open(state, "SELECT name, wrapper, options FROM server WHERE name = ?1", diag);
    cm_sq_text(&q, 1, name);
    if (cm_sq_row(&q)) {
        read_server(&q, arena, &server);
    }
    cm_status st = cm_sq_close(&q, NULL);
    if (st == CM_OK && server.name == NULL) {
        st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_OBJECT, "server \"%.63s\" does not exist",
                     name);
    }
    if (st == CM_OK) {
        *ret = server;
    }
    return st;
}

cm_status cm_state_server_list(cm_state *state, cm_arena *arena, const cm_state_server **ret,
                               size_t *ret_count, cm_diag *diag)
{
    const void *list = NULL;
    cm_sq q = cm_sq_open(state, select_server, diag);
    cm_status st = cm_sq_list(&q, arena, read_server, sizeof(cm_state_server), &list, ret_count);
    if (st == CM_OK) {
        *ret = list;
    }
    return st;
}

/* ---- enum types --------------------------------------------------------------------------- */

cm_status cm_state_enum_add(cm_state *state, const cm_enum *type, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf labels = {0};
    cm_status st = refuse_existing(state, "SELECT 1 FROM enum_type WHERE name = ?1",
                                   CM_SQL_DUPLICATE_OBJECT, "type", type->name, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_buf_put_u32(&labels, (uint32_t)type->count);
    for (size_t i = 0; i < type->count; i++) {
        cm_buf_put_text(&labels, type->labels[i]);
    }
    cm_sq q = cm_sq_open(state, "INSERT INTO enum_type(name, labels) VALUES (?1, ?2)", diag);
    cm_sq_text(&q, 1, type->name);
    bind_buf(&q, 2, &labels);
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_enum_drop(cm_state *state, const char *name, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state, "DELETE FROM enum_type WHERE name = ?1", diag);
    cm_sq_text(&q, 1, name);
    return close_changing(&q, CM_SQL_UNDEFINED_OBJECT, "type", name, diag);
}

static const cm_enum *read_enum(cm_sq *q, cm_arena *arena)
{
    size_t bytes;
    cm_enum *type = CM_NEW_SMALL(arena, cm_enum, 1);
    type->name = cm_sq_get_text(q, 0, arena);
    const uint8_t *data = cm_sq_get_blob(q, 1, &bytes);
    cm_reader r = cm_reader_of(data, bytes);
    uint32_t count = cm_reader_u32(&r);
    if (count <= CM_ENUM_MAX_LABELS) {
        const char **labels = CM_NEW_SMALL(arena, const char *, count);
        for (uint32_t i = 0; i < count; i++) {
            labels[i] = cm_reader_text(&r, arena, CM_TEXT_MAX_BYTES);
        }
        type->count = count;
        type->labels = labels;
    }
    if (count > CM_ENUM_MAX_LABELS || !cm_reader_done(&r)) {
        q->status = damaged("type", type->name, q->diag);
    }
    return type;
}

cm_status cm_state_enum_get(cm_state *state, const char *name, cm_arena *arena, const cm_enum **ret,
                            cm_diag *diag)
{
    const cm_enum *type = NULL;
    cm_sq q = cm_sq_open(state, "SELECT name, labels FROM enum_type WHERE name = ?1", diag);
    cm_sq_text(&q, 1, name);
    if (cm_sq_row(&q)) {
        type = read_enum(&q, arena);
    }
    cm_status st = cm_sq_close(&q, NULL);
    if (st == CM_OK && type == NULL) {
        st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_OBJECT, "type \"%.63s\" does not exist",
                     name);
    }
    if (st == CM_OK) {
        *ret = type;
    }
    return st;
}

static void read_enum_slot(cm_sq *q, cm_arena *arena, void *item)
{
    const cm_enum **slot = item;
    *slot = read_enum(q, arena);
}

cm_status cm_state_enum_list(cm_state *state, cm_arena *arena, const cm_enum *const **ret,
                             size_t *ret_count, cm_diag *diag)
{
    const void *list = NULL;
    cm_sq q = cm_sq_open(state, "SELECT name, labels FROM enum_type ORDER BY name", diag);
    cm_status st = cm_sq_list(&q, arena, read_enum_slot, sizeof(cm_enum *), &list, ret_count);
    if (st == CM_OK) {
        *ret = list;
    }
    return st;
}

/* ---- foreign tables ----------------------------------------------------------------------- */

static void bind_table(cm_sq *q, const cm_state_table *table)
{
    CM_CLEANUP(cm_buf_free) cm_buf definition = {0};
    CM_CLEANUP(cm_buf_free) cm_buf remote = {0};
    cm_org_table_encode(&table->table, &definition);
    for (size_t i = 0; i < table->table.cols; i++) {
        cm_buf_put_text(&remote, table->remote_col[i]);
    }
    cm_sq_text(q, 1, table->table.name);
    cm_sq_text(q, 2, table->server);
    cm_sq_text(q, 3, table->remote);
    bind_buf(q, 4, &definition);
    bind_buf(q, 5, &remote);
}

cm_status cm_state_table_add(cm_state *state, const cm_state_table *table, cm_diag *diag)
{
    cm_status st =
        refuse_existing(state,
                        "SELECT 1 FROM foreign_table WHERE name = ?1 UNION ALL SELECT 1 "
                        "FROM view WHERE name = ?1 UNION ALL SELECT 1 FROM matview WHERE "
                        "name = ?1",
                        "42P07", "relation", table->table.name, diag);
    bool server_exists = false;
    if (st == CM_OK) {
        st = cm_state_exists(state, "SELECT 1 FROM server WHERE name = ?1", table->server,
                             &server_exists, diag);
    }
    if (st == CM_OK && !server_exists) {
        st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_OBJECT, "server \"%.63s\" does not exist",
                     table->server);
    }
    if (st != CM_OK) {
        return st;
    }
    cm_sq q = cm_sq_open(state,
                         "INSERT INTO foreign_table(name, server, remote, definition,"
                         " remote_columns) VALUES (?1, ?2, ?3, ?4, ?5)",
                         diag);
    bind_table(&q, table);
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_table_replace(cm_state *state, const cm_state_table *table, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state,
                         "UPDATE foreign_table SET server = ?2, remote = ?3, definition = ?4,"
                         " remote_columns = ?5 WHERE name = ?1",
                         diag);
    bind_table(&q, table);
    return close_changing(&q, CM_SQL_UNDEFINED_TABLE, "relation", table->table.name, diag);
}

cm_status cm_state_table_drop(cm_state *state, const char *name, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state, "DELETE FROM foreign_table WHERE name = ?1", diag);
    cm_sq_text(&q, 1, name);
    return close_changing(&q, CM_SQL_UNDEFINED_TABLE, "foreign table", name, diag);
}

static void read_table(cm_sq *q, cm_arena *arena, void *item)
{
    cm_state_table *ret = item;
    size_t bytes;
    const char *name = cm_sq_get_text(q, 0, arena);
    ret->server = cm_sq_get_text(q, 1, arena);
    ret->remote = cm_sq_get_text(q, 2, arena);
    const uint8_t *data = cm_sq_get_blob(q, 3, &bytes);
    cm_reader r = cm_reader_of(data, bytes);
    if (cm_org_table_decode(&r, arena, &ret->table, NULL) != CM_OK || !cm_reader_done(&r)) {
        q->status = damaged("foreign table", name, q->diag);
        return;
    }
    data = cm_sq_get_blob(q, 4, &bytes);
    r = cm_reader_of(data, bytes);
    const char **remote_col = CM_NEW_SMALL(arena, const char *, ret->table.cols);
    for (size_t i = 0; i < ret->table.cols; i++) {
        remote_col[i] = cm_reader_text(&r, arena, REMOTE_MAX_BYTES);
    }
    ret->remote_col = remote_col;
    if (!cm_reader_done(&r)) {
        q->status = damaged("foreign table", name, q->diag);
    }
}

cm_status cm_state_table_get(cm_state *state, const char *name, cm_arena *arena,
                             cm_state_table *ret, cm_diag *diag)
{
    cm_state_table table = {0};
    bool found = false;
    cm_sq q = cm_sq_open(state,
                         "SELECT name, server, remote, definition, remote_columns"
                         " FROM foreign_table WHERE name = ?1",
                         diag);
    cm_sq_text(&q, 1, name);
    if (cm_sq_row(&q)) {
        read_table(&q, arena, &table);
        found = true;
    }
    cm_status st = cm_sq_close(&q, NULL);
    if (st == CM_OK && !found) {
        st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_TABLE,
                     "relation \"%.63s\" does not exist", name);
    }
    if (st == CM_OK) {
        *ret = table;
    }
    return st;
}

cm_status cm_state_table_list(cm_state *state, cm_arena *arena, const cm_state_table **ret,
                              size_t *ret_count, cm_diag *diag)
{
    const void *list = NULL;
    cm_sq q = cm_sq_open(state,
                         "SELECT name, server, remote, definition, remote_columns"
                         " FROM foreign_table ORDER BY name",
                         diag);
    cm_status st = cm_sq_list(&q, arena, read_table, sizeof(cm_state_table), &list, ret_count);
    if (st == CM_OK) {
        *ret = list;
    }
    return st;
}

/* ---- roles -------------------------------------------------------------------------------- */

static void bind_role(cm_sq *q, const cm_state_role *role)
{
    uint8_t blob[VERIFIER_BYTES];
    cm_sq_text(q, 1, role->name);
    if (role->login) {
        const cm_scram_verifier *v = &role->verifier;
        blob[0] = (uint8_t)(v->iterations >> 24);
        blob[1] = (uint8_t)(v->iterations >> 16);
        blob[2] = (uint8_t)(v->iterations >> 8);
        blob[3] = (uint8_t)v->iterations;
        memcpy(blob + 4, v->salt, sizeof v->salt);
        memcpy(blob + 20, v->stored_key, sizeof v->stored_key);
        memcpy(blob + 52, v->server_key, sizeof v->server_key);
        cm_sq_blob(q, 2, blob, sizeof blob);
        cm_wipe(blob, sizeof blob);
    }
    cm_sq_int(q, 3, role->administrator);
    cm_sq_int(q, 4, role->publisher);
    cm_sq_int(q, 5, role->analyst);
}

static void read_role(cm_sq *q, cm_arena *arena, void *item)
{
    cm_state_role *ret = item;
    size_t bytes;
    memset(ret, 0, sizeof *ret);
    ret->name = cm_sq_get_text(q, 0, arena);
    (void)cm_sq_get_blob(q, 1, &bytes);
    ret->login = bytes != 0;
    if (ret->login) {
        uint8_t blob[VERIFIER_BYTES];
        cm_sq_get_fixed(q, 1, blob, sizeof blob);
        cm_scram_verifier *v = &ret->verifier;
        v->iterations =
            (unsigned)blob[0] << 24 | (unsigned)blob[1] << 16 | (unsigned)blob[2] << 8 | blob[3];
        memcpy(v->salt, blob + 4, sizeof v->salt);
        memcpy(v->stored_key, blob + 20, sizeof v->stored_key);
        memcpy(v->server_key, blob + 52, sizeof v->server_key);
        cm_wipe(blob, sizeof blob);
    }
    ret->administrator = cm_sq_get_int(q, 2) != 0;
    ret->publisher = cm_sq_get_int(q, 3) != 0;
    ret->analyst = cm_sq_get_int(q, 4) != 0;
}

cm_status cm_state_role_add(cm_state *state, const cm_state_role *role, cm_diag *diag)
{
    cm_status st = refuse_existing(state, "SELECT 1 FROM role WHERE name = ?1",
                                   CM_SQL_DUPLICATE_OBJECT, "role", role->name, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_sq q = cm_sq_open(state,
                         "INSERT INTO role(name, verifier, administrator, publisher, analyst)"
                         " VALUES (?1, ?2, ?3, ?4, ?5)",
                         diag);
    bind_role(&q, role);
    return cm_sq_close(&q, NULL);
}

cm_status cm_state_role_replace(cm_state *state, const cm_state_role *role, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state,
                         "UPDATE role SET verifier = ?2, administrator = ?3, publisher = ?4,"
                         " analyst = ?5 WHERE name = ?1",
                         diag);
    bind_role(&q, role);
    return close_changing(&q, CM_SQL_UNDEFINED_OBJECT, "role", role->name, diag);
}

cm_status cm_state_role_drop(cm_state *state, const char *name, cm_diag *diag)
{
    cm_sq q = cm_sq_open(state, "DELETE FROM role WHERE name = ?1", diag);
    cm_sq_text(&q, 1, name);
    return close_changing(&q, CM_SQL_UNDEFINED_OBJECT, "role", name, diag);
}

cm_status cm_state_role_get(cm_state *state, const char *name, cm_arena *arena, cm_state_role *ret,
                            cm_diag *diag)
{
    cm_state_role role = {0};
    bool found = false;
    cm_sq q = cm_sq_open(state,
                         "SELECT name, verifier, administrator, publisher, analyst"
                         " FROM role WHERE name = ?1",
                         diag);
    cm_sq_text(&q, 1, name);
    if (cm_sq_row(&q)) {
        read_role(&q, arena, &role);
        found = true;
    }
    cm_status st = cm_sq_close(&q, NULL);
    if (st == CM_OK && !found) {
        st = cm_fail(diag, CM_ENOTFOUND, CM_SQL_UNDEFINED_OBJECT, "role \"%.63s\" does not exist",
                     name);
    }
    if (st == CM_OK) {
        *ret = role;
    }
    return st;
}

cm_status cm_state_role_list(cm_state *state, cm_arena *arena, const cm_state_role **ret,
                             size_t *ret_count, cm_diag *diag)
{
    const void *list = NULL;
    cm_sq q = cm_sq_open(state,
                         "SELECT name, verifier, administrator, publisher, analyst"
                         " FROM role ORDER BY name",
                         diag);
    cm_status st = cm_sq_list(&q, arena, read_role, sizeof(cm_state_role), &list, ret_count);
    if (st == CM_OK) {
        *ret = list;
    }
    return st;
}
