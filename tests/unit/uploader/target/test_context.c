/* SPDX-License-Identifier: Apache-2.0 */
/* Labels and traces out of a segment that may say anything, and of this process's own thread-local variable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "sampler/base/arch.h"
#include "uploader/otel/thread_record.h"
#include "uploader/process/owner.h"
#include "uploader/target/context.h"

struct fixture {
    struct segment *segment;
    struct programs programs;
    struct target target;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->segment = mmap(NULL, sizeof *f->segment, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    programs_init(&f->programs, symbols_new("", 1 << 20));
    f->target.segment = f->segment;
    f->target.programs = &f->programs;
    f->target.program = programs_get(&f->programs, "test", "", "");
    *state = f;
    return f->segment == MAP_FAILED;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    struct symbols *symbols = f->programs.symbols;

    target_forget_labels(&f->target);
    programs_free(&f->programs);
    symbols_free(symbols);
    munmap(f->segment, sizeof *f->segment);
    free(f);
    return 0;
}

/* The text has its NULs as '|'. */
static void put_set(struct fixture *f, uint32_t set, uint32_t offset, const char *text)
{
    for (size_t i = 0; text[i]; i++)
        f->segment->label_text[offset + i] = text[i] == '|' ? 0 : text[i];
    f->segment->label_set[set].offset = offset;
    f->segment->label_set[set].size = (uint32_t)strlen(text);
    f->segment->label_set[set].ready = 1;
}

static const char *text_of(struct fixture *f, uint32_t set)
{
    static char text[1024];
    return profile_labels_text(target_labels(&f->target, set), text, sizeof text);
}

static void test_labels(void **state)
{
    struct fixture *f = *state;

    f->target.context.thread_keys = 2;
    f->target.context.thread_key[1] = "http.route";
    put_set(f, 2, 0, "b|2|a|1|");
    put_set(f, 3, 100, "a|1|b|2|");
    put_set(f, 4, 200, "\00101|/x|\00105|lost|http.route|own|");
    put_set(f, 5, 300, "pid|7|caf\xc3\xa9|\xff\x01|");
    put_set(f, 6, 400, "\00101|/x|");
    put_set(f, 7, 500, "a.b|1|");
    put_set(f, 8, 600, "a_b|1|");
    assert_string_equal(text_of(f, 2), "a=1 b=2");
    assert_ptr_equal(target_labels(&f->target, 2), target_labels(&f->target, 3));
    assert_string_equal(text_of(f, 4), "http.route=own");
    assert_string_equal(text_of(f, 5), "caf\xc3\xa9=?? label_pid=7");
    assert_string_equal(text_of(f, 6), "http.route=/x");
    assert_null(target_labels(&f->target, LABELS_NONE));
    assert_string_equal(target_labels(&f->target, 7)->label[0].plain, "a_b");
    assert_string_equal(target_labels(&f->target, 8)->label[0].plain, "a_b_2");
    assert_int_equal(f->target.program->counts.malformed, 0);
    f->target.context.thread_key[1] = "renamed";
    target_forget_labels(&f->target);
    assert_string_equal(text_of(f, 6), "renamed=/x");
}

static void test_hostile_sets(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint32_t offset, size;
    } wrong[] = {{0, LABEL_SET_BYTES + 1}, {LAYOUT_LABEL_TEXT - 7, 8}, {UINT32_MAX, 8}, {0, UINT32_MAX}};

    for (uint32_t i = 0; i < 4; i++) {
        put_set(f, 2 + i, 0, "a|1|");
        f->segment->label_set[2 + i].offset = wrong[i].offset;
        f->segment->label_set[2 + i].size = wrong[i].size;
        assert_null(target_labels(&f->target, 2 + i));
    }
    assert_null(target_labels(&f->target, 9)); /* not entered */
    assert_null(target_labels(&f->target, LAYOUT_LABEL_SETS));
    assert_null(target_labels(&f->target, UINT32_MAX));
    assert_int_equal(f->target.program->counts.malformed, 7);
    memset((void *)f->segment->label_text, 'x', 4096); /* no NUL anywhere */
    put_set(f, 10, 0, "xxxx");
    assert_null(target_labels(&f->target, 10));
    put_set(f, 11, 0, "key|xxxx");
    assert_string_equal(text_of(f, 11), "key=xxxx");
    put_set(f, 12, 0, "|value|");
    assert_null(target_labels(&f->target, 12));
}

