/*
 * node/stored_file.h - one party's shares of a materialized view as a file: what a job's process
 * writes and reads.
 *
 *   16 bytes "comity stored 1\0" · 16 id · u32 legs · u32 planes · u64 rows (big-endian)
 *   each leg in blocks of 1 MiB of its words as they are in memory, sealed (crypto/seal.h) with the
 *   file's key, the block's number in the file, and the head as additional data
 *
 * The key is the node's alone: in its state, and for a moment in the job's process.
 */
#ifndef CM_NODE_STORED_FILE_H
#define CM_NODE_STORED_FILE_H

#include "crypto/seal.h"
#include "share/secret.h"

enum { CM_STORED_ID_BYTES = 16 };

typedef struct cm_stored_key {
    uint8_t id[CM_STORED_ID_BYTES];
    uint8_t key[CM_SEAL_KEY_BYTES];
} cm_stored_key;

/* dir/<id in hex>, or that with ".new" while it is written. */
const char *cm_stored_path(const char *dir, const uint8_t id[static CM_STORED_ID_BYTES], bool fresh,
                           cm_arena *arena);
/* Writes dir/<id>.new and waits until it is on disk.  On failure there is no such file. */
CM_MUST cm_status cm_stored_write(const char *dir, const cm_stored_key *key, cm_bcol rows,
                                  cm_arena scratch, cm_diag *diag);
/* 55000 when the file is not there, XX001 when it is not what was written, whole and unchanged, for
 * so many rows and planes. */
CM_MUST cm_status cm_stored_read(const char *dir, const cm_stored_key *key, cm_bcol rows,
                                 cm_arena scratch, cm_diag *diag);
/* Overwrites and removes; nothing happens when it is not there. */
void cm_stored_wipe(const char *path);

#endif
