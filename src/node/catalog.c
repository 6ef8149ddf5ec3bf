/*
 * A signed catalog is u8 format, org, u64 version, u32 tables, each table (sql/schema.h), then 64
 * bytes of signature over what stands before; its digest is SHA-256 of the signed part.
 *
 * Versions come from the state and grow by one with every change, so that of two catalogs of one
 * owner the newer is known.  A snapshot is built from the own catalog and the newest known of every
 * other member; two nodes with equal (org, digest) lists build equal schemas.
 */
#include "node/catalog.h"

#include "node/federation.h"
#include "node/wire.h"

#include <stdlib.h>
#include <string.h>

enum {
    CATALOG_FORMAT = 1,
    CATALOG_MAX_TABLES = 10000,
    ARENA_BYTES = 256 << 20,
};

static const char catalog_context[] = "comity catalog 1";
static const char fact_own[] = "catalog";

struct cm_snapshot {
    unsigned references;
    cm_arena arena;
    const cm_schema *schema;
};

typedef struct known {
    const char *org;
    cm_catalog_id id;
    uint8_t *data; /* heap; NULL: none known */
    size_t bytes;
} known;

struct cm_catalog {
    cm_node *node;
    cm_snapshot *snapshot;
    known own;
    size_t others;
    known other[CM_FEDERATION_MAX_MEMBERS];
};

/* ---- codec -------------------------------------------------------------------------------- */

cm_status cm_catalog_encode(const char *org, uint64_t version, const cm_org_table *tables,
                            size_t count, const cm_identity *identity, cm_buf *out, cm_diag *diag)
{
    uint8_t signature[CM_SIGNATURE_BYTES];
    CM_ASSERT(out->bytes == 0);
    cm_buf_put_u8(out, CATALOG_FORMAT);
    cm_buf_put_text(out, org);
    cm_buf_put_u64(out, version);
    cm_buf_put_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        cm_org_table_encode(&tables[i], out);
    }
    if (out->failed) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    if (count > CATALOG_MAX_TABLES || out->bytes > CM_CATALOG_MAX_BYTES - CM_SIGNATURE_BYTES) {
        return cm_fail(diag, CM_ERANGE, "54000",
                       "this node would publish more than its catalog can hold");
    }
    cm_identity_sign(identity, catalog_context, out->data, out->bytes, signature);
    cm_buf_put(out, signature, sizeof signature);
    return CM_OK;
}

static cm_status malformed(cm_diag *diag)
{
    return cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL, "a catalog is malformed");
}

cm_status cm_catalog_decode(const uint8_t *data, size_t bytes, const cm_cert *cert, cm_arena *arena,
                            cm_catalog_content *ret, cm_diag *diag)
{
    cm_catalog_content c = {0};
    if (bytes < CM_SIGNATURE_BYTES || bytes > CM_CATALOG_MAX_BYTES) {
        return malformed(diag);
    }
    size_t body = bytes - CM_SIGNATURE_BYTES;
    if (cert != NULL && !cm_cert_verify(cert, catalog_context, data, body, data + body)) {
        return cm_fail(diag, CM_EDENIED, "28000", "a catalog is not signed by its owner");
    }
    cm_reader r = cm_reader_of(data, body);
    uint8_t format = cm_reader_u8(&r);
    c.org = cm_reader_text(&r, arena, CM_NAME_MAX_BYTES);
    c.version = cm_reader_u64(&r);
    c.tables = cm_reader_u32(&r);
    if (r.failed || format != CATALOG_FORMAT || c.org == NULL || c.version == 0 ||
        c.version > INT64_MAX || c.tables > CATALOG_MAX_TABLES) {
        return malformed(diag);
    }
    cm_org_table *table = CM_NEW_SMALL(arena, cm_org_table, c.tables);
    for (size_t i = 0; i < c.tables; i++) {
        cm_status st = cm_org_table_decode(&r, arena, &table[i], diag);
        if (st != CM_OK) {
            return st;
        }
        /* In order, and nobody publishes in another's name. */
        if (strcmp(table[i].org, c.org) != 0 ||
            (i > 0 && strcmp(table[i - 1].name, table[i].name) >= 0)) {
            return malformed(diag);
        }
    }
    if (!cm_reader_done(&r)) {
        return malformed(diag);
    }
    c.table = table;
    c.digest = cm_sha256(data, body);
    *ret = c;
    return CM_OK;
}

