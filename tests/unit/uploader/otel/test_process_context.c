/* SPDX-License-Identifier: Apache-2.0 */
/* What a process publishes of itself (OTEL_CTX): found, read, read again once it changes, and refused if it makes no
 * sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "uploader/otel/attributes.pb-c.h"
#include "uploader/otel/process_context.h"

struct published {
    char signature[8];
    uint32_t version, size;
    uint64_t published_ns;
    const void *payload;
};

/* As the reference does without names for mappings: a private mapping of a memfd. */
static struct published *publish(void)
{
    int fd = memfd_create("OTEL_CTX", MFD_CLOEXEC);
    struct published *page;

    assert_int_equal(ftruncate(fd, 4096), 0);
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    close(fd);
    memcpy(page->signature, "OTEL_CTX", 8);
    page->version = 2;
    return page;
}

static void set_payload(struct published *page, const uint8_t *payload, size_t size, uint64_t now)
{
    page->payload = payload;
    page->size = (uint32_t)size;
    page->published_ns = now;
}

/* Of pairs {key, text} with an end, and the names of the thread context. Freed by the caller. */
static uint8_t *encode(const char *const (*pair)[2], const char *const *name, size_t *size)
{
    Cprof__Otel__ProcessContext context = CPROF__OTEL__PROCESS_CONTEXT__INIT;
    Cprof__Otel__Resource resource = CPROF__OTEL__RESOURCE__INIT;
    Cprof__Otel__KeyValue kv[40], *list[40], keys = CPROF__OTEL__KEY_VALUE__INIT,
                                             schema = CPROF__OTEL__KEY_VALUE__INIT,
                                             *extra[] = {&keys, &schema};
    Cprof__Otel__AnyValue value[40], keys_value = CPROF__OTEL__ANY_VALUE__INIT,
                                     schema_value = CPROF__OTEL__ANY_VALUE__INIT;
    Cprof__Otel__TextList names = CPROF__OTEL__TEXT_LIST__INIT;
    Cprof__Otel__Text text[300], *texts[300];
    uint8_t *data;

    for (; (*pair)[0]; pair++) {
        size_t n = resource.n_attributes++;
        cprof__otel__key_value__init(&kv[n]);
        cprof__otel__any_value__init(&value[n]);
        kv[n].key = (char *)(*pair)[0];
        kv[n].value = &value[n];
        value[n].string_value = (char *)(*pair)[1];
        list[n] = &kv[n];
    }
    resource.attributes = list;
    context.resource = &resource;
    for (; name && *name; name++) {
        size_t n = names.n_values++;
        cprof__otel__text__init(&text[n]);
        text[n].string_value = (char *)*name;
        texts[n] = &text[n];
    }
    names.values = texts;
    keys_value.array_value = &names;
    keys.key = (char *)"threadlocal.attribute_key_map";
    keys.value = &keys_value;
    schema_value.string_value = (char *)"tlsdesc_v1_dev";
    schema.key = (char *)"threadlocal.schema_version";
    schema.value = &schema_value;
    context.attributes = extra;
    context.n_attributes = name ? 2 : 0;
    *size = cprof__otel__process_context__get_packed_size(&context);
    data = malloc(*size);
    cprof__otel__process_context__pack(&context, data);
    return data;
}

