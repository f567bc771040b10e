/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "commands.h"
#include "uploader/options/options.h"

/* Read by jemalloc. One thread needs one arena. Memory goes back to the kernel at once, because a round needs
   ten times what is kept between rounds. */
const char *malloc_conf =
    "narenas:1,background_thread:false,dirty_decay_ms:0,muzzy_decay_ms:0,lg_tcache_max:12";

static const struct {
    const char *name;
    int (*main)(int argc, char **argv);
} commands[] = {
    {"serve", serve_main},
    {"run", run_main},
};

/* A program that closed its standard descriptors starts the uploader without them. The first file that is
   opened must not become stderr. */
static void open_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* cprof's own programs are not profiled if /etc/ld.so.preload names the library. It looks for this name. */
void cprof_own_program(void);
void cprof_own_program(void)
{
}

int main(int argc, char **argv)
{
    static const struct itimerval none;

    setitimer(ITIMER_REAL, &none, NULL); /* the limit that a target sets to our start */
    open_standard_streams();
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++)
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].main(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "--version")) {
        puts("cprof " CPROF_VERSION);
        return 0;
    }
    fputs("usage: cprof-uploader run [options] [--] program args...\n"
          "       cprof-uploader serve [options]\n"
          "       cprof-uploader --version\n",
          argc > 1 && !strcmp(argv[1], "--help") ? stdout : stderr);
    return argc > 1 && !strcmp(argv[1], "--help") ? 0 : 2;
}
