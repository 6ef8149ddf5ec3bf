#include "node/wire.h"

#include "base/fabric.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char propose_context[] = "comity propose 1";
static const char consent_context[] = "comity consent 1";

enum { NAME_BYTES = 255, MAX_CATALOGS = 64, MAX_OPTIONS = 1000, MAX_TABLES = 100000 };

/* ---- pieces ------------------------------------------------------------------------------- */

void cm_reader_fixed(cm_reader *reader, void *ret, size_t bytes)
{
    const uint8_t *data = cm_reader_bytes(reader, bytes);
    if (data != NULL) {
        memcpy(ret, data, bytes);
    } else {
        memset(ret, 0, bytes);
    }
}

void cm_put_double(cm_buf *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    cm_buf_put_u64(out, bits);
}

double cm_reader_double(cm_reader *reader)
{
    uint64_t bits = cm_reader_u64(reader);
    double value;
    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value) || value < 0) {
        reader->failed = true;
        return 0;
    }
    return value;
}

/* A text that must be there. */
static const char *need_text(cm_reader *r, cm_arena *arena, size_t max_bytes)
{
    const char *text = cm_reader_text(r, arena, max_bytes);
    if (text == NULL) {
        r->failed = true;
        return "";
    }
    return text;
}

/* A count of things that take at least min_bytes each: bounded before anything is allocated. */
static size_t take_count(cm_reader *r, size_t max, size_t min_bytes)
{
    uint32_t count = cm_reader_u32(r);
    if (count > max || count > cm_reader_left(r) / min_bytes) {
        r->failed = true;
        return 0;
    }
    return count;
}

void cm_options_encode(const cm_options *options, cm_buf *out)
{
    cm_buf_put_u32(out, (uint32_t)options->count);
    for (size_t i = 0; i < options->count; i++) {
        cm_buf_put_text(out, options->option[i].name);
        cm_buf_put_text(out, options->option[i].value);
    }
}

bool cm_options_decode(cm_reader *r, cm_arena *arena, cm_options *ret)
{
    size_t count = take_count(r, MAX_OPTIONS, 8);
    cm_option *option = CM_NEW_SMALL(arena, cm_option, count);
    for (size_t i = 0; i < count; i++) {
        option[i].name = need_text(r, arena, 1 << 16);
        option[i].value = need_text(r, arena, 1 << 16);
    }
    *ret = (cm_options){count, option};
    return !r->failed;
}

static void encode_texts(const char *const *text, size_t count, cm_buf *out)
{
    cm_buf_put_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        cm_buf_put_text(out, text[i]);
    }
}

static const char *const *decode_texts(cm_reader *r, cm_arena *arena, size_t max, size_t max_bytes,
                                       size_t *ret_count)
{
    size_t count = take_count(r, max, 4);
    const char **text = CM_NEW_SMALL(arena, const char *, count);
    for (size_t i = 0; i < count; i++) {
        text[i] = cm_reader_text(r, arena, max_bytes);
    }
    *ret_count = count;
    return text;
}

static void encode_settings(const cm_plan_settings *s, cm_buf *out)
{
    cm_buf_put_u8(out, s->pushdown);
    cm_buf_put_u32(out, s->domain_max);
    cm_buf_put_u8(out, s->cross_owner_keys);
    cm_buf_put_u64(out, s->join_rows);
    cm_buf_put_u8(out, (uint8_t)s->runs);
    cm_buf_put_u32(out, s->lanes);
    cm_buf_put_u8(out, s->lanes_fixed);
    cm_buf_put_u64(out, (uint64_t)s->now);
    cm_put_double(out, s->rtt_seconds);
    cm_put_double(out, s->bytes_per_second);
}

static const int64_t NOW_MAX = (int64_t)8000 * 366 * 86400 * 1000000; /* microseconds */
static const double RTT_MAX_SECONDS = 3600, RATE_MIN = 1, RATE_MAX = 1e15;

