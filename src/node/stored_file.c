#include "node/stored_file.h"

#include "base/buf.h"
#include "base/file.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1 << 20, HEAD_BYTES = 48 };

static const char magic[16] = "comity stored 1";

const char *cm_stored_path(const char *dir, const uint8_t id[static CM_STORED_ID_BYTES], bool fresh,
                           cm_arena *arena)
{
    char hex[2 * CM_STORED_ID_BYTES + 1];

    for (size_t i = 0; i < CM_STORED_ID_BYTES; i++) {
        hex[2 * i] = "0123456789abcdef"[id[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[id[i] & 15];
    }
    hex[2 * CM_STORED_ID_BYTES] = '\0';
    return cm_arena_printf(arena, "%s/%s%s", dir, hex, fresh ? ".new" : "");
}

static cm_status fail_io(const char *what, cm_diag *diag)
{
    int error = errno;

    if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
        return cm_fail(diag, CM_EIO, CM_SQL_DISK_FULL, "the disk of this node's state is full");
    }
    return cm_fail(diag, CM_EIO, CM_SQL_IO, "could not %s a materialized view: %s", what,
                   strerror(error));
}

static size_t leg_bytes(cm_bcol rows)
{
    return rows.planes * rows.words * sizeof(uint64_t);
}

static uint32_t legs_of(cm_bcol rows)
{
    uint32_t legs = 0;

    while (legs < CM_LEGS_MAX && rows.leg[legs] != NULL) {
        legs++;
    }
    return legs;
}

static cm_status make_head(const cm_stored_key *key, cm_bcol rows, uint8_t ret[static HEAD_BYTES],
                           cm_diag *diag)
{
    CM_CLEANUP(cm_buf_free) cm_buf head = {0};

    cm_buf_put(&head, magic, sizeof magic);
    cm_buf_put(&head, key->id, sizeof key->id);
    cm_buf_put_u32(&head, legs_of(rows));
    cm_buf_put_u32(&head, rows.planes);
    cm_buf_put_u64(&head, rows.rows);
    if (head.failed) {
        return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
    }
    CM_ASSERT(head.bytes == HEAD_BYTES);
    memcpy(ret, head.data, HEAD_BYTES);
    return CM_OK;
}

static cm_status write_blocks(int fd, const cm_stored_key *key, const uint8_t *head, cm_bcol rows,
                              cm_arena scratch, cm_diag *diag)
{
    uint8_t *sealed = CM_NEW(&scratch, uint8_t, BLOCK_BYTES + CM_SEAL_TAG_BYTES);
    uint64_t number = 0;

    for (uint32_t leg = 0; leg < legs_of(rows); leg++) {
        const uint8_t *from = (const uint8_t *)rows.leg[leg];
        for (size_t at = 0, bytes; at < leg_bytes(rows); at += bytes) {
            size_t left = leg_bytes(rows) - at;
            bytes = left < BLOCK_BYTES ? left : BLOCK_BYTES;
            if (cm_seal(key->key, number++, head, HEAD_BYTES, from + at, bytes, sealed) != CM_OK) {
                return cm_fail(diag, CM_ENOMEM, CM_SQL_OUT_OF_MEMORY, "out of memory");
            }
            if (!cm_file_write(fd, sealed, bytes + CM_SEAL_TAG_BYTES)) {
                return fail_io("write", diag);
            }
        }
    }
    return CM_OK;
}

cm_status cm_stored_write(const char *dir, const cm_stored_key *key, cm_bcol rows, cm_arena scratch,
                          cm_diag *diag)
{
    const char *path = cm_stored_path(dir, key->id, true, &scratch);
    uint8_t head[HEAD_BYTES];

    cm_status st = make_head(key, rows, head, diag);
    if (st != CM_OK) {
        return st;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail_io("write", diag);
    }
    st = cm_file_write(fd, head, sizeof head) ? CM_OK : fail_io("write", diag);
    if (st == CM_OK) {
        st = write_blocks(fd, key, head, rows, scratch, diag);
    }
    if (st == CM_OK && fsync(fd) != 0) {
        st = fail_io("write", diag);
    }
    close(fd);
    if (st != CM_OK) {
        cm_stored_wipe(path);
    }
    return st;
}

static cm_status damaged(cm_diag *diag)
{
    return cm_fail(diag, CM_EIO, "XX001", "the shares of a materialized view are damaged");
}

static cm_status read_blocks(int fd, const cm_stored_key *key, const uint8_t *head, cm_bcol rows,
                             cm_arena scratch, cm_diag *diag)
{
    uint8_t *sealed = CM_NEW(&scratch, uint8_t, BLOCK_BYTES + CM_SEAL_TAG_BYTES);
    uint64_t number = 0;

    for (uint32_t leg = 0; leg < legs_of(rows); leg++) {
        uint8_t *to = (uint8_t *)rows.leg[leg];
        for (size_t at = 0, bytes; at < leg_bytes(rows); at += bytes) {
            size_t left = leg_bytes(rows) - at;
            bytes = left < BLOCK_BYTES ? left : BLOCK_BYTES;
            if (!cm_file_read(fd, sealed, bytes + CM_SEAL_TAG_BYTES) ||
                cm_unseal(key->key, number++, head, HEAD_BYTES, sealed, bytes, to + at) != CM_OK) {
                return damaged(diag);
            }
        }
    }
    return cm_file_read(fd, sealed, 1) ? damaged(diag) : CM_OK;
}

cm_status cm_stored_read(const char *dir, const cm_stored_key *key, cm_bcol rows, cm_arena scratch,
                         cm_diag *diag)
{
    const char *path = cm_stored_path(dir, key->id, false, &scratch);
    uint8_t want[HEAD_BYTES], head[HEAD_BYTES];

    cm_status st = make_head(key, rows, want, diag);
    if (st != CM_OK) {
        return st;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return cm_fail(diag, CM_ENOTFOUND, CM_SQL_NOT_READY,
                       "this node has lost its shares of a materialized view");
    }
    if (fd < 0) {
        return fail_io("read", diag);
    }
    bool same = cm_file_read(fd, head, sizeof head) && memcmp(head, want, sizeof head) == 0;
    st = same ? read_blocks(fd, key, want, rows, scratch, diag) : damaged(diag);
    close(fd);
    return st;
}

void cm_stored_wipe(const char *path)
{
    static const uint8_t zeros[4096];
    struct stat info;

    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && fstat(fd, &info) == 0) {
        bool more = true;
        for (off_t at = 0; more && at < info.st_size; at += (off_t)sizeof zeros) {
            off_t left = info.st_size - at;
            size_t bytes = left < (off_t)sizeof zeros ? (size_t)left : sizeof zeros;
            more = cm_file_write(fd, zeros, bytes); /* without the key it is noise already */
        }
        (void)fsync(fd);
    }
    if (fd >= 0) {
        close(fd);
    }
    (void)unlink(path);
}
