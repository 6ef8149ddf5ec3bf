/* The admin socket, both ends.  One request and one answer per connection. */
#include "node/admin.h"

#include "base/clock.h"
#include "node/audit.h"
#include "node/catalog.h"
#include "node/federation.h"
#include "node/jobs.h"
#include "node/peers.h"
#include "node/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ADMIN_MAX_BYTES = 1 << 20,
    ADMIN_MAX_TEXTS = 100,
    ADMIN_ARENA_BYTES = 4 << 20,
    MAX_CALLERS = 32,
    STOP_AFTER_MS = 50,
};

typedef struct caller {
    cm_admin *admin;
    cm_stream *stream;
    cm_buf in;
    bool waits; /* for cm_founding_join */
    struct caller *next;
} caller;

struct cm_admin {
    cm_node *node;
    cm_listener *listener;
    cm_timer *stop_timer;
    caller *callers;
    size_t caller_count;
    char path[108];
};

/* ---- answers ------------------------------------------------------------------------------ */

static void caller_free(caller *c)
{
    caller **at = &c->admin->callers;
    while (*at != c) {
        CM_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = c->next;
    c->admin->caller_count--;
    cm_stream_close(c->stream);
    cm_buf_wipe_free(&c->in);
    free(c);
}

/* u32 length, u8 failed, then the text or a diag. */
static void answer(caller *c, const cm_diag *why, cm_buf *text)
{
    CM_CLEANUP(cm_buf_wipe_free) cm_buf body = {0};
    CM_CLEANUP(cm_buf_wipe_free) cm_buf frame = {0};
    cm_buf_put_u8(&body, why != NULL);
    if (why != NULL) {
        cm_diag_encode(why, &body);
    } else {
        cm_buf_put_text(&body, text != NULL ? cm_buf_text(text) : "");
    }
    cm_buf_put_u32(&frame, (uint32_t)body.bytes);
    cm_buf_put(&frame, body.data, body.bytes);
    if (!body.failed && !frame.failed) {
        cm_stream_write(c->stream, frame.data, frame.bytes);
    }
    caller_free(c);
}

static void fingerprint_line(cm_buf *out, const cm_cert *cert)
{
    char hex[65];
    cm_hash fingerprint = cm_cert_fingerprint(cert);
    cm_hash_hex(&fingerprint, hex);
    /* In groups of four, to be read aloud. */
    for (size_t i = 0; i < 64; i += 4) {
        cm_buf_printf(out, "%s%.4s", i == 0 ? "" : " ", hex + i);
    }
}

static void status_members(cm_node *node, cm_buf *out)
{
    const cm_federation *f = cm_node_federation(node);
    char hex[65];
    cm_hash_hex(&f->digest, hex);
    cm_buf_printf(out, "federation: %s version %u, protocol %s, digest %.16s\n", f->charter.name,
                  f->charter.version, f->charter.protocol, hex);
    for (size_t i = 0; i < f->members; i++) {
        const cm_federation_member *m = &f->member[i];
        cm_catalog_id id = cm_catalog_id_of(cm_node_catalog(node), m->org);
        bool self = strcmp(m->org, cm_node_org(node)) == 0;
        bool up = cm_peers_connected(cm_node_peers(node), (unsigned)i);
        cm_buf_printf(out, "member: %s %s %s %s catalog %llu\n  fingerprint ", m->org, m->endpoint,
                      m->computes ? "computes" : "asks",
                      self ? "self"
                      : up ? "connected"
                           : "disconnected",
                      (unsigned long long)id.version);
        fingerprint_line(out, &m->cert);
        cm_buf_printf(out, "\n");
    }
}

static void do_status(cm_node *node, cm_buf *out)
{
    cm_buf_printf(
        out, "organisation: %s\nversion: %s\nnode: %s\nsql: %s\nfingerprint: ", cm_node_org(node),
        CM_VERSION, cm_node_listen_address(node), cm_node_sql_address(node));
    fingerprint_line(out, cm_identity_cert(cm_node_identity(node)));
    cm_buf_printf(out, "\n");
    if (cm_node_federation(node) != NULL) {
        status_members(node, out);
    } else {
        cm_buf_printf(out, "federation: none\n");
    }
    cm_founding_status(cm_node_founding(node), out);
    cm_buf_printf(out, "jobs: %zu\n", cm_jobs_running(cm_node_jobs(node)));
}

static cm_status do_federation(cm_node *node, cm_buf *out, cm_diag *diag)
{
    const cm_federation *f = cm_node_federation(node);
    if (f == NULL) {
        return cm_fail(diag, CM_ENOTFOUND, CM_SQL_NOT_READY, "this node is in no federation");
    }
    cm_federation_print(f, out);
    return CM_OK;
}

static cm_status do_audit(cm_node *node, cm_buf *out, cm_diag *diag)
{
    uint64_t sequence;
    cm_hash hash;
    char hex[65];
    cm_status st = cm_state_audit_last(cm_node_state(node), &sequence, &hash, diag);
    if (st == CM_OK) {
        cm_hash_hex(&hash, hex);
        cm_buf_printf(out, "%llu %s\n", (unsigned long long)sequence, hex);
    }
    return st;
}

static cm_status do_invite(cm_node *node, const char *const *text, size_t count, cm_buf *out,
                           cm_diag *diag)
{
    char *end = NULL;
    long hours = count > 3 ? strtol(text[2], &end, 10) : 0;
    if (count <= 3 || *end != 0 || hours < 1 || hours > 24 * 365) {
        return cm_fail(diag, CM_EINVAL, "22023",
                       "an invitation needs a name, hours and organisations");
    }
    return cm_founding_invite(cm_node_founding(node), text[1], text + 3, count - 3, (int)hours, out,
                              diag);
}

static void on_joined(void *arg, const cm_diag *why)
{
    CM_CLEANUP(cm_buf_free) cm_buf text = {0};
    caller *c = arg;
    cm_buf_printf(&text, "the founder accepted\n");
    answer(c, why, &text);
}

static void on_stop(void *arg)
{
    cm_admin *admin = arg;
    cm_timer_close(admin->stop_timer);
    admin->stop_timer = NULL;
    cm_loop_stop(cm_node_loop(admin->node));
}

static void carry_out(caller *c, const char *const *text, size_t count)
{
    CM_ASSERT(count > 0 && text[0] != NULL);
    CM_CLEANUP(cm_buf_wipe_free) cm_buf out = {0};
    cm_node *node = c->admin->node;
    cm_diag diag = {0};
    cm_status st = CM_OK;
    if (strcmp(text[0], "status") == 0) {
        do_status(node, &out);
    } else if (strcmp(text[0], "federation") == 0) {
        st = do_federation(node, &out, &diag);
    } else if (strcmp(text[0], "audit") == 0) {
        st = do_audit(node, &out, &diag);
    } else if (strcmp(text[0], "invite") == 0) {
        st = do_invite(node, text, count, &out, &diag);
    } else if (strcmp(text[0], "join") == 0 && count == 2) {
        c->waits = true;
        st = cm_founding_join(cm_node_founding(node), text[1], on_joined, c, &diag);
        if (st == CM_OK) {
            return;
        }
        c->waits = false;
    } else if (strcmp(text[0], "stop") == 0) {
        if (c->admin->stop_timer == NULL) {
            c->admin->stop_timer =
                cm_timer_start(cm_node_loop(node), STOP_AFTER_MS, 0, on_stop, c->admin);
        }
    } else {
        st = cm_fail(&diag, CM_EUNSUPPORTED, CM_SQL_UNSUPPORTED, "unknown request \"%.50s\"",
                     text[0]);
    }
    answer(c, st == CM_OK ? NULL : &diag, &out);
}

/* ---- the server's end --------------------------------------------------------------------- */

static void take_request(caller *c)
{
    CM_CLEANUP(cm_arena_fini) cm_arena arena = {0};
    cm_reader r = cm_reader_of(c->in.data, c->in.bytes);
    (void)cm_reader_u32(&r);
    uint32_t count = cm_reader_u32(&r);
    if (count == 0 || count > ADMIN_MAX_TEXTS ||
        cm_arena_init(&arena, ADMIN_ARENA_BYTES) != CM_OK) {
        caller_free(c);
        return;
    }
    const char **text = CM_NEW_SMALL(&arena, const char *, count);
    for (uint32_t i = 0; i < count; i++) {
        text[i] = cm_reader_text(&r, &arena, ADMIN_MAX_BYTES);
        r.failed = r.failed || text[i] == NULL;
    }
    if (!cm_reader_done(&r)) {
        caller_free(c);
        return;
    }
    carry_out(c, text, count);
}

static void on_data(void *arg, const uint8_t *data, size_t bytes)
{
    caller *c = arg;
    if (c->waits) {
        return;
    }
    cm_buf_put(&c->in, data, bytes);
    cm_reader r = cm_reader_of(c->in.data, c->in.bytes);
    uint32_t length = cm_reader_u32(&r);
    if (c->in.failed || (!r.failed && length > ADMIN_MAX_BYTES)) {
        caller_free(c);
    } else if (!r.failed && cm_reader_left(&r) >= length) {
        take_request(c);
    }
}

static void on_closed(void *arg, cm_status why)
{
    caller *c = arg;
    (void)why;
    if (c->waits) {
        cm_founding_forget_asker(cm_node_founding(c->admin->node));
    }
    caller_free(c);
}

static void on_accept(void *arg, cm_stream *stream)
{
    cm_admin *admin = arg;
    caller *c = admin->caller_count < MAX_CALLERS ? calloc(1, sizeof *c) : NULL;
    if (c == NULL) {
        cm_stream_close(stream);
        return;
    }
    c->admin = admin;
    c->stream = stream;
    c->next = admin->callers;
    admin->callers = c;
    admin->caller_count++;
    cm_stream_start(stream, (cm_stream_events){c, on_data, on_closed});
}

static cm_status socket_path(const char *dir, char ret[static 108], cm_diag *diag)
{
    if (snprintf(ret, 108, "%s/admin.sock", dir) >= 108) {
        return cm_fail(diag, CM_EINVAL, "22023",
                       "the path of the state directory is too long for a socket");
    }
    return CM_OK;
}

cm_status cm_admin_new(cm_node *node, cm_admin **ret, cm_diag *diag)
{
    cm_admin *admin = calloc(1, sizeof *admin);
    char address[128];
    if (admin == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    admin->node = node;
    cm_status st = socket_path(cm_node_dir(node), admin->path, diag);
    if (st == CM_OK) {
        /* We hold the directory's lock: whoever made it is gone. */
        unlink(admin->path);
        snprintf(address, sizeof address, "unix:%s", admin->path);
        st = cm_listen(cm_node_loop(node), address, on_accept, admin, &admin->listener, diag);
    }
    if (st != CM_OK) {
        free(admin);
        return st;
    }
    *ret = admin;
    return CM_OK;
}

void cm_admin_free(cm_admin *admin)
{
    if (admin == NULL) {
        return;
    }
    cm_listener_close(admin->listener);
    cm_timer_close(admin->stop_timer);
    for (caller *c = admin->callers; c != NULL;) {
        caller *next = c->next;
        caller_free(c);
        c = next;
    }
    unlink(admin->path);
    free(admin);
}

/* ---- the client's end --------------------------------------------------------------------- */

static cm_status call_failed(cm_diag *diag)
{
    return cm_fail(diag, CM_EPEER, CM_SQL_CANNOT_CONNECT_NOW, "the node did not answer: %s",
                   errno == EAGAIN ? "timeout" : strerror(errno));
}

static cm_status open_client(const char *dir, int timeout_ms, int *ret, cm_diag *diag)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    cm_status st = socket_path(dir, to.sun_path, diag);
    if (st != CM_OK) {
        return st;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return call_failed(diag);
    }
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
        connect(fd, (const struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        st = cm_fail(diag, CM_EPEER, CM_SQL_CANNOT_CONNECT_NOW, "no node is running in \"%.200s\"",
                     dir);
        cm_diag_hint(diag, "Start it with: comity start %s", dir);
        return st;
    }
    *ret = fd;
    return CM_OK;
}

static cm_status read_all(int fd, cm_buf *in, size_t bytes, cm_diag *diag)
{
    while (in->bytes < bytes) {
        uint8_t *room = cm_buf_reserve(in, bytes - in->bytes);
        if (room == NULL) {
            return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
        }
        ssize_t got = read(fd, room, bytes - in->bytes);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got == 0) {
            errno = ECONNRESET;
        }
        if (got <= 0) {
            return call_failed(diag);
        }
        cm_buf_commit(in, (size_t)got);
    }
    return CM_OK;
}

static cm_status read_answer(int fd, cm_buf *ret_answer, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_wipe_free) cm_buf in = {0};
    cm_diag why;
    cm_status st = read_all(fd, &in, 4, diag);
    cm_reader r = cm_reader_of(in.data, in.bytes);
    uint32_t bytes = st == CM_OK ? cm_reader_u32(&r) : 0;
    if (st == CM_OK && bytes > ADMIN_MAX_BYTES + CM_FEDERATION_MAX_BYTES) {
        st = cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL, "the node's answer is malformed");
    }
    if (st == CM_OK) {
        st = read_all(fd, &in, 4 + (size_t)bytes, diag);
    }
    if (st != CM_OK) {
        return st;
    }
    r = cm_reader_of(in.data + 4, bytes);
    if (cm_reader_u8(&r) != 0) {
        cm_diag_decode(&r, &why);
        if (cm_reader_done(&r) && diag != NULL) {
            *diag = why;
        }
        return why.status != CM_OK ? why.status : CM_EPROTO;
    }
    uint32_t length = cm_reader_u32(&r);
    const uint8_t *text = cm_reader_bytes(&r, length);
    if (!cm_reader_done(&r)) {
        return cm_fail(diag, CM_EPROTO, CM_SQL_PROTOCOL, "the node's answer is malformed");
    }
    cm_buf_put(ret_answer, text, length);
    return CM_OK;
}

cm_status cm_admin_call(const char *dir, const char *const *request, size_t count, int timeout_ms,
                        cm_buf *ret_answer, cm_diag *diag)
{
    CM_CLEANUP(cm_buf_wipe_free) cm_buf body = {0};
    CM_CLEANUP(cm_buf_wipe_free) cm_buf frame = {0};
    int fd = -1;
    cm_status st = open_client(dir, timeout_ms, &fd, diag);
    if (st != CM_OK) {
        return st;
    }
    cm_buf_put_u32(&body, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        cm_buf_put_text(&body, request[i]);
    }
    cm_buf_put_u32(&frame, (uint32_t)body.bytes);
    cm_buf_put(&frame, body.data, body.bytes);
    ssize_t sent = frame.failed || body.failed || body.bytes > ADMIN_MAX_BYTES
                       ? -1
                       : send(fd, frame.data, frame.bytes, MSG_NOSIGNAL);
    st = sent == (ssize_t)frame.bytes ? read_answer(fd, ret_answer, diag) : call_failed(diag);
    close(fd);
    return st;
}
