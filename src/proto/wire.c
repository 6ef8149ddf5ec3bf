#include "proto/proto_int.h"

/* Small enough to stay in the cache while the kernel takes it, and that a peer starts before the
 * sender has encrypted everything. */
enum { FRAME_WORDS = 1 << 16 };

_Static_assert((uint64_t)FRAME_WORDS * 8 <= CM_FRAME_MAX_BYTES, "a frame holds a piece");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words travel as they lie in memory");

static size_t piece(size_t words, size_t done)
{
    return words - done < FRAME_WORDS ? words - done : FRAME_WORDS;
}

cm_status cm_wire_send(cm_mpc *mpc, unsigned to, const uint64_t *data, size_t words)
{
    for (size_t done = 0; done < words; done += piece(words, done)) {
        cm_status st = cm_mesh_send(mpc->mesh, to, data + done, 8 * piece(words, done));
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

cm_status cm_wire_recv(cm_mpc *mpc, unsigned from, uint64_t *ret_data, size_t words)
{
    for (size_t done = 0; done < words; done += piece(words, done)) {
        cm_status st = cm_mesh_recv(mpc->mesh, from, ret_data + done, 8 * piece(words, done));
        if (st != CM_OK) {
            return st;
        }
    }
    return CM_OK;
}

cm_status cm_wire_exchange(cm_mpc *mpc, unsigned to, const uint64_t *data, unsigned from,
                           uint64_t *ret_data, size_t words)
{
    size_t ahead = (2 + mpc->round_bytes / (8 * FRAME_WORDS)) * FRAME_WORDS;
    size_t sent = 0, received = 0;
    cm_status st = CM_OK;

    while (st == CM_OK && received < words) {
        if (sent < words && sent - received < ahead) {
            st = cm_mesh_send(mpc->mesh, to, data + sent, 8 * piece(words, sent));
            sent += piece(words, sent);
        } else {
            cm_mesh_count_rounds(mpc->mesh, received == 0);
            st = cm_mesh_recv(mpc->mesh, from, ret_data + received, 8 * piece(words, received));
            cm_mesh_count_rounds(mpc->mesh, true);
            received += piece(words, received);
        }
    }
    return st;
}
