/* SPDX-License-Identifier: Apache-2.0 */
/* What the sink of files writes where: whose a directory is, names of all kinds, links that others put there,
   and how long intervals are kept. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files_fixture.h"
#include "uploader/options/paths.h"
#include "uploader/sinks/files/intervals.h"

static unsigned log_lines(void)
{
    unsigned lines = 0;

    for (const char *c = log_text; *c; c++)
        lines += *c == '\n';
    return lines;
}

static bool is_there(const char *name)
{
    struct stat st;
    return !lstat(in_directory(name), &st);
}

static void put_file(const char *name, const char *text)
{
    FILE *file = fopen(in_directory(name), "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* ---- Uploads ---- */
static struct sink *files_sink(const char *keep)
{
    set_options("%s", "");
    options.settings.value[SETTING_KEEP].text = keep;
    snprintf(options.out, sizeof(options.out), "%s", directory);
    return sink_files_new(&options);
}

/* number: the program's, so that equal ones are one program. Returns where it was written, or "". */
static const char *take(struct sink *sink, unsigned number, const struct program_id *id, int64_t start_ns)
{
    static char path[UPLOAD_PATH];
    struct profile *profile = one_sample();
    struct upload upload = make_upload(profile);

    *path = 0;
    upload.number = number;
    upload.id = id;
    upload.path = path;
    upload.program = id->program;
    upload.service = id->service;
    upload.labels = id->labels;
    upload.start_ns = upload.session_start_ns = start_ns;
    upload.end_ns = start_ns + SECOND_NS;
    sink->ops->take(sink, &upload);
    sink->ops->work(sink, 0);
    profile_free(profile);
    return path;
}

static const struct program_id app = {"app", "app", ""};

/* ---- Names ---- */

static const struct program_id ids[] = {
    {"app", "app", ""},
    {"app", "shop", ""},
    {"app", "shop", "a=b"},
    {"app", "shop,a=b", ""},
    {"app@shop", "app@shop", ""},
    {"app@shop,a=b", "x", ""},
    {"app", "app", "a=b"},
    {"app", "app", "a=b,c=d"},
    {"app.2", "app.2", ""},
    {"", "unknown", ""},
    {"unknown", "unknown", ""},
    {".", ".", ""},
    {"..", "..", ""},
    {"...", "...", ""},
    {"../x", "../x", ""},
    {"..%2Fx", "..%2Fx", ""},
    {"a/b", "a/b", ""},
    {"a_b", "a_b", ""},
    {"a?b", "a?b", ""},
    {"a\nb", "a\nb", ""},
    {"a\xff"
     "b",
     "a\xff"
     "b",
     ""},
    {"a\xfe"
     "b",
     "a\xfe"
     "b",
     ""},
    {"a%FFb", "a%FFb", ""},
    {"\xc2\x85", "x", ""},
    {"report.html", "x", ""},
    {"%72eport.html", "x", ""},
    {"cprof.log", "x", ""},
    {"intervals", "x", ""},
    {"cpu.pb.gz", "x", ""},
    {".cprof", "x", ""},
    {"app", "shop\n", "a=b"},
    {"app", "shop", "\na=b"},
    {"app ", "app ", ""},
    {" ", " ", ""},
    {"%", "%", ""},
    {"app@app", "app@app", ""},
};
enum { IDS = sizeof(ids) / sizeof(*ids) };

static void every_program_has_a_directory_of_its_own(void **state)
{
    static char path[IDS][UPLOAD_PATH];
    int64_t now_ns = clock_ns(CLOCK_REALTIME);
    struct sink *sink = files_sink("1h");

    (void)state;
    for (unsigned i = 0; i < IDS; i++) {
        strcpy(path[i], take(sink, i, &ids[i], now_ns));
        assert_true(*path[i]);
        assert_string_equal(take(sink, i, &ids[i], now_ns), path[i]); /* and keeps it */
        for (unsigned n = 0; n < i; n++)
            assert_string_not_equal(path[n], path[i]);
        assert_null(strpbrk(path[i] + strlen(directory) + 1, "/\n"));
        assert_int_equal(count_files(path[i] + strlen(directory) + 1, "cpu.pb.gz"), 1);
    }
    sink->ops->free(sink);
    assert_int_equal(count_files("", ""), IDS + 1); /* and the report */
}

