#include "net/mesh_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *name_of(unsigned participant, const char *const *names)
{
    char numbered[32];

    if (names != NULL && names[participant] != NULL) {
        return strdup(names[participant]);
    }
    snprintf(numbered, sizeof numbered, "participant %u", participant);
    return strdup(numbered);
}

cm_mesh *cm_mesh_alloc(const cm_mesh_ops *ops, unsigned me, unsigned participants,
                       const char *const *names, int idle_timeout_ms)
{
    CM_ASSERT(participants >= 1 && participants <= CM_MESH_MAX);
    CM_ASSERT(me < participants);
    CM_ASSERT(idle_timeout_ms > 0);
    cm_mesh *mesh = calloc(1, sizeof *mesh);
    if (mesh == NULL) {
        return NULL;
    }
    mesh->names = calloc(participants, sizeof *mesh->names);
    if (mesh->names == NULL) {
        free(mesh);
        return NULL;
    }
    mesh->ops = ops;
    mesh->me = me;
    mesh->participants = participants;
    mesh->idle_timeout_ms = idle_timeout_ms;
    mesh->blamed = CM_BLAME_NOBODY;
    for (unsigned i = 0; i < participants; i++) {
        mesh->names[i] = name_of(i, names);
        if (mesh->names[i] == NULL) {
            cm_mesh_dealloc(mesh);
            return NULL;
        }
    }
    return mesh;
}

void cm_mesh_dealloc(cm_mesh *mesh)
{
    for (unsigned i = 0; i < mesh->participants; i++) {
        free(mesh->names[i]);
    }
    free(mesh->names);
    free(mesh);
}

void cm_mesh_free(cm_mesh *mesh)
{
    if (mesh != NULL) {
        mesh->ops->close(mesh);
        cm_mesh_dealloc(mesh);
    }
}

static const char *sqlstate_of(cm_status status)
{
    if (status == CM_EPROTO) {
        return CM_SQL_PROTOCOL;
    }
    if (status == CM_ENOMEM) {
        return CM_SQL_OUT_OF_MEMORY;
    }
    return status == CM_EDENIED ? "28000" : CM_SQL_CONNECTION_FAILURE;
}

cm_status cm_mesh_fail(cm_mesh *mesh, cm_status status, unsigned blamed, const char *format, ...)
{
    char text[sizeof mesh->diag.message];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    mesh->dead = true;
    mesh->blamed = blamed;
    if (blamed < mesh->participants) {
        cm_diag_party(&mesh->diag, mesh->names[blamed]);
    }
    return cm_fail(&mesh->diag, status, sqlstate_of(status), "%s", text);
}

cm_status cm_mesh_fail_reported(cm_mesh *mesh, unsigned by, unsigned blamed)
{
    if (blamed >= mesh->participants || blamed == mesh->me || blamed == by) {
        return cm_mesh_fail(mesh, CM_EPEER, by, "%s gave up the computation", mesh->names[by]);
    }
    return cm_mesh_fail(mesh, CM_EPEER, blamed, "%s reports that its link to %s failed",
                        mesh->names[by], mesh->names[blamed]);
}

void cm_mesh_set_idle_timeout(cm_mesh *mesh, int idle_timeout_ms)
{
    CM_ASSERT(idle_timeout_ms > 0);
    mesh->idle_timeout_ms = idle_timeout_ms;
}

int cm_mesh_idle_timeout(const cm_mesh *mesh)
{
    return mesh->idle_timeout_ms;
}

unsigned cm_mesh_me(const cm_mesh *mesh)
{
    return mesh->me;
}

unsigned cm_mesh_participants(const cm_mesh *mesh)
{
    return mesh->participants;
}

const char *cm_mesh_name(const cm_mesh *mesh, unsigned participant)
{
    CM_ASSERT(participant < mesh->participants);
    return mesh->names[participant];
}

static void check_peer(const cm_mesh *mesh, unsigned peer, size_t bytes)
{
    CM_ASSERT(peer < mesh->participants);
    CM_ASSERT(peer != mesh->me);
    CM_ASSERT(mesh->ops->has_link(mesh, peer));
    CM_ASSERT(bytes <= CM_FRAME_MAX_BYTES);
}

cm_status cm_mesh_send(cm_mesh *mesh, unsigned to, const void *data, size_t bytes)
{
    check_peer(mesh, to, bytes);
    if (mesh->dead) {
        return CM_EDEAD;
    }
    if (mesh->trace != NULL) {
        cm_trace_record(mesh->trace, true, to, bytes);
        cm_trace_content(mesh->trace, to, data, bytes);
    }
    mesh->stats.bytes_sent += 4 + bytes;
    mesh->stats.frames_sent++;
    mesh->sent_since_recv = true;
    return mesh->ops->send(mesh, to, data, bytes);
}

cm_status cm_mesh_recv(cm_mesh *mesh, unsigned from, void *ret_data, size_t bytes)
{
    check_peer(mesh, from, bytes);
    if (mesh->dead) {
        return CM_EDEAD;
    }
    if (mesh->trace != NULL) {
        cm_trace_record(mesh->trace, false, from, bytes);
    }
    mesh->stats.rounds += mesh->sent_since_recv && !mesh->uncounted;
    mesh->sent_since_recv = false;
    cm_status st = mesh->ops->recv(mesh, from, ret_data, bytes);
    if (st == CM_OK) {
        mesh->stats.bytes_received += 4 + bytes;
    } else if (bytes > 0) {
        cm_wipe(ret_data, bytes);
    }
    return st;
}

cm_status cm_mesh_flush(cm_mesh *mesh)
{
    return mesh->dead ? CM_EDEAD : mesh->ops->flush(mesh);
}

const cm_diag *cm_mesh_diag(const cm_mesh *mesh)
{
    return &mesh->diag;
}

cm_mesh_stats cm_mesh_statistics(const cm_mesh *mesh)
{
    return mesh->stats;
}

void cm_mesh_count_rounds(cm_mesh *mesh, bool count)
{
    mesh->uncounted = !count;
}

void cm_mesh_set_trace(cm_mesh *mesh, cm_trace *trace)
{
    mesh->trace = trace;
}
