/* SPDX-License-Identifier: Apache-2.0 */
// runs: 20000
/* A program's file as foreign bytes, for cprof doctor: what it says of itself, and what names its code. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "analysis/doctor/examination/binary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct file_search search = {.root_fd = -1, .debug_path = ""};
    struct binary_names names;
    struct binary binary;
    int fd = memfd_create("program", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        close(fd);
        return 0;
    }
    if (!binary_read(&binary, fd, false)) {
        if (binary.needed_count > BINARY_NEEDED || strnlen(binary.loader, BINARY_TEXT) == BINARY_TEXT ||
            strnlen(binary.run_path, BINARY_PATHS) == BINARY_PATHS ||
            strnlen(binary.script, BINARY_TEXT) == BINARY_TEXT)
            abort();
        for (unsigned i = 0; i < binary.needed_count; i++)
            if (strnlen(binary.needed[i], sizeof binary.needed[i]) == sizeof binary.needed[i])
                abort();
    }
    if (!binary_read_names(&names, fd, "/program", &search) &&
        (names.percent > 100 || names.percent_unwound > 100))
        abort();
    return 0;
}