/* In another session, in another order: who had a directory has it still. */
static void directories_are_found_again(void **state)
{
    static char path[IDS][UPLOAD_PATH];
    struct sink *sink = files_sink("1h");

    (void)state;
    for (unsigned i = 0; i < IDS; i++)
        strcpy(path[i], take(sink, i, &ids[i], 1));
    sink->ops->free(sink);
    sink = files_sink("1h");
    for (unsigned i = IDS; i--;)
        assert_string_equal(take(sink, IDS - i, &ids[i], 1), path[i]);
    sink->ops->free(sink);
}

static void long_names_differ_in_their_ends(void **state)
{
    char text[2][3][300], path[2][UPLOAD_PATH];
    struct sink *sink = files_sink("1h");

    (void)state;
    for (unsigned part = 0; part < 3; part++) {
        for (unsigned i = 0; i < 2; i++) {
            struct program_id id;
            for (unsigned n = 0; n < 3; n++) {
                memset(text[i][n], n == 0 ? 0xc3 : 'x', 255);
                text[i][n][255] = 0;
            }
            text[i][part][254] = (char)('a' + i);
            id = (struct program_id){text[i][0], text[i][1], text[i][2]};
            strcpy(path[i], take(sink, part * 2 + i, &id, 1));
            assert_true(*path[i]);
        }
        assert_string_not_equal(path[0], path[1]);
    }
    sink->ops->free(sink);
}

static void a_directory_of_before_marks_is_taken_over(void **state)
{
    struct sink *sink;

    (void)state;
    mkdir(in_directory("app"), 0755);
    put_file("app/cpu.pb.gz", "old");
    sink = files_sink("1h");
    assert_string_equal(take(sink, 0, &app, 1), in_directory("app"));
    assert_true(is_there("app/" DIRECTORY_MARK));
    sink->ops->free(sink);
}

/* ---- Links ---- */