static cm_plan_settings decode_settings(cm_reader *r)
{
    cm_plan_settings s = cm_plan_settings_default();
    uint8_t pushdown = cm_reader_u8(r);
    s.pushdown = pushdown == 1;
    s.domain_max = cm_reader_u32(r);
    uint8_t cross_owner_keys = cm_reader_u8(r);
    s.cross_owner_keys = cross_owner_keys == 1;
    s.join_rows = cm_reader_u64(r);
    uint8_t runs = cm_reader_u8(r);
    s.runs = runs <= CM_RUNS_ALWAYS ? (cm_runs_use)runs : CM_RUNS_WHERE_CHEAPER;
    s.lanes = cm_reader_u32(r);
    uint8_t lanes_fixed = cm_reader_u8(r);
    s.lanes_fixed = lanes_fixed == 1;
    s.now = (int64_t)cm_reader_u64(r);
    s.rtt_seconds = cm_reader_double(r);
    s.bytes_per_second = cm_reader_double(r);
    /* NaN is neither; what comes of these figures are sizes of messages and of memory. */
    bool link = s.rtt_seconds >= 0 && s.rtt_seconds <= RTT_MAX_SECONDS &&
                s.bytes_per_second >= RATE_MIN && s.bytes_per_second <= RATE_MAX;
    r->failed = r->failed || s.now < 0 || s.now > NOW_MAX;
    r->failed = r->failed || pushdown > 1 || cross_owner_keys > 1 || runs > CM_RUNS_ALWAYS ||
                lanes_fixed > 1 || s.lanes < 1 || s.lanes > CM_LANES_MAX ||
                s.domain_max > CM_PLAN_DOMAIN_MAX || !link;
    return s;
}

/* ---- diagnostics -------------------------------------------------------------------------- */

void cm_diag_set(cm_diag *diag, cm_status status, const char *sqlstate, const char *format, ...)
{
    CM_CLEANUP(cm_buf_free) cm_buf message = {0};
    va_list args;
    if (diag == NULL) {
        return;
    }
    va_start(args, format);
    cm_buf_vprintf(&message, format, args);
    va_end(args);
    cm_diag_reset(diag);
    status = cm_fail(diag, status, sqlstate, "%s", cm_buf_text(&message));
    CM_ASSERT(status != CM_OK);
}

void cm_diag_encode(const cm_diag *diag, cm_buf *out)
{
    cm_buf_put_u8(out, (uint8_t)diag->status);
    cm_buf_put_text(out, diag->sqlstate);
    cm_buf_put_text(out, diag->party);
    cm_buf_put_text(out, diag->message);
    cm_buf_put_text(out, diag->detail);
    cm_buf_put_text(out, diag->hint);
    cm_buf_put_u32(out, (uint32_t)diag->position);
}

/* Bytes of the UTF-8 sequence at s (of `left` bytes), 0 when it is none or not printable. */
static size_t utf8_printable(const uint8_t *s, size_t left)
{
    if (s[0] < 0x80) {
        return (s[0] >= 0x20 && s[0] != 0x7f) || s[0] == '\n' ? 1 : 0;
    }
    size_t bytes = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || bytes > left) {
        return 0;
    }
    uint32_t code = s[0] & (0x7fU >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (s[i] & 0x3fU);
    }
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    bool bad = code < smallest[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ||
               code < 0xa0 || (code >= 0x202a && code <= 0x202e);
    return bad ? 0 : bytes;
}

/* Reads a text of at most capacity - 1 bytes (cut behind that) and makes it printable. */
static void decode_shown(cm_reader *r, char *ret, size_t capacity)
{
    uint32_t bytes = cm_reader_u32(r);
    size_t used = 0;
    ret[0] = 0;
    if (bytes == UINT32_MAX) {
        return;
    }
    const uint8_t *s = cm_reader_bytes(r, bytes);
    for (size_t i = 0; s != NULL && i < bytes;) {
        size_t width = utf8_printable(s + i, bytes - i);
        size_t keep = width == 0 ? 1 : width;
        if (used + keep >= capacity) {
            break;
        }
        if (width == 0) {
            ret[used] = '?';
        } else {
            memcpy(ret + used, s + i, width);
        }
        used += keep;
        i += keep;
    }
    ret[used] = 0;
}