static void test_contexts(void **state)
{
    struct fixture *f = *state;
    struct seg_bank *bank = &f->segment->bank[0];
    struct profile_sample sample = {.thread = ""};
    struct profile_trace room;

    put_set(f, 2, 0, "a|1|");
    bank->context[5] = (struct seg_context){1, 1, 2, {{0x0102, 0}, 0x03, 0x04}};
    target_context(&f->target, bank, LAYOUT_LABEL_SETS + 5, &room, &sample);
    assert_string_equal(sample.labels->label[0].key, "a");
    assert_string_equal(sample.trace->trace_text, "02010000000000000000000000000000");
    assert_string_equal(sample.trace->span_text, "0300000000000000");
    assert_string_equal(sample.trace->root_text, "0400000000000000");
    sample = (struct profile_sample){.thread = ""};
    target_context(&f->target, bank, LAYOUT_LABEL_SETS + 6, &room, &sample); /* not entered */
    target_context(&f->target, bank, LAYOUT_LABEL_SETS + LAYOUT_CONTEXTS, &room, &sample);
    target_context(&f->target, bank, 0xfffffff, &room, &sample);
    assert_null(sample.labels);
    assert_null(sample.trace);
    assert_int_equal(f->target.program->counts.malformed, 3);
    bank->context[7] = (struct seg_context){1, 1, UINT32_MAX, {{0, 0}, 0x03, 0}};
    target_context(&f->target, bank, LAYOUT_LABEL_SETS + 7, &room, &sample);
    assert_null(sample.trace);
}

static void test_threads(void **state)
{
    struct fixture *f = *state;
    struct seg_thread *slot = &f->segment->thread[1];
    struct profile_sample sample = {.thread = ""};
    struct profile_trace room;

    put_set(f, 2, 0, "a|1|");
    slot->labels = 2;
    slot->trace[0] = slot->span = 1;
    slot->trace_sequence = 3; /* it is being written */
    target_thread_context(&f->target, slot, &room, &sample);
    assert_non_null(sample.labels);
    assert_null(sample.trace);
    slot->trace_sequence = 4;
    target_thread_context(&f->target, slot, &room, &sample);
    assert_string_equal(sample.trace->span_text, "0100000000000000");
}

/* Of a library in this process, which no test has: the variable is in the test itself. */
extern __thread void *otel_thread_ctx_v1;
__thread void *otel_thread_ctx_v1;

static bool read_own(const void *context, uint64_t address, void *to, size_t size)
{
    (void)context;
    if (address < 4096 || address > UINT64_MAX / 2)
        return false;
    memcpy(to, (const void *)(uintptr_t)address, size);
    return true;
}

static void test_records(void **state)
{
    static struct {
        uint8_t trace[16], span[8], valid, flags;
        uint16_t size;
        uint8_t attributes[612];
    } own = {.trace = {1}, .span = {2}, .size = 12, .attributes = {7, 3, 'a', 'b', 'c', 8, 0, 9, 200, 'x'}};
    const struct module_memory memory = {read_own, NULL, 0};
    const uint64_t thread = arch_thread_pointer();
    const struct thread_variable variable = {0, (int64_t)((uintptr_t)&otel_thread_ctx_v1 - thread)};
    struct thread_record record;
    char value[RECORD_VALUE];
    size_t cursor = 0;
    uint8_t index, id[8];

    (void)state;
    assert_false(thread_record_read(&memory, thread, false, &variable, &record));
    otel_thread_ctx_v1 = &own;
    assert_false(thread_record_read(&memory, thread, false, &variable, &record)); /* not valid */
    own.valid = 1;
    assert_true(thread_record_read(&memory, thread, false, &variable, &record));
    assert_int_equal(record.trace[0], 1);
    assert_true(thread_record_next(&record, &cursor, &index, value));
    assert_int_equal(index, 7);
    assert_string_equal(value, "abc");
    assert_true(thread_record_next(&record, &cursor, &index, value));
    assert_string_equal(value, "");
    assert_false(thread_record_next(&record, &cursor, &index, value)); /* it is not all there */
    own.size = UINT16_MAX;
    assert_true(thread_record_read(&memory, thread, false, &variable, &record));
    assert_int_equal(record.size, RECORD_ATTRIBUTE_BYTES);
    otel_thread_ctx_v1 = (void *)8;
    assert_false(thread_record_read(&memory, thread, false, &variable, &record));
    assert_true(thread_record_id("00112233445566ff", id));
    assert_int_equal(id[7], 0xff);
    assert_false(thread_record_id("00112233445566f", id));
    assert_false(thread_record_id("00112233445566ff0", id));
    assert_false(thread_record_id("00112233445566FF", id));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_labels),  TEST(test_hostile_sets), TEST(test_contexts),
        TEST(test_threads), TEST(test_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
