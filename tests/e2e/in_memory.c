// SPDX-License-Identifier: Apache-2.0
// Runs a file out of a memfd. in_memory FILE: as a library whose compute_in_memory() it calls for a second, from a
// descriptor that it closes first. in_memory FILE ARGUMENT: as a program.
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static int in_memory(const char *file, unsigned flags)
{
    int from = open(file, O_RDONLY), to = memfd_create("volatile", flags);
    struct stat info;
    fstat(from, &info);
    for (off_t at = 0; at < info.st_size && sendfile(to, from, &at, (size_t)(info.st_size - at)) > 0;)
        ;
    close(from);
    return to;
}

int main(int argc, char **argv)
{
    char path[64];
    if (argc > 2) {
        fexecve(in_memory(argv[1], MFD_CLOEXEC), argv + 1, environ);
        return 1;
    }
    int fd = in_memory(argv[1], 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    void *library = dlopen(path, RTLD_NOW);
    close(fd);
    void (*compute)(double) = (void (*)(double))dlsym(library, "compute_in_memory");
    if (!compute)
        return 1;
    compute(1);
    return 0;
}
