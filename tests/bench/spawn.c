// SPDX-License-Identifier: Apache-2.0
// Milliseconds from the start of a program to its end. Of COUNT runs one after the other, a tenth is faster than the one
// that counts: other programs make a run slower and none faster. LD_PRELOAD of the program comes from the variable PRELOAD,
// so that this one runs bare. With FRESH=1 each run gets a CPROF_OUT of its own, and so an uploader of its own.
// Arguments: count, program, its arguments.
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double run_once(char **argv)
{
    struct timespec t0, t1;
    pid_t pid;
    int status;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) || waitpid(pid, &status, 0) != pid || status)
        exit(1);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    return (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e6;
}

int main(int argc, char **argv)
{
    enum { MOST = 10000 };
    static double ms[MOST];
    const char *preload = getenv("PRELOAD"), *out = getenv("CPROF_OUT");
    int count = argc > 2 ? atoi(argv[1]) : 0, fresh = getenv("FRESH") != NULL;
    if (count < 1 || count > MOST)
        return 2;
    if (preload)
        setenv("LD_PRELOAD", preload, 1);
    for (int i = 0; i < count; i++) {
        if (fresh && out) {
            char directory[4096];
            snprintf(directory, sizeof directory, "%s.%d", out, i);
            setenv("CPROF_OUT", directory, 1);
        }
        ms[i] = run_once(argv + 2);
    }
    qsort(ms, (size_t)count, sizeof *ms, compare);
    printf("%.4f\n", ms[count / 10]);
    return 0;
}