static void test_found_and_read_again(void **state)
{
    static const char *const first[][2] = {{"service.name", "shop"},
                                           {"service.version", ""},
                                           {"deployment.environment.name", "prod"},
                                           {NULL, NULL}};
    static const char *const second[][2] = {{"service.name", "store"}, {NULL, NULL}};
    static const char *const names[] = {"datadog.local_root_span_id", "http.route", NULL};
    struct process_context context = {0};
    struct published *page;
    size_t size;
    uint8_t *payload;

    (void)state;
    assert_false(process_context_read(&context, NULL, getpid(), getpid()));
    assert_null(process_context_get(&context, "service.name"));
    context.next_search_ns = 0;
    page = publish();
    payload = encode(first, names, &size);
    set_payload(page, payload, size, 0);
    assert_false(process_context_read(&context, NULL, getpid(), getpid())); /* it is being written */
    set_payload(page, payload, size, 1000);
    assert_true(process_context_read(&context, NULL, getpid(), getpid()));
    assert_string_equal(process_context_get(&context, "service.name"), "shop");
    assert_string_equal(process_context_get(&context, "deployment.environment.name"), "prod");
    assert_null(process_context_get(&context, "service.version"));
    assert_string_equal(context.schema, "tlsdesc_v1_dev");
    assert_int_equal(context.thread_keys, 2);
    assert_string_equal(context.thread_key[1], "http.route");
    free(payload);

    payload = encode(second, NULL, &size);
    set_payload(page, payload, size, 1000);
    assert_false(
        process_context_read(&context, NULL, getpid(), getpid())); /* the same time stamp: not looked at */
    set_payload(page, payload, size, 2000);
    assert_true(process_context_read(&context, NULL, getpid(), getpid()));
    assert_string_equal(process_context_get(&context, "service.name"), "store");
    assert_null(process_context_get(&context, "deployment.environment.name"));
    assert_null(context.schema);
    assert_int_equal(context.thread_keys, 0);

    /* A payload that is nowhere, or no payload, leaves what was read. */
    set_payload(page, (void *)8, size, 3000);
    assert_false(process_context_read(&context, NULL, getpid(), getpid()));
    set_payload(page, payload, CONTEXT_PAYLOAD_MOST + 1, 4000);
    assert_false(process_context_read(&context, NULL, getpid(), getpid()));
    assert_string_equal(process_context_get(&context, "service.name"), "store");
    munmap(page, 4096);
    assert_false(process_context_read(&context, NULL, getpid(), getpid()));
    free(payload);
    process_context_free(&context);
}

static void test_other_versions_are_not_read(void **state)
{
    static const char *const pairs[][2] = {{"service.name", "shop"}, {NULL, NULL}};
    struct process_context context = {0};
    struct published *page = publish();
    size_t size;
    uint8_t *payload = encode(pairs, NULL, &size);

    (void)state;
    page->version = 1;
    set_payload(page, payload, size, 1000);
    assert_false(process_context_read(&context, NULL, getpid(), getpid()));
    munmap(page, 4096);
    free(payload);
    process_context_free(&context);
}

static void test_what_is_cut(void **state)
{
    static char longest[4097];
    static const char *pairs[40][2];
    const char *names[CONTEXT_KEYS + 2] = {0};
    struct process_context context = {0};
    size_t size;
    uint8_t *payload;

    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    for (int i = 0; i < 39; i++) {
        static char key[39][8];
        pairs[i][1] = longest;
        key[i][0] = 'k';
        key[i][1] = (char)('0' + i / 10);
        key[i][2] = (char)('0' + i % 10);
        pairs[i][0] = key[i];
    }
    for (int i = 0; i < CONTEXT_KEYS + 1; i++)
        names[i] = "bad\xff\n";
    pairs[8][0] = NULL;
    payload = encode(pairs, names, &size);
    assert_int_equal(process_context_decode(&context, payload, size), 0);
    assert_int_equal(strlen(process_context_get(&context, "k00")), CONTEXT_TEXT - 1);
    assert_int_equal(context.thread_keys, CONTEXT_KEYS);
    assert_string_equal(context.thread_key[CONTEXT_KEYS - 1], "bad??");
    free(payload);
    for (int i = 0; i < 39; i++)
        pairs[i][1] = "v";
    pairs[8][0] = "k08";
    payload = encode(pairs, NULL, &size);
    assert_int_equal(process_context_decode(&context, payload, size), 0);
    assert_int_equal(context.attributes, CONTEXT_ATTRIBUTES);
    assert_int_equal(process_context_decode(&context, payload, size - 1), -EINVAL);
    assert_int_equal(context.attributes, CONTEXT_ATTRIBUTES);
    free(payload);
    process_context_free(&context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found_and_read_again),
        cmocka_unit_test(test_other_versions_are_not_read),
        cmocka_unit_test(test_what_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
