/* SPDX-License-Identifier: Apache-2.0 */
/* The sink of files, as a whole, in a directory of the test's. */
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "files_fixture.h"
#include "uploader/sinks/files/intervals.h"

static struct sink *files_sink(void)
{
    set_options("%s", "");
    snprintf(options.out, sizeof(options.out), "%s", directory);
    return sink_files_new(&options);
}

static void files_are_written_whole(void **state)
{
    struct profile *profile = one_sample(), *empty = profile_new(&profile_kinds[KIND_ID_MEMORY], 10);
    struct upload upload = make_upload(profile);
    struct sink *sink = files_sink();

    (void)state;
    upload.interval[KIND_ID_MEMORY] = upload.merged[KIND_ID_MEMORY] = empty;
    assert_int_equal(sink->ops->take(sink, &upload), 0);
    assert_int_equal(sink->ops->take(sink, &upload), 0); /* in the same millisecond */
    assert_int_equal(sink->ops->work(sink, 0), 0);
    assert_int_equal(count_files("app", "cpu.pb.gz"), 1);
    assert_int_equal(count_files("app", "memory.pb.gz"), 1);
    assert_int_equal(count_files("app/intervals", "-cpu.pb.gz"), 2);
    assert_int_equal(count_files("app/intervals", "-memory.pb.gz"), 0);
    assert_int_equal(count_files("", "report.html"), 1);
    assert_int_equal(count_files("app", ".tmp") + count_files("", ".tmp"), 0);
    assert_string_equal(log_text, "");
    sink->ops->free(sink);
    profile_free(profile);
    profile_free(empty);
}

static void a_directory_in_use_is_left_alone(void **state)
{
    struct sink *first = files_sink(), *second = files_sink();
    struct stat status;
    char path[100];

    (void)state;
    assert_non_null(strstr(log_text, "in use by another session"));
    snprintf(path, sizeof(path), "%s-2", directory);
    assert_int_equal(stat(path, &status), 0);
    second->ops->free(second);
    first->ops->free(first);
    first = files_sink();
    assert_string_equal(log_text, "");
    first->ops->free(first);
}

static void a_full_disk_is_said_once_and_leaves_no_part(void **state)
{
    struct profile *profile = one_sample();
    struct upload upload = make_upload(profile);
    struct sink *sink = files_sink();
    struct rlimit full = {0, RLIM_INFINITY}, before;

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(sink->ops->take(sink, &upload), 0);
    setrlimit(RLIMIT_FSIZE, &full);
    for (unsigned i = 0; i < 3; i++) {
        upload.start_ns += SECOND_NS;
        assert_int_equal(sink->ops->take(sink, &upload), -EFBIG);
        sink->ops->work(sink, 0);
    }
    setrlimit(RLIMIT_FSIZE, &before);
    assert_non_null(strstr(log_text, "cannot write"));
    assert_ptr_equal(strchr(log_text, '\n'), log_text + strlen(log_text) - 1);
    assert_int_equal(count_files("app", "cpu.pb.gz"), 1);
    assert_int_equal(
        count_files("app", ".tmp") + count_files("", ".tmp") + count_files("app/intervals", ".tmp"), 0);
    assert_int_equal(sink->ops->take(sink, &upload), 0);
    sink->ops->free(sink);
    profile_free(profile);
}

static void a_directory_that_was_removed_is_made_again(void **state)
{
    struct profile *profile = one_sample();
    struct upload upload = make_upload(profile);
    struct sink *sink = files_sink();

    assert_int_equal(sink->ops->take(sink, &upload), 0);
    assert_int_equal(remove_directory(state), 0);
    assert_int_equal(sink->ops->take(sink, &upload), 0);
    sink->ops->work(sink, 0);
    assert_int_equal(count_files("app", "cpu.pb.gz"), 1);
    assert_int_equal(count_files("", "report.html"), 1);
    sink->ops->free(sink);
    profile_free(profile);
}

/* Makes the interval's file of CPU profiles larger than the report has room for. */
static void make_huge(const struct upload *upload)
{
    char name[INTERVAL_NAME_BYTES], path[200];

    intervals_name(upload->start_ns / MS_NS, KIND_ID_CPU, name);
    snprintf(path, sizeof path, "%s/app/intervals/%s", directory, name);
    assert_int_equal(truncate(path, 5 << 20), 0);
}

static unsigned count_text(const char *text, const char *part)
{
    unsigned count = 0;

    while ((text = strstr(text, part))) {
        count++;
        text++;
    }
    return count;
}

static char *read_report(void)
{
    char path[200], *text;
    struct stat st;
    FILE *file;

    snprintf(path, sizeof path, "%s/report.html", directory);
    file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &st), 0);
    text = calloc((size_t)st.st_size + 1, 1);
    assert_int_equal(fread(text, 1, (size_t)st.st_size, file), st.st_size);
    fclose(file);
    return text;
}

/* Those of an earlier session are not missed, and those before one that has no room would leave a gap. */
static void the_report_has_the_newest_intervals_of_the_session(void **state)
{
    struct profile *profile = one_sample();
    struct upload upload = make_upload(profile);
    struct sink *sink = files_sink();
    char *text;

    (void)state;
    upload.session_start_ns = upload.start_ns + SECOND_NS;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(sink->ops->take(sink, &upload), 0);
        if (i == 2)
            make_huge(&upload);
        upload.start_ns += SECOND_NS;
        upload.end_ns += SECOND_NS;
    }
    assert_int_equal(sink->ops->work(sink, 0), 0);
    text = read_report();
    assert_int_equal(count_text(text, "\"part\":\"whole\""), 1);
    assert_int_equal(count_text(text, "\"part\":\"interval\""), 2);
    assert_non_null(strstr(text, "\"left_out\":{\"intervals\":2,"));
    free(text);
    sink->ops->free(sink);
    profile_free(profile);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(files_are_written_whole),
        FILE_TEST(a_directory_in_use_is_left_alone),
        FILE_TEST(a_full_disk_is_said_once_and_leaves_no_part),
        FILE_TEST(a_directory_that_was_removed_is_made_again),
        FILE_TEST(the_report_has_the_newest_intervals_of_the_session),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
