#include "proto/proto_int.h"

/* Small enough that a peer starts before the sender has copied everything. */
enum { FRAME_WORDS = 1 << 20 };

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