void cm_diag_decode(cm_reader *r, cm_diag *ret)
{
    cm_diag_reset(ret);
    uint8_t status = cm_reader_u8(r);
    ret->status = (cm_status)status;
    decode_shown(r, ret->sqlstate, sizeof ret->sqlstate);
    decode_shown(r, ret->party, sizeof ret->party);
    decode_shown(r, ret->message, sizeof ret->message);
    decode_shown(r, ret->detail, sizeof ret->detail);
    decode_shown(r, ret->hint, sizeof ret->hint);
    uint32_t position = cm_reader_u32(r);
    ret->position = position < INT32_MAX ? (int)position : 0;
    bool code = strlen(ret->sqlstate) == 5;
    for (const char *c = ret->sqlstate; *c != 0; c++) {
        code = code && ((*c >= '0' && *c <= '9') || (*c >= 'A' && *c <= 'Z'));
    }
    if (status == CM_OK || status > CM_EEXISTS || !code) {
        r->failed = true;
    }
}

/* ---- proposals and consents --------------------------------------------------------------- */

static void put_signature(cm_buf *out, const cm_identity *identity, const char *context)
{
    uint8_t signature[CM_SIGNATURE_BYTES];
    if (!out->failed) {
        cm_identity_sign(identity, context, out->data, out->bytes, signature);
        cm_buf_put(out, signature, sizeof signature);
    }
}

/* A reader of what stands before a valid signature; a failed one otherwise. */
static cm_reader signed_part(const uint8_t *data, size_t bytes, const cm_cert *cert,
                             const char *context)
{
    cm_reader bad = {.failed = true};
    if (bytes < CM_SIGNATURE_BYTES) {
        return bad;
    }
    size_t body = bytes - CM_SIGNATURE_BYTES;
    return cm_cert_verify(cert, context, data, body, data + body) ? cm_reader_of(data, body) : bad;
}

void cm_proposal_encode(const cm_proposal *p, const cm_identity *identity, cm_buf *out)
{
    CM_ASSERT(out->bytes == 0);
    cm_buf_put(out, p->job, sizeof p->job);
    cm_buf_put_u32(out, CM_WIRE_VERSION);
    cm_buf_put(out, p->federation.bytes, sizeof p->federation.bytes);
    cm_buf_put_text(out, p->coordinator);
    cm_buf_put_text(out, p->role);
    cm_buf_put_text(out, p->sql);
    encode_texts(p->param, p->params, out);
    encode_settings(&p->settings, out);
    cm_buf_put_u32(out, (uint32_t)p->catalogs);
    for (size_t i = 0; i < p->catalogs; i++) {
        cm_buf_put_text(out, p->catalog[i].org);
        cm_buf_put_u64(out, p->catalog[i].id.version);
        cm_buf_put(out, p->catalog[i].id.digest.bytes, CM_HASH_BYTES);
    }
    cm_buf_put(out, p->plan.bytes, sizeof p->plan.bytes);
    cm_buf_put_u64(out, (uint64_t)p->created_unix);
    cm_buf_put_u64(out, (uint64_t)p->expires_unix);
    cm_buf_put_u32(out, p->deadline_ms);
    put_signature(out, identity, propose_context);
}

