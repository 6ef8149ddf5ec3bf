#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool cm_file_write(int fd, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    while (bytes > 0) {
        ssize_t done = write(fd, at, bytes);
        if (done > 0) {
            at += done;
            bytes -= (size_t)done;
        } else if (done == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

bool cm_file_read(int fd, void *ret_data, size_t bytes)
{
    uint8_t *at = ret_data;

    while (bytes > 0) {
        ssize_t done = read(fd, at, bytes);
        if (done > 0) {
            at += done;
            bytes -= (size_t)done;
        } else if (done == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

bool cm_folder_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0) {
        close(fd);
    }
    return synced;
}
