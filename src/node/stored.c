#include "node/stored.h"

#include "base/clock.h"
#include "base/file.h"
#include "crypto/crypto.h"
#include "node/catalog.h"
#include "node/federation.h"
#include "node/state.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ARENA_BYTES = 64 << 20, PUBLISH_SECONDS = 30 };

cm_status cm_node_stored_dir(cm_node *node, cm_arena *arena, const char **ret, cm_diag *diag)
{
    const char *dir = cm_arena_printf(arena, "%s/stored", cm_node_dir(node));

    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "could not make \"%.200s\": %s", dir,
                       strerror(errno));
    }
    *ret = dir;
    return CM_OK;
}

bool cm_stored_is_party(cm_node *node, const cm_plan *plan)
{
    for (size_t i = 0; i < plan->parties; i++) {
        if (strcmp(plan->party[i], cm_node_org(node)) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- keys --------------------------------------------------------------------------------- */

static void wipe_key(cm_state_stored *row)
{
    cm_wipe(row->key, sizeof row->key);
}

static cm_status key_of(cm_node *node, const cm_org_table *view, cm_arena *arena,
                        cm_stored_key *ret, cm_diag *diag)
{
    CM_CLEANUP(wipe_key) cm_state_stored row = {0};
    bool found = false;
    const char *dir = NULL;
    cm_hash facts = cm_stored_digest(view);
    cm_status st =
        cm_state_stored_find(cm_node_state(node), view->stored->id, arena, &row, &found, diag);
    if (st == CM_OK) {
        st = cm_node_stored_dir(node, arena, &dir, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    if (!found || access(cm_stored_path(dir, view->stored->id, false, arena), R_OK) != 0) {
        cm_diag_hint(diag, "On %s's node: REFRESH MATERIALIZED VIEW %s;", view->org, view->name);
        return cm_fail(diag, CM_ENOTFOUND, CM_SQL_NOT_READY,
                       "\"%s\" has lost its shares of materialized view %s.%s", cm_node_org(node),
                       view->org, view->name);
    }
    if (memcmp(row.facts.bytes, facts.bytes, CM_HASH_BYTES) != 0 ||
        strcmp(row.owner, view->org) != 0) {
        return cm_fail(diag, CM_EDENIED, CM_SQL_DENIED,
                       "materialized view %s.%s is not published as it was made", view->org,
                       view->name);
    }
    memcpy(ret->id, row.id, sizeof ret->id);
    memcpy(ret->key, row.key, sizeof ret->key);
    return CM_OK;
}

cm_status cm_stored_keys(cm_node *node, const cm_plan *plan, cm_arena *arena,
                         const cm_stored_key **ret, size_t *ret_count, cm_diag *diag)
{
    cm_stored_key *keys = CM_NEW_SMALL(arena, cm_stored_key, plan->nodes + 1);
    size_t count = 0;

    for (size_t i = 0; cm_stored_is_party(node, plan) && i < plan->nodes; i++) {
        const cm_org_table *view = plan->node[i]->stored;
        bool have = view == NULL;
        for (size_t k = 0; !have && k < count; k++) {
            have = memcmp(keys[k].id, view->stored->id, CM_STORED_ID_BYTES) == 0;
        }
        cm_status st = have ? CM_OK : key_of(node, view, arena, &keys[count], diag);
        if (st != CM_OK) {
            return st;
        }
        count += !have;
    }
    *ret = keys;
    *ret_count = count;
    return CM_OK;
}

/* ---- keeping and forgetting --------------------------------------------------------------- */

cm_status cm_stored_keep(cm_node *node, const cm_plan *plan, const cm_stored_key *key,
                         cm_diag *diag)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    const char *dir = NULL;

    if (cm_arena_init_secret(&arena, ARENA_BYTES) != CM_OK) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_org_table view = *plan->stores;
    cm_stored stored = *view.stored;
    memcpy(stored.id, key->id, sizeof stored.id);
    view.stored = &stored;
    cm_state_stored row = {.owner = view.org,
                           .name = view.name,
                           .facts = cm_stored_digest(&view),
                           .created_unix = cm_clock_unix()};
    memcpy(row.id, key->id, sizeof row.id);
    memcpy(row.key, key->key, sizeof row.key);
    cm_status st = cm_node_stored_dir(node, &arena, &dir, diag);
    if (st == CM_OK) {
        st = cm_state_stored_put(cm_node_state(node), &row, diag);
    }
    cm_wipe(row.key, sizeof row.key);
    if (st != CM_OK) {
        return st;
    }
    if (rename(cm_stored_path(dir, key->id, true, &arena),
               cm_stored_path(dir, key->id, false, &arena)) != 0 ||
        !cm_folder_sync(dir)) {
        return cm_fail(diag, CM_EIO, CM_SQL_IO, "could not keep a materialized view: %s",
                       strerror(errno));
    }
    return CM_OK;
}

static void wipe(cm_node *node, const uint8_t *id, cm_arena *arena)
{
    const char *dir = NULL;
    cm_diag why = {0};

    if (cm_node_stored_dir(node, arena, &dir, &why) == CM_OK) {
        cm_stored_wipe(cm_stored_path(dir, id, true, arena));
        cm_stored_wipe(cm_stored_path(dir, id, false, arena));
    }
    if (cm_state_stored_drop(cm_node_state(node), id, &why) != CM_OK) {
        cm_node_log(node, "the key of a materialized view could not be deleted: %s", why.message);
    }
}

void cm_stored_forget(cm_node *node, const uint8_t id[static CM_STORED_ID_BYTES])
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    CM_CLEANUP(wipe_key) cm_state_stored row = {0};
    bool found = false;

    if (cm_arena_init_secret(&arena, ARENA_BYTES) != CM_OK ||
        cm_state_stored_find(cm_node_state(node), id, &arena, &row, &found, NULL) != CM_OK ||
        (found && row.published)) {
        return;
    }
    wipe(node, id, &arena);
}

void cm_stored_abort(cm_node *node, unsigned from, const uint8_t *data, size_t bytes)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    const cm_federation *f = cm_node_federation(node);
    CM_CLEANUP(wipe_key) cm_state_stored row = {0};
    bool found = false;

    if (bytes < CM_STORED_ID_BYTES || cm_arena_init_secret(&arena, ARENA_BYTES) != CM_OK) {
        return;
    }
    if (cm_state_stored_find(cm_node_state(node), data, &arena, &row, &found, NULL) == CM_OK &&
        found && !row.published && strcmp(row.owner, f->member[from].org) == 0) {
        wipe(node, row.id, &arena);
    }
}

/* ---- what owners publish ------------------------------------------------------------------ */

static bool is_published(const cm_schema *schema, const cm_state_stored *row)
{
    for (size_t i = 0; i < schema->tables; i++) {
        const cm_org_table *table = &schema->table[i];
        if (table->stored != NULL && strcmp(table->org, row->owner) == 0 &&
            memcmp(table->stored->id, row->id, CM_STORED_ID_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

static cm_status sweep(cm_node *node, cm_arena *arena, cm_diag *diag)
{
    const cm_schema *schema = cm_node_schema(node);
    const cm_state_stored *row = NULL;
    size_t count = 0;
    cm_status st = cm_state_stored_list(cm_node_state(node), arena, &row, &count, diag);

    for (size_t i = 0; st == CM_OK && i < count; i++) {
        bool published = is_published(schema, &row[i]);
        bool late = cm_clock_unix() - row[i].created_unix > PUBLISH_SECONDS;
        /* An owner whose catalog is not here says nothing. */
        bool known = cm_catalog_id_of(cm_node_catalog(node), row[i].owner).version > 0;
        if (published && !row[i].published) {
            st = cm_state_stored_publish(cm_node_state(node), row[i].id, diag);
        } else if (!published && known && (row[i].published || late)) {
            wipe(node, row[i].id, arena);
        }
    }
    return st;
}

void cm_stored_sweep(cm_node *node)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    cm_diag why = {0};

    if (cm_arena_init_secret(&arena, ARENA_BYTES) != CM_OK) {
        return; /* later */
    }
    if (sweep(node, &arena, &why) != CM_OK) {
        cm_node_log(node, "materialized views could not be looked through: %s", why.message);
    }
}

static bool read_id(const char *name, uint8_t ret[static CM_STORED_ID_BYTES])
{
    for (size_t i = 0; i < 2 * CM_STORED_ID_BYTES; i++) {
        const char *digit = name[i] == '\0' ? NULL : strchr("0123456789abcdef", name[i]);
        if (digit == NULL) {
            return false;
        }
        unsigned value = (unsigned)(digit - strchr("0123456789abcdef", '0'));
        ret[i / 2] = (uint8_t)(i % 2 == 0 ? value << 4 : ret[i / 2] | value);
    }
    return name[2 * CM_STORED_ID_BYTES] == '\0' ||
           strcmp(name + 2 * CM_STORED_ID_BYTES, ".new") == 0;
}

void cm_stored_clean_up(cm_node *node)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    const char *dir = NULL;

    if (cm_arena_init_secret(&arena, ARENA_BYTES) != CM_OK ||
        cm_node_stored_dir(node, &arena, &dir, NULL) != CM_OK) {
        return;
    }
    CM_ASSERT(dir != NULL);
    DIR *list = opendir(dir);
    struct dirent *entry;
    while (list != NULL && (entry = readdir(list)) != NULL) {
        uint8_t id[CM_STORED_ID_BYTES];
        CM_CLEANUP(wipe_key) cm_state_stored row = {0};
        bool found = false;
        if (!read_id(entry->d_name, id) ||
            cm_state_stored_find(cm_node_state(node), id, &arena, &row, &found, NULL) != CM_OK) {
            continue;
        }
        bool fresh = entry->d_name[2 * CM_STORED_ID_BYTES] != '\0';
        if (!found || fresh) { /* no job is left that would finish it */
            cm_stored_wipe(cm_stored_path(dir, id, fresh, &arena));
        }
    }
    if (list != NULL) {
        closedir(list);
    }
    cm_stored_sweep(node);
}