cm_status cm_proposal_decode(const uint8_t *data, size_t bytes, const cm_cert *cert,
                             cm_arena *arena, cm_proposal *ret, cm_diag *diag)
{
    cm_proposal p = {0};
    cm_reader r = signed_part(data, bytes, cert, propose_context);
    cm_reader_fixed(&r, p.job, sizeof p.job);
    uint32_t version = cm_reader_u32(&r);
    cm_reader_fixed(&r, p.federation.bytes, sizeof p.federation.bytes);
    p.coordinator = need_text(&r, arena, CM_NAME_MAX_BYTES);
    p.role = need_text(&r, arena, NAME_BYTES);
    p.sql = need_text(&r, arena, CM_SQL_MAX_BYTES);
    p.param = decode_texts(&r, arena, CM_PARAMS_MAX, CM_PARAM_MAX_BYTES, &p.params);
    p.settings = decode_settings(&r);
    p.catalogs = take_count(&r, MAX_CATALOGS, 4 + 8 + CM_HASH_BYTES);
    cm_named_catalog *catalog = CM_NEW_SMALL(arena, cm_named_catalog, p.catalogs);
    for (size_t i = 0; i < p.catalogs; i++) {
        catalog[i].org = need_text(&r, arena, CM_NAME_MAX_BYTES);
        catalog[i].id.version = cm_reader_u64(&r);
        cm_reader_fixed(&r, catalog[i].id.digest.bytes, CM_HASH_BYTES);
    }
    p.catalog = catalog;
    cm_reader_fixed(&r, p.plan.bytes, sizeof p.plan.bytes);
    p.created_unix = (int64_t)cm_reader_u64(&r);
    p.expires_unix = (int64_t)cm_reader_u64(&r);
    p.deadline_ms = cm_reader_u32(&r);
    if (!cm_reader_done(&r)) {
        return cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL, "a proposal is malformed or not signed");
    }
    if (version != CM_WIRE_VERSION) {
        return cm_fail(diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED,
                       "the proposal has protocol version %u, this node knows %d", version,
                       CM_WIRE_VERSION);
    }
    *ret = p;
    return CM_OK;
}

void cm_consent_encode(const cm_consent *consent, const cm_identity *identity, cm_buf *out)
{
    CM_ASSERT(out->bytes == 0);
    cm_buf_put(out, consent->job, sizeof consent->job);
    cm_buf_put(out, consent->plan.bytes, sizeof consent->plan.bytes);
    cm_buf_put_u8(out, consent->allowed);
    if (!consent->allowed) {
        cm_buf_put_u8(out, consent->stale);
        cm_diag_encode(&consent->why, out);
    }
    put_signature(out, identity, consent_context);
}

cm_status cm_consent_decode(const uint8_t *data, size_t bytes, const cm_cert *cert, cm_consent *ret)
{
    cm_reader r = signed_part(data, bytes, cert, consent_context);
    memset(ret, 0, sizeof *ret);
    cm_reader_fixed(&r, ret->job, sizeof ret->job);
    cm_reader_fixed(&r, ret->plan.bytes, sizeof ret->plan.bytes);
    uint8_t allowed = cm_reader_u8(&r);
    uint8_t stale = allowed == 0 ? cm_reader_u8(&r) : 0;
    ret->allowed = allowed == 1;
    ret->stale = stale == 1;
    if (allowed == 0) {
        cm_diag_decode(&r, &ret->why);
    }
    return cm_reader_done(&r) && allowed <= 1 && stale <= 1 ? CM_OK : CM_EPROTO;
}

/* ---- reports ------------------------------------------------------------------------------ */

void cm_job_report_encode(const cm_job_report *report, cm_buf *out)
{
    cm_buf_put_u8(out, report->ok);
    if (!report->ok) {
        cm_diag_encode(&report->why, out);
    }
    cm_buf_put_u64(out, report->bytes);
    cm_buf_put_u64(out, report->rounds);
    cm_buf_put_u64(out, report->microseconds);
    cm_buf_put_u64(out, report->peak_memory_bytes);
    for (size_t i = 0; i < CM_COUNT(report->opened); i++) {
        cm_buf_put_u64(out, report->opened[i]);
    }
    cm_buf_put_u32(out, (uint32_t)report->nodes);
    for (size_t i = 0; i < report->nodes; i++) {
        cm_put_double(out, report->measured[i].bytes);
        cm_put_double(out, report->measured[i].rounds);
        cm_put_double(out, report->measured[i].seconds);
    }
}