static void assert_refused(const char *kept)
{
    struct sink *sink = files_sink("1h");
    char text[16] = "";
    FILE *file;

    assert_non_null(sink);
    assert_string_equal(take(sink, 0, &app, 1), "");
    assert_string_equal(take(sink, 0, &app, 1), "");
    assert_int_equal(log_lines(), 1);
    assert_non_null(strstr(log_text, "link"));
    file = fopen(in_directory(kept), "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    assert_string_equal(text, "mine");
    fclose(file);
    sink->ops->free(sink);
}

static void a_link_to_a_directory_is_not_followed(void **state)
{
    (void)state;
    mkdir(in_directory("theirs"), 0755);
    put_file("theirs/cpu.pb.gz", "mine");
    assert_int_equal(symlink("theirs", in_directory("app")), 0);
    assert_refused("theirs/cpu.pb.gz");
    assert_int_equal(count_files("theirs", ""), 1);
}

static void a_link_for_intervals_is_not_followed(void **state)
{
    struct sink *sink;

    (void)state;
    mkdir(in_directory("app"), 0755);
    mkdir(in_directory("theirs"), 0755);
    assert_int_equal(symlink("../theirs", in_directory("app/intervals")), 0);
    sink = files_sink("1h");
    take(sink, 0, &app, 1);
    sink->ops->free(sink);
    assert_non_null(strstr(log_text, "link"));
    assert_int_equal(log_lines(), 1);
    assert_int_equal(count_files("theirs", ""), 0);
}

/* Files are replaced, whatever they are; what a link leads to stays. */
static void links_for_files_are_replaced(void **state)
{
    static const char *const names[] = {"app/cpu.pb.gz", "app/.cpu.pb.gz.tmp", "report.html",
                                        ".report.html.tmp"};
    struct sink *sink;
    struct stat st;

    (void)state;
    mkdir(in_directory("app"), 0755);
    put_file("victim", "mine");
    for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char target[100];
        snprintf(target, sizeof(target), "%s/victim", directory);
        assert_int_equal(symlink(target, in_directory(names[i])), 0);
    }
    sink = files_sink("1h");
    assert_true(*take(sink, 0, &app, 1));
    sink->ops->free(sink);
    assert_int_equal(stat(in_directory("victim"), &st), 0);
    assert_int_equal(st.st_size, 4);
    assert_int_equal(lstat(in_directory("app/cpu.pb.gz"), &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_false(is_there("app/.cpu.pb.gz.tmp"));
}

/* Of a path that a setting names, links of root's and our own are followed, others are not. */
static void links_of_other_users_are_not_followed(void **state)
{
    char path[100];
    int fd;

    (void)state;
    mkdir(in_directory("real"), 0755);
    assert_int_equal(symlink("real", in_directory("link")), 0);
    snprintf(path, sizeof(path), "%s/link/x/y", directory);
    fd = path_open_directory(path, true);
    assert_true(fd >= 0);
    close(fd);
    assert_true(is_there("real/x/y"));
    snprintf(path, sizeof(path), "%s/link/log", directory);
    fd = path_open_log(path);
    assert_true(fd >= 0);
    close(fd);
    assert_true(is_there("real/log"));
    if (geteuid() != 0)
        return;
    assert_int_equal(lchown(in_directory("link"), 12345, 12345), 0);
    assert_int_equal(path_open_log(path), -ELOOP);
    snprintf(path, sizeof(path), "%s/link/x/y", directory);
    assert_int_equal(path_open_directory(path, true), -ELOOP);
    snprintf(path, sizeof(path), "%s/link", directory);
    assert_int_equal(path_open_directory(path, true), -ELOOP);
    assert_int_equal(symlink("real/log", in_directory("log")), 0);
    assert_int_equal(lchown(in_directory("log"), 12345, 12345), 0);
    snprintf(path, sizeof(path), "%s/log", directory);
    assert_int_equal(path_open_log(path), -ELOOP);
}

static void a_second_name_is_no_log(void **state)
{
    char path[100];

    (void)state;
    put_file("victim", "mine");
    snprintf(path, sizeof(path), "%s/log", directory);
    assert_int_equal(link(in_directory("victim"), path), 0);
    assert_int_equal(path_open_log(path), -EMLINK);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(path_open_log(path), -ENXIO); /* and does not wait for a reader */
}

/* ---- Intervals ---- */

static void the_oldest_intervals_go_first(void **state)
{
    int64_t now_ns = clock_ns(CLOCK_REALTIME);
    struct sink *sink = files_sink("1h,64KiB");
    char name[INTERVAL_NAME_BYTES], path[200];

    (void)state;
    for (int i = 0; i < 100; i++) /* 4 KiB each on most file systems */
        take(sink, 0, &app, now_ns + i * SECOND_NS);
    assert_in_range(count_files("app/intervals", "-cpu.pb.gz"), 8, 64);
    intervals_name((now_ns + 99 * SECOND_NS) / MS_NS, KIND_ID_CPU, name);
    snprintf(path, sizeof(path), "app/intervals/%s", name);
    assert_true(is_there(path));
    intervals_name(now_ns / MS_NS, KIND_ID_CPU, name);
    snprintf(path, sizeof(path), "app/intervals/%s", name);
    assert_false(is_there(path));
    sink->ops->free(sink);
}

static void the_size_is_of_all_programs(void **state)
{
    const struct program_id other = {"other", "other", ""};
    struct sink *sink = files_sink("64KiB");

    (void)state;
    for (int i = 0; i < 20; i++)
        take(sink, 0, &app, i * SECOND_NS);
    for (int i = 0; i < 100; i++)
        take(sink, 1, &other, (100 + i) * SECOND_NS);
    assert_int_equal(count_files("app/intervals", "-cpu.pb.gz"), 0);
    assert_in_range(count_files("other/intervals", "-cpu.pb.gz"), 8, 64);
    sink->ops->free(sink);
}

/* Those of an earlier session count, by their names; nothing else is touched. */
static void only_our_intervals_are_removed(void **state)
{
    static const char *const others[] = {
        "app/intervals/notes.txt", "app/intervals/20200101T000000.000Z-cpu.pb.gz.bak",
        "app/intervals/20200101T000000.000Z-other.pb.gz", "app/intervals/20201301T000000.000Z-cpu.pb.gz",
        "theirs/intervals/20200101T000000.000Z-cpu.pb.gz"};
    struct sink *sink;

    (void)state;
    mkdir(in_directory("app"), 0755);
    mkdir(in_directory("app/intervals"), 0755);
    mkdir(in_directory("theirs"), 0755);
    mkdir(in_directory("theirs/intervals"), 0755);
    put_file("app/" DIRECTORY_MARK, "program app\nservice app\nlabels \n");
    put_file("app/intervals/20200101T000000.000Z-cpu.pb.gz", "x");
    put_file("app/intervals/20200101T000000.000Z-off_cpu.pb.gz", "x");
    put_file("app/intervals/.20200101T000000.000Z-cpu.pb.gz.tmp", "x");
    for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++)
        put_file(others[i], "x");
    sink = files_sink("1h,1GiB");
    take(sink, 0, &app, clock_ns(CLOCK_REALTIME));
    assert_false(is_there("app/intervals/20200101T000000.000Z-cpu.pb.gz"));
    assert_false(is_there("app/intervals/20200101T000000.000Z-off_cpu.pb.gz"));
    assert_false(is_there("app/intervals/.20200101T000000.000Z-cpu.pb.gz.tmp"));
    for (unsigned i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_true(is_there(others[i]));
    assert_int_equal(count_files("app/intervals", ""), 5);
    sink->ops->free(sink);
}

/* Stamps of the future are of a clock that was wrong: such files are as young as this session. */
static void a_clock_that_was_set_removes_nothing(void **state)
{
    struct sink *sink = files_sink("1h");

    (void)state;
    take(sink, 0, &app, SECOND_NS);
    take(sink, 0, &app, clock_ns(CLOCK_REALTIME) + 1000000 * SECOND_NS);
    assert_int_equal(count_files("app/intervals", ".pb.gz"), 2);
    sink->ops->free(sink);
    sink = files_sink("1h");
    take(sink, 0, &app, clock_ns(CLOCK_REALTIME));
    assert_int_equal(count_files("app/intervals", ".pb.gz"), 2); /* the one of 1970 is gone */
    sink->ops->free(sink);
}

static void none_are_written_where_none_are_kept(void **state)
{
    struct sink *sink = files_sink("0");

    (void)state;
    assert_true(*take(sink, 0, &app, 1));
    sink->ops->free(sink);
    assert_false(is_there("app/intervals"));
}

static void equal_times_get_names_of_their_own(void **state)
{
    struct sink *sink = files_sink("1h");

    (void)state;
    for (int i = 0; i < 5; i++)
        take(sink, 0, &app, SECOND_NS);
    assert_int_equal(count_files("app/intervals", "-cpu.pb.gz"), 5);
    sink->ops->free(sink);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(every_program_has_a_directory_of_its_own),
        FILE_TEST(directories_are_found_again),
        FILE_TEST(long_names_differ_in_their_ends),
        FILE_TEST(a_directory_of_before_marks_is_taken_over),
        FILE_TEST(a_link_to_a_directory_is_not_followed),
        FILE_TEST(a_link_for_intervals_is_not_followed),
        FILE_TEST(links_for_files_are_replaced),
        FILE_TEST(links_of_other_users_are_not_followed),
        FILE_TEST(a_second_name_is_no_log),
        FILE_TEST(the_oldest_intervals_go_first),
        FILE_TEST(the_size_is_of_all_programs),
        FILE_TEST(only_our_intervals_are_removed),
        FILE_TEST(a_clock_that_was_set_removes_nothing),
        FILE_TEST(none_are_written_where_none_are_kept),
        FILE_TEST(equal_times_get_names_of_their_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
