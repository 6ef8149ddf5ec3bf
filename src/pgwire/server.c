#include "pgwire/server.h"

#include <stdlib.h>
#include <string.h>

#include "net/tls.h"
#include "pgwire/conn.h"

enum {
    CONNECTIONS_MAX = 500,
    AUTHENTICATE_MS = 60000,
    PAUSE_BYTES = 1 << 20,
    PENDING_MAX_BYTES = 64 << 20, /* a client that does not read is cut off */
};

typedef struct client {
    cm_pg_server *server;
    struct client *next;
    cm_stream *stream; /* NULL once closed */
    cm_pg_conn *conn;
    cm_tls *tls;
    cm_timer *timer; /* to authenticate */
    uint32_t pid;
    bool paused, closing;
} client;

struct cm_pg_server {
    cm_loop *loop;
    cm_node *node;
    cm_listener *listener;
    client *clients;
    cm_timer *reaper; /* frees what was closed, outside of callbacks */
    size_t count;
    uint32_t next_pid;
    bool need_tls;
};

static void stop(client *c)
{
    if (!c->closing) {
        c->closing = true;
        if (c->stream != NULL) {
            cm_stream_close(c->stream);
            c->stream = NULL;
        }
    }
}

static void send_tls(client *c)
{
    cm_buf out = {0};
    cm_tls_take(c->tls, &out);
    if (out.failed) {
        stop(c);
    } else if (c->stream != NULL && out.bytes > 0) {
        cm_stream_write(c->stream, out.data, out.bytes);
    }
    cm_buf_free(&out);
}

static void on_send(void *arg, const void *data, size_t bytes)
{
    client *c = arg;
    if (c->stream == NULL) {
        return;
    }
    if (cm_stream_pending(c->stream) > PENDING_MAX_BYTES) {
        stop(c);
    } else if (c->tls == NULL) {
        cm_stream_write(c->stream, data, bytes);
    } else if (cm_tls_write(c->tls, data, bytes, NULL) != CM_OK) {
        stop(c);
    } else {
        send_tls(c);
    }
}

static void on_close(void *arg)
{
    client *c = arg;
    if (c->tls != NULL && c->stream != NULL) {
        cm_tls_close(c->tls);
        send_tls(c);
    }
    stop(c);
}

static void on_start_tls(void *arg)
{
    client *c = arg;
    if (cm_tls_new_sql_server(cm_node_identity(c->server->node), &c->tls, NULL) != CM_OK) {
        stop(c);
    }
}

static void on_cancel(void *arg, uint32_t pid, uint32_t secret)
{
    client *from = arg;
    for (client *c = from->server->clients; c != NULL; c = c->next) {
        if (c->pid == pid && !c->closing) {
            cm_pg_conn_cancel(c->conn, secret);
            return;
        }
    }
}

static void feed(client *c, const uint8_t *data, size_t bytes)
{
    cm_pg_conn_feed(c->conn, data, bytes);
    if (c->timer != NULL && cm_pg_conn_authenticated(c->conn)) {
        cm_timer_close(c->timer);
        c->timer = NULL;
    }
    if (c->stream != NULL && !c->paused && cm_pg_conn_waiting(c->conn) > PAUSE_BYTES) {
        c->paused = true;
        cm_stream_pause(c->stream);
    }
}

static void feed_tls(client *c, const uint8_t *data, size_t bytes)
{
    uint8_t plain[16384];
    size_t got = 0;
    cm_status st = cm_tls_feed(c->tls, data, bytes, NULL);
    send_tls(c);
    while (st == CM_OK && !c->closing && cm_tls_established(c->tls)) {
        st = cm_tls_read(c->tls, plain, sizeof plain, &got, NULL);
        if (st != CM_OK || got == 0) {
            break;
        }
        feed(c, plain, got);
    }
    if (c->stream != NULL) {
        send_tls(c);
    }
    if (st != CM_OK || cm_tls_closed(c->tls)) {
        stop(c);
    }
}

static void on_data(void *arg, const uint8_t *data, size_t bytes)
{
    client *c = arg;
    if (c->tls != NULL) {
        feed_tls(c, data, bytes);
    } else {
        feed(c, data, bytes);
    }
}