bool cm_job_report_decode(cm_reader *r, cm_arena *arena, cm_job_report *ret)
{
    memset(ret, 0, sizeof *ret);
    uint8_t ok = cm_reader_u8(r);
    ret->ok = ok == 1;
    if (ok == 0) {
        cm_diag_decode(r, &ret->why);
    }
    ret->bytes = cm_reader_u64(r);
    ret->rounds = cm_reader_u64(r);
    ret->microseconds = cm_reader_u64(r);
    ret->peak_memory_bytes = cm_reader_u64(r);
    for (size_t i = 0; i < CM_COUNT(ret->opened); i++) {
        ret->opened[i] = cm_reader_u64(r);
    }
    ret->nodes = take_count(r, CM_PLAN_MAX_NODES, 24);
    cm_measured *measured = CM_NEW_SMALL(arena, cm_measured, ret->nodes);
    for (size_t i = 0; i < ret->nodes; i++) {
        measured[i].bytes = cm_reader_double(r);
        measured[i].rounds = cm_reader_double(r);
        measured[i].seconds = cm_reader_double(r);
    }
    ret->measured = measured;
    return cm_reader_done(r) && ok <= 1;
}

/* ---- orders ------------------------------------------------------------------------------- */

static void encode_table(const cm_state_table *t, cm_buf *out)
{
    cm_buf_put_text(out, t->server);
    cm_buf_put_text(out, t->remote);
    cm_org_table_encode(&t->table, out);
    encode_texts(t->remote_col, t->table.cols, out);
}

static cm_status decode_table(cm_reader *r, cm_arena *arena, cm_state_table *ret, cm_diag *diag)
{
    size_t cols;
    ret->server = need_text(r, arena, NAME_BYTES);
    ret->remote = need_text(r, arena, 1 << 16);
    cm_status st = cm_org_table_decode(r, arena, &ret->table, diag);
    if (st != CM_OK) {
        return st;
    }
    ret->remote_col = decode_texts(r, arena, CM_TABLE_MAX_COLS, 1 << 16, &cols);
    return cols == ret->table.cols
               ? CM_OK
               : cm_fail(diag, CM_EPROTO, CM_SQL_INTERNAL, "a job's order is malformed");
}

void cm_job_order_encode(const cm_job_order *o, cm_buf *out)
{
    cm_buf_put(out, o->job, sizeof o->job);
    cm_buf_put_text(out, o->org);
    cm_buf_put_text(out, o->federation);
    cm_buf_put_u32(out, (uint32_t)o->catalogs);
    for (size_t i = 0; i < o->catalogs; i++) {
        cm_buf_put_text(out, o->catalog[i].org);
        cm_buf_put_u32(out, (uint32_t)o->catalog[i].bytes);
        cm_buf_put(out, o->catalog[i].data, o->catalog[i].bytes);
    }
    cm_buf_put_text(out, o->coordinator);
    cm_buf_put_text(out, o->sql);
    encode_texts(o->param, o->params, out);
    encode_settings(&o->settings, out);
    cm_buf_put(out, o->plan.bytes, sizeof o->plan.bytes);
    cm_buf_put_text(out, o->identity_pem);
    cm_buf_put_u32(out, (uint32_t)o->servers);
    for (size_t i = 0; i < o->servers; i++) {
        cm_buf_put_text(out, o->server[i].name);
        cm_buf_put_text(out, o->server[i].wrapper);
        cm_options_encode(&o->server[i].options, out);
    }
    cm_buf_put_u32(out, (uint32_t)o->tables);
    for (size_t i = 0; i < o->tables; i++) {
        encode_table(&o->table[i], out);
    }
    cm_buf_put_text(out, o->cache_dir);
    cm_buf_put_text(out, o->stored_dir);
    cm_buf_put_u32(out, (uint32_t)o->stored);
    for (size_t i = 0; i < o->stored; i++) {
        cm_buf_put(out, o->stored_key[i].id, sizeof o->stored_key[i].id);
        cm_buf_put(out, o->stored_key[i].key, sizeof o->stored_key[i].key);
    }
    cm_buf_put_u32(out, o->idle_timeout_ms);
    cm_buf_put_u32(out, o->source_timeout_ms);
}