/* Org and id alone, of bytes that were verified before. */
static cm_catalog_id id_of(const uint8_t *data, size_t bytes)
{
    cm_catalog_id id = {0};
    if (bytes > CM_SIGNATURE_BYTES) {
        size_t body = bytes - CM_SIGNATURE_BYTES;
        cm_reader r = cm_reader_of(data, body);
        (void)cm_reader_u8(&r);
        (void)cm_reader_bytes(&r, cm_reader_u32(&r));
        id.version = cm_reader_u64(&r);
        id.digest = cm_sha256(data, body);
    }
    return id;
}

/* ---- snapshots ---------------------------------------------------------------------------- */

cm_snapshot *cm_snapshot_hold(cm_snapshot *snapshot)
{
    snapshot->references++;
    return snapshot;
}

void cm_snapshot_release(cm_snapshot *snapshot)
{
    if (snapshot != NULL && --snapshot->references == 0) {
        cm_arena_fini(&snapshot->arena);
        free(snapshot);
    }
}

const cm_schema *cm_snapshot_schema(const cm_snapshot *snapshot)
{
    return snapshot->schema;
}

/* Appends the tables of one catalog to tables, which has room for max. */
static cm_status add_tables(const known *k, cm_org_table *tables, size_t *count, size_t max,
                            cm_arena *arena, cm_diag *diag)
{
    cm_catalog_content content = {0};
    if (k->data == NULL) {
        return CM_OK;
    }
    cm_status st = cm_catalog_decode(k->data, k->bytes, NULL, arena, &content, diag);
    if (st == CM_OK && content.tables > max - *count) {
        st = cm_fail(diag, CM_ERANGE, "54000", "the federation publishes too many tables");
    }
    for (size_t i = 0; st == CM_OK && i < content.tables; i++) {
        tables[(*count)++] = content.table[i];
    }
    return st;
}

cm_status cm_schema_of_catalogs(const cm_federation *federation, const char *org,
                                const cm_state_catalog *catalogs, size_t count, cm_arena *arena,
                                const cm_schema **ret, cm_diag *diag)
{
    enum { MAX_TABLES = 16384 };
    cm_member members[CM_FEDERATION_MAX_MEMBERS];
    cm_org_table *tables = CM_NEW(arena, cm_org_table, MAX_TABLES);
    size_t table_count = 0;
    size_t member_count = federation != NULL ? federation->members : 1;
    for (size_t i = 0; i < member_count; i++) {
        members[i] = federation != NULL
                         ? (cm_member){federation->member[i].org, federation->member[i].computes}
                         : (cm_member){org, false};
    }
    for (size_t i = 0; i < count; i++) {
        union {
            const uint8_t *in;
            uint8_t *out;
        } data = {.in = catalogs[i].data}; /* only read */
        known k = {.org = catalogs[i].org, .data = data.out, .bytes = catalogs[i].bytes};
        cm_status st = add_tables(&k, tables, &table_count, MAX_TABLES, arena, diag);
        if (st != CM_OK) {
            return st;
        }
    }
    return cm_schema_build(federation != NULL ? federation->charter.name : "",
                           federation != NULL ? federation->charter.protocol : "rep3", members,
                           member_count, tables, table_count, arena, ret, diag);
}

static cm_status rebuild(cm_catalog *catalog, cm_diag *diag)
{
    cm_state_catalog list[CM_FEDERATION_MAX_MEMBERS + 1];
    size_t count = 0;
    if (catalog->own.data != NULL) {
        list[count++] = (cm_state_catalog){catalog->own.org, catalog->own.bytes, catalog->own.data};
    }
    for (size_t i = 0; i < catalog->others; i++) {
        if (catalog->other[i].data != NULL) {
            list[count++] = (cm_state_catalog){catalog->other[i].org, catalog->other[i].bytes,
                                               catalog->other[i].data};
        }
    }
    cm_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL || cm_arena_init(&snapshot->arena, ARENA_BYTES) != CM_OK) {
        free(snapshot);
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    snapshot->references = 1;
    cm_status st =
        cm_schema_of_catalogs(cm_node_federation(catalog->node), cm_node_org(catalog->node), list,
                              count, &snapshot->arena, &snapshot->schema, diag);
    if (st != CM_OK) {
        cm_snapshot_release(snapshot);
        return st;
    }
    cm_snapshot_release(catalog->snapshot);
    catalog->snapshot = snapshot;
    return CM_OK;
}

