/* SPDX-License-Identifier: Apache-2.0 */
#include "uploader/page/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "uploader/encoding/utf8.h"

/* The page's data block. *page is to be freed. */
static char *data_of(char *page)
{
    char *data = strstr(page, "{\"version\"");
    char *end = data ? strstr(data, "</script>") : NULL;

    assert_non_null(end);
    *end = 0;
    return data;
}

/* The data stand in a script element: a name must not end it. */
static void hostile_names_stay_inside_the_page(void **state)
{
    const struct page_head head = {.live = "./", .side = {"<a>", "b"}, .view = "view=tree&<"};
    const struct page_file file = {
        .program = "</script><script>", .kind = "\xff\x01\"", .name = "-->", .data = "", .size = 0};
    char *text, *data;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct page page;

    (void)state;
    page_begin(&page, &head, out);
    page_add(&page, &file);
    page_add(&page, &file);
    assert_int_equal(page_end(&page, NULL), 0);
    fclose(out);
    data = data_of(text);
    assert_non_null(strstr(data, "\\u003c/script\\u003e"));
    assert_non_null(strstr(data, "\\ufffd\\u0001\\u0022"));
    assert_non_null(strstr(data, "[{\"name\":\"\\u003ca\\u003e\"},{\"name\":\"b\"}]"));
    assert_null(strpbrk(data, "<>"));
    assert_true(utf8_is_valid(data));
    free(text);
}

static void check_base64(const char *bytes, size_t size, const char *expected)
{
    const struct page_head head = {0};
    const struct page_file file = {.data = bytes, .size = size};
    const struct page_left_out left_out = {.intervals = 3, .bytes = 5, .programs = 7};
    char *text, *data, found[64];
    size_t length;
    FILE *out = open_memstream(&text, &length);
    struct page page;

    page_begin(&page, &head, out);
    page_add(&page, &file);
    assert_int_equal(page_end(&page, &left_out), 0);
    fclose(out);
    snprintf(found, sizeof found, "\"data\":\"%s\"}]", expected);
    data = data_of(text);
    assert_non_null(strstr(data, found));
    assert_non_null(strstr(data, "\"left_out\":{\"intervals\":3,\"bytes\":5,\"programs\":7}"));
    free(text);
}

static void files_are_base64(void **state)
{
    (void)state;
    check_base64("", 0, "");
    check_base64("\xff", 1, "/w==");
    check_base64("\x00\x10", 2, "ABA=");
    check_base64("abc", 3, "YWJj");
    check_base64("\xfb\xff\xfe!", 4, "+//+IQ==");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_names_stay_inside_the_page),
        cmocka_unit_test(files_are_base64),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
