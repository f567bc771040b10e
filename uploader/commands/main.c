/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "analysis/convert/convert.h"
#include "analysis/diff/diff.h"
#include "analysis/doctor/doctor.h"
#include "analysis/explain/explain.h"
#include "analysis/live/live.h"
#include "analysis/page/report.h"
#include "analysis/top/top.h"
#include "commands.h"
#include "uploader/options/options.h"

/* Read by jemalloc. One thread needs one arena. Memory goes back to the kernel at once, because a round needs
   ten times what is kept between rounds. */
const char *malloc_conf =
    "narenas:1,background_thread:false,dirty_decay_ms:0,muzzy_decay_ms:0,lg_tcache_max:12";

/* Of files, or of a session that runs. */
static int report_command(int argc, char **argv)
{
    return live_is_wanted(argc, argv) ? live_main(argc, argv) : report_main(argc, argv);
}

/* scripts/cprof has the names of the users' commands, too. */
static const struct command {
    const char *name;
    int (*main)(int argc, char **argv);
    bool for_users; /* cprof NAME is this command, and no program of that name */
} commands[] = {
    {"serve", serve_main, false},    {"run", run_main, false},        {"install", install_main, false},
    {"ready", ready_main, false},    {"ctl", ctl_main, true},         {"diff", diff_main, true},
    {"top", top_main, true},         {"doctor", doctor_main, true},   {"report", report_command, true},
    {"convert", convert_main, true}, {"explain", explain_main, true},
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (!strcmp(name, commands[i].name))
            return &commands[i];
    return NULL;
}

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

/* In a bundle, which may lie in an image without a shell, the launcher is a link to this program. */
static bool is_launcher(const char *path)
{
    const char *slash = strrchr(path, '/');
    return !strcmp(slash ? slash + 1 : path, "cprof");
}

int main(int argc, char **argv)
{
    static const struct itimerval none;
    const struct command *command = argc > 1 ? find_command(argv[1]) : NULL;

    setitimer(ITIMER_REAL, &none, NULL); /* the limit that a target sets to our start */
    open_standard_streams();
    if (argc && is_launcher(argv[0]) && !(command && command->for_users))
        return run_main(argc, argv);
    if (command)
        return command->main(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "--version")) {
        puts("cprof " CPROF_VERSION);
        return 0;
    }
    fputs("usage: cprof-uploader run [options] [--] program args...\n"
          "       cprof-uploader serve [options]\n"
          "       cprof-uploader install directory\n"
          "       cprof-uploader ready --socket=path\n"
          "       cprof-uploader ctl command\n"
          "       cprof-uploader --version\n",
          argc > 1 && !strcmp(argv[1], "--help") ? stdout : stderr);
    return argc > 1 && !strcmp(argv[1], "--help") ? 0 : 2;
}