cm_snapshot *cm_node_snapshot(cm_node *node)
{
    return cm_node_catalog(node)->snapshot;
}

const cm_schema *cm_node_schema(cm_node *node)
{
    return cm_node_snapshot(node)->schema;
}

/* ---- the node's catalogs ------------------------------------------------------------------ */

static void forget(known *k)
{
    free(k->data);
    k->data = NULL;
    k->bytes = 0;
    k->id = (cm_catalog_id){0};
}

static cm_status remember(known *k, const uint8_t *data, size_t bytes, cm_diag *diag)
{
    uint8_t *copy = malloc(bytes + 1);
    if (copy == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    memcpy(copy, data, bytes);
    forget(k);
    k->data = copy;
    k->bytes = bytes;
    k->id = id_of(data, bytes);
    return CM_OK;
}

static const known *find(const cm_catalog *catalog, const char *org)
{
    if (strcmp(org, catalog->own.org) == 0) {
        return &catalog->own;
    }
    for (size_t i = 0; i < catalog->others; i++) {
        if (strcmp(org, catalog->other[i].org) == 0) {
            return &catalog->other[i];
        }
    }
    return NULL;
}

cm_status cm_catalog_new(cm_node *node, cm_catalog **ret, cm_diag *diag)
{
    cm_catalog *catalog = calloc(1, sizeof *catalog);
    if (catalog == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    catalog->node = node;
    catalog->own.org = cm_node_org(node);
    *ret = catalog;
    return CM_OK;
}

void cm_catalog_free(cm_catalog *catalog)
{
    if (catalog != NULL) {
        forget(&catalog->own);
        for (size_t i = 0; i < catalog->others; i++) {
            forget(&catalog->other[i]);
        }
        cm_snapshot_release(catalog->snapshot);
        free(catalog);
    }
}

static int by_name(const void *a, const void *b)
{
    const cm_org_table *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* The own tables, as they would be published under a version. */
static cm_status encode_own(cm_catalog *catalog, uint64_t version, cm_buf *out, cm_diag *diag)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    const cm_state_table *list = NULL;
    size_t count = 0;
    if (cm_arena_init(&arena, ARENA_BYTES) != CM_OK) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_node *node = catalog->node;
    cm_status st = cm_state_table_list(cm_node_state(node), &arena, &list, &count, diag);
    if (st != CM_OK) {
        return st;
    }
    const cm_state_matview *view = NULL;
    size_t views = 0;
    st = cm_state_matview_list(cm_node_state(node), &arena, &view, &views, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_org_table *tables = CM_NEW(&arena, cm_org_table, count + views + 1);
    for (size_t i = 0; i < count + views; i++) {
        tables[i] = i < count ? list[i].table : view[i - count].table;
    }
    count += views;
    qsort(tables, count, sizeof *tables, by_name);
    return cm_catalog_encode(cm_node_org(node), version, tables, count, cm_node_identity(node), out,
                             diag);
}

cm_status cm_catalog_publish(cm_catalog *catalog, bool *ret_changed, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf stored = {0};
    CM_CLEANUP(cm_buf_free) cm_buf now = {0};
    bool found = false;
    cm_state *state = cm_node_state(catalog->node);
    cm_status st = cm_state_blob_get(state, fact_own, &stored, &found, diag);
    if (st != CM_OK) {
        return st;
    }
    uint64_t version = found ? id_of(stored.data, stored.bytes).version : 0;
    /* Same version, same tables: same bytes, since Ed25519 signatures are deterministic. */
    st = encode_own(catalog, version + (version == 0), &now, diag);
    if (st != CM_OK) {
        return st;
    }
    CM_ASSERT(now.data != NULL);
    bool changed =
        !found || now.bytes != stored.bytes || memcmp(now.data, stored.data, now.bytes) != 0;
    if (changed && found) {
        cm_buf_clear(&now);
        st = encode_own(catalog, version + 1, &now, diag);
    }
    if (st == CM_OK && changed) {
        st = cm_state_blob_put(state, fact_own, now.data, now.bytes, diag);
    }
    if (st == CM_OK) {
        *ret_changed = changed;
    }
    return st;
}

static cm_status load_others(cm_catalog *catalog, cm_arena *arena, cm_diag *diag)
{
    const cm_state_catalog *list = NULL;
    size_t count = 0;
    const cm_federation *f = cm_node_federation(catalog->node);
    for (size_t i = 0; i < catalog->others; i++) {
        forget(&catalog->other[i]);
    }
    catalog->others = 0;
    for (size_t i = 0; f != NULL && i < f->members; i++) {
        if (strcmp(f->member[i].org, catalog->own.org) != 0) {
            catalog->other[catalog->others++] = (known){.org = f->member[i].org};
        }
    }
    cm_status st = cm_state_catalog_list(cm_node_state(catalog->node), arena, &list, &count, diag);
    for (size_t i = 0; st == CM_OK && i < count; i++) {
        for (size_t j = 0; st == CM_OK && j < catalog->others; j++) {
            if (strcmp(list[i].org, catalog->other[j].org) == 0) {
                st = remember(&catalog->other[j], list[i].data, list[i].bytes, diag);
            }
        }
    }
    return st;
}

cm_status cm_catalog_refresh(cm_catalog *catalog, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf own = {0};
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    bool found = false;
    if (cm_arena_init(&arena, ARENA_BYTES) != CM_OK) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_status st = cm_state_blob_get(cm_node_state(catalog->node), fact_own, &own, &found, diag);
    if (st == CM_OK && found) {
        st = remember(&catalog->own, own.data, own.bytes, diag);
    }
    if (st == CM_OK) {
        st = load_others(catalog, &arena, diag);
    }
    return st == CM_OK ? rebuild(catalog, diag) : st;
}

cm_catalog_id cm_catalog_id_of(const cm_catalog *catalog, const char *org)
{
    const known *k = find(catalog, org);
    return k != NULL ? k->id : (cm_catalog_id){0};
}

const uint8_t *cm_catalog_bytes(const cm_catalog *catalog, const char *org, size_t *ret_bytes)
{
    const known *k = find(catalog, org);
    *ret_bytes = k != NULL ? k->bytes : 0;
    return k != NULL ? k->data : NULL;
}

/* Whose catalog it says it is, before anything is believed. */
static known *claimed_owner(cm_catalog *catalog, const uint8_t *data, size_t bytes,
                            const cm_cert **ret_cert)
{
    const cm_federation *f = cm_node_federation(catalog->node);
    cm_reader r = cm_reader_of(data, bytes);
    (void)cm_reader_u8(&r);
    uint32_t org_bytes = cm_reader_u32(&r);
    const uint8_t *org = cm_reader_bytes(&r, org_bytes);
    for (size_t i = 0; org != NULL && i < catalog->others; i++) {
        known *k = &catalog->other[i];
        int index = cm_federation_index(f, k->org);
        if (strlen(k->org) == org_bytes && memcmp(k->org, org, org_bytes) == 0 && index >= 0) {
            *ret_cert = &f->member[index].cert;
            return k;
        }
    }
    return NULL;
}

cm_status cm_catalog_receive(cm_catalog *catalog, const uint8_t *data, size_t bytes, bool *ret_new,
                             cm_diag *diag)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    const cm_cert *cert = NULL;
    cm_catalog_content content = {0};
    *ret_new = false;
    known *k = claimed_owner(catalog, data, bytes, &cert);
    if (k == NULL) {
        return CM_OK; /* the own one, relayed; or of nobody known */
    }
    if (cm_arena_init(&arena, ARENA_BYTES) != CM_OK) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    cm_status st = cm_catalog_decode(data, bytes, cert, &arena, &content, diag);
    if (st != CM_OK || content.version <= k->id.version) {
        return st;
    }
    /* Stored only when a snapshot can be built with it: no member can spoil the others' view. */
    known before = *k;
    k->data = NULL;
    st = remember(k, data, bytes, diag);
    if (st == CM_OK) {
        st = rebuild(catalog, diag);
    }
    if (st == CM_OK) {
        cm_state_catalog row = {k->org, bytes, data};
        st = cm_state_catalog_put(cm_node_state(catalog->node), &row, diag);
    }
    if (st != CM_OK) {
        forget(k);
        *k = before;
        cm_status again = rebuild(catalog, NULL);
        CM_ASSERT(again == CM_OK || again == CM_ENOMEM);
        return st;
    }
    free(before.data);
    *ret_new = true;
    return CM_OK;
}