static void decode_catalogs(cm_reader *r, cm_arena *arena, cm_job_order *o)
{
    o->catalogs = take_count(r, MAX_CATALOGS, 8);
    cm_state_catalog *catalog = CM_NEW_SMALL(arena, cm_state_catalog, o->catalogs);
    for (size_t i = 0; i < o->catalogs; i++) {
        catalog[i].org = need_text(r, arena, CM_NAME_MAX_BYTES);
        catalog[i].bytes = cm_reader_u32(r);
        const uint8_t *data = cm_reader_bytes(r, catalog[i].bytes);
        uint8_t *copy = CM_NEW_SMALL(arena, uint8_t, data != NULL ? catalog[i].bytes : 1);
        if (data != NULL && catalog[i].bytes > 0) {
            memcpy(copy, data, catalog[i].bytes);
        }
        catalog[i].data = copy;
    }
    o->catalog = catalog;
}

static cm_status decode_sources(cm_reader *r, cm_arena *arena, cm_job_order *o, cm_diag *diag)
{
    o->servers = take_count(r, MAX_TABLES, 12);
    cm_state_server *server = CM_NEW_SMALL(arena, cm_state_server, o->servers);
    for (size_t i = 0; i < o->servers; i++) {
        server[i].name = need_text(r, arena, NAME_BYTES);
        server[i].wrapper = need_text(r, arena, NAME_BYTES);
        r->failed = !cm_options_decode(r, arena, &server[i].options) || r->failed;
    }
    o->server = server;
    o->tables = take_count(r, MAX_TABLES, 12);
    cm_state_table *table = CM_NEW_SMALL(arena, cm_state_table, o->tables);
    cm_status st = CM_OK;
    for (size_t i = 0; i < o->tables && st == CM_OK; i++) {
        st = decode_table(r, arena, &table[i], diag);
    }
    o->table = table;
    return st;
}

cm_status cm_job_order_decode(const uint8_t *data, size_t bytes, cm_arena *arena, cm_job_order *ret,
                              cm_diag *diag)
{
    cm_job_order o = {0};
    cm_reader r = cm_reader_of(data, bytes);
    cm_reader_fixed(&r, o.job, sizeof o.job);
    o.org = need_text(&r, arena, CM_NAME_MAX_BYTES);
    o.federation = need_text(&r, arena, 1 << 20);
    decode_catalogs(&r, arena, &o);
    o.coordinator = need_text(&r, arena, CM_NAME_MAX_BYTES);
    o.sql = need_text(&r, arena, CM_SQL_MAX_BYTES);
    o.param = decode_texts(&r, arena, CM_PARAMS_MAX, CM_PARAM_MAX_BYTES, &o.params);
    o.settings = decode_settings(&r);
    cm_reader_fixed(&r, o.plan.bytes, sizeof o.plan.bytes);
    o.identity_pem = need_text(&r, arena, 1 << 16);
    cm_status st = decode_sources(&r, arena, &o, diag);
    if (st != CM_OK) {
        return st;
    }
    o.cache_dir = need_text(&r, arena, 4096);
    o.stored_dir = need_text(&r, arena, 4096);
    o.stored = take_count(&r, MAX_TABLES, sizeof(cm_stored_key));
    cm_stored_key *key = CM_NEW_SMALL(arena, cm_stored_key, o.stored);
    for (size_t i = 0; i < o.stored; i++) {
        cm_reader_fixed(&r, key[i].id, sizeof key[i].id);
        cm_reader_fixed(&r, key[i].key, sizeof key[i].key);
    }
    o.stored_key = key;
    o.idle_timeout_ms = cm_reader_u32(&r);
    o.source_timeout_ms = cm_reader_u32(&r);
    if (!cm_reader_done(&r)) {
        return cm_fail(diag, CM_EPROTO, CM_SQL_INTERNAL, "a job's order is malformed");
    }
    *ret = o;
    return CM_OK;
}