static void on_closed(void *arg, cm_status why)
{
    client *c = arg;
    (void)why;
    stop(c);
}

static void on_late(void *arg)
{
    client *c = arg;
    stop(c); /* silence, as PostgreSQL does */
}

static void free_client(client *c)
{
    cm_timer_close(c->timer);
    cm_pg_conn_free(c->conn);
    cm_tls_free(c->tls);
    if (c->stream != NULL) {
        cm_stream_close(c->stream);
    }
    free(c);
}

/* Frees closed clients; lets paused ones go on when they have caught up. */
static void on_reap(void *arg)
{
    cm_pg_server *server = arg;
    for (client **at = &server->clients; *at != NULL;) {
        client *c = *at;
        if (c->closing) {
            *at = c->next;
            server->count--;
            free_client(c);
            continue;
        }
        if (c->paused && cm_pg_conn_waiting(c->conn) <= PAUSE_BYTES / 2) {
            c->paused = false;
            cm_stream_resume(c->stream);
        }
        at = &c->next;
    }
}

static client *new_client(cm_pg_server *server, cm_stream *stream)
{
    client *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    uint32_t secret;
    cm_random_bytes(&secret, sizeof secret);
    const cm_pg_io io = {.arg = c,
                         .send = on_send,
                         .close = on_close,
                         .start_tls = on_start_tls,
                         .cancel = on_cancel};
    c->server = server;
    c->stream = stream;
    c->pid = ++server->next_pid & INT32_MAX;
    if (cm_pg_conn_new(server->node, &io, c->pid, secret, true, server->need_tls, &c->conn) !=
        CM_OK) {
        free(c);
        return NULL;
    }
    return c;
}

static void on_accept(void *arg, cm_stream *stream)
{
    cm_pg_server *server = arg;
    client *c = new_client(server, stream);
    if (c == NULL) {
        cm_stream_close(stream);
        return;
    }
    c->next = server->clients;
    server->clients = c;
    server->count++;
    cm_stream_start(stream, (cm_stream_events){.arg = c, .data = on_data, .closed = on_closed});
    if (server->count > CONNECTIONS_MAX) {
        cm_diag diag = {0};
        cm_status st = cm_fail(&diag, CM_EDENIED, CM_SQL_TOO_MANY, "too many connections");
        CM_ASSERT(st == CM_EDENIED);
        cm_pg_conn_shut(c->conn, &diag);
        return;
    }
    c->timer = cm_timer_start(server->loop, AUTHENTICATE_MS, 0, on_late, c);
}

static bool is_local(const char *address)
{
    return strncmp(address, "unix:", 5) == 0 || strncmp(address, "127.", 4) == 0 ||
           strncmp(address, "[::1]", 5) == 0 || strncmp(address, "localhost", 9) == 0;
}

cm_status cm_pg_server_new(cm_loop *loop, cm_node *node, const char *address, cm_pg_server **ret,
                           cm_diag *diag)
{
    cm_pg_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    server->loop = loop;
    server->node = node;
    server->need_tls = !is_local(address);
    cm_random_bytes(&server->next_pid, sizeof server->next_pid);
    cm_status st = cm_listen(loop, address, on_accept, server, &server->listener, diag);
    if (st != CM_OK) {
        free(server);
        return st;
    }
    server->reaper = cm_timer_start(loop, 50, 50, on_reap, server);
    *ret = server;
    return CM_OK;
}

void cm_pg_server_free(cm_pg_server *server)
{
    if (server == NULL) {
        return;
    }
    cm_diag diag = {0};
    cm_status st = cm_fail(&diag, CM_ECANCELLED, CM_SQL_SHUTDOWN,
                           "terminating connection: the node is shutting down");
    CM_ASSERT(st == CM_ECANCELLED);
    cm_listener_close(server->listener);
    cm_timer_close(server->reaper);
    while (server->clients != NULL) {
        client *c = server->clients;
        server->clients = c->next;
        if (!c->closing) {
            cm_pg_conn_shut(c->conn, &diag);
        }
        free_client(c);
    }
    free(server);
}
