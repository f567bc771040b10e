/* SPDX-License-Identifier: Apache-2.0 */
/* Progress on stderr: nothing in the first second, one line after it that is taken away, nothing for what is no
   terminal. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "uploader/base/progress.h"

static int master, saved;

/* stderr is a terminal from here on. */
static int begin(void **state)
{
    struct winsize size = {.ws_row = 24, .ws_col = 30};
    int slave;

    (void)state;
    saved = dup(STDERR_FILENO);
    master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) || unlockpt(master))
        return -1;
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    ioctl(slave, TIOCSWINSZ, &size);
    fcntl(master, F_SETFL, O_NONBLOCK);
    return dup2(slave, STDERR_FILENO) < 0;
}

static int end(void **state)
{
    (void)state;
    return dup2(saved, STDERR_FILENO) < 0;
}

static void expect(const char *text)
{
    char got[256] = "";
    ssize_t size = read(master, got, sizeof got - 1);

    got[size > 0 ? size : 0] = 0;
    assert_string_equal(got, text);
}

static void test_line(void **state)
{
    struct timespec second = {1, 20000000};

    (void)state;
    progress_step("reading %s", "a\033[31m\xc2\x9b.pb.gz");
    progress_at(1, 2);
    progress_end();
    expect("");
    nanosleep(&second, NULL);
    progress_at(1, 2);
    expect("\rreading a?[31m?.pb.gz: 50 %\033[K");
    progress_at(2, 2); /* too soon for another line */
    expect("");
    progress_step("a name that is longer than the line is");
    expect("\ra name that is longer than th\033[K");
    progress_end();
    expect("\r\033[K");
    progress_end();
    expect("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_line, begin, end)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
