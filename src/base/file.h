/*
 * base/file.h - whole reads and writes of file descriptors, through interruptions.  On failure
 * errno says why.
 */
#ifndef CM_BASE_FILE_H
#define CM_BASE_FILE_H

#include "base/base.h"

CM_MUST bool cm_file_write(int fd, const void *data, size_t bytes);
/* False at an early end, too. */
CM_MUST bool cm_file_read(int fd, void *ret_data, size_t bytes);
/* Names in the folder are on disk. */
CM_MUST bool cm_folder_sync(const char *path);

#endif
