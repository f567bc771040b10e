/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cprof for programs that know of it: labels, and the ids of the trace and span that a thread works for. Samples of
 * every profile carry what their thread has at that moment. Nothing here is needed to be profiled.
 *
 * Nothing is to be linked. Without libcprof.so in the process each function does nothing. C89, C++98, any compiler
 * that speaks GNU's dialect; elsewhere than on Linux, x86-64 or AArch64, everything does nothing.
 *
 * Thread-safe and signal-safe; no lock, no allocation, errno untouched. Setting a label that the process has used
 * before takes about 10 ns. What is set is the calling thread's alone: a new thread begins with nothing, a forked child
 * keeps it, exec ends it.
 */
#ifndef CPROF_CPROF_H
#define CPROF_CPROF_H

/* Version of this interface: raised when something is added. Nothing is ever taken away. */
#define CPROF_API_VERSION 2

#if defined(__GNUC__) || defined(__clang__)
#define CPROF_UNUSED __attribute__((unused))
#else
#define CPROF_UNUSED
#define __inline__
#endif

/* The library itself defines CPROF_LIBRARY and gets declarations alone. The names in the object files differ, since
   a function here must not be taken for the library's. */
#ifdef CPROF_LIBRARY
#define CPROF_API __attribute__((visibility("default")))
#define CPROF_HEADERS(name)
#else
#define CPROF_API static __inline__ CPROF_UNUSED
#if defined(__GNUC__) || defined(__clang__)
#define CPROF_HEADERS(name) __asm__("cprof_header_" name)
#else
#define CPROF_HEADERS(name)
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What cprof_labels_capture() returns: the labels and the trace of a moment. A plain value, to be copied and kept for as
   long as the process lives. All zero: no labels and no trace. */
struct cprof_labels {
    unsigned long opaque[5];
};
typedef struct cprof_labels cprof_labels_t;

/* The library's version of this interface; 0: it is not there. */
CPROF_API int cprof_api_version(void) CPROF_HEADERS("api_version");

/* 1 while this process is recorded by an uploader, else 0. */
CPROF_API int cprof_is_profiling(void) CPROF_HEADERS("is_profiling");

/*
 * The calling thread's label `key` becomes `value`. Both are copied. UTF-8; a key has 63 bytes at most, a value 255, and
 * what is longer is cut. A thread has 16 labels at most. A process tells 1500 different sets of labels apart; beyond
 * them a new value is counted under "[other]". 0, or -1: without the library, or key or value is NULL, or key is
 * empty, or there are too many labels.
 */
CPROF_API int cprof_label_set(const char *key, const char *value) CPROF_HEADERS("label_set");

/* Takes the label away. 0 also if there is none; -1: without the library, or key is NULL or empty. */
CPROF_API int cprof_label_clear(const char *key) CPROF_HEADERS("label_clear");

/* What the calling thread has now, and: it has this from now on, instead of what it had. For work that goes on in
   another thread or in a coroutine of this process. */
CPROF_API struct cprof_labels cprof_labels_capture(void) CPROF_HEADERS("labels_capture");
CPROF_API void cprof_labels_apply(struct cprof_labels labels) CPROF_HEADERS("labels_apply");

/* The calling thread works for this span of this trace: ids as in W3C's traceparent, the first byte first. 0, or -1:
   without the library, or an id is NULL or all zero (then the thread has none). */
CPROF_API int cprof_trace_set(const unsigned char trace_id[16], const unsigned char span_id[8])
    CPROF_HEADERS("trace_set");
CPROF_API void cprof_trace_clear(void) CPROF_HEADERS("trace_clear");

#ifndef CPROF_LIBRARY

/* The library's function in `to`; NULL: it is not there. Through the global offset table: a weak symbol's plain
   address is fixed by the linker in programs that are not position independent. */
#if defined(__linux__) && defined(__x86_64__) && !defined(__ILP32__) && defined(__GNUC__)
#define CPROF_FIND(to, name)                                                                                 \
    __asm__(".weak " name "\n\t{movq " name "@GOTPCREL(%%rip), %0|mov %0, QWORD PTR " name "@GOTPCREL[rip]}" \
            : "=r"(to))
#elif defined(__linux__) && defined(__aarch64__) && !defined(__ILP32__) && defined(__GNUC__)
#define CPROF_FIND(to, name)                                                                                 \
    __asm__(".weak " name "\n\tadrp %0, :got:" name "\n\tldr %0, [%0, #:got_lo12:" name "]" : "=r"(to))
#else
#define CPROF_FIND(to, name) ((to) = 0)
#endif

CPROF_API int cprof_api_version(void)
{
    int (*found)(void);
    CPROF_FIND(found, "cprof_api_version");
    return found ? found() : 0;
}

CPROF_API int cprof_is_profiling(void)
{
    int (*found)(void);
    CPROF_FIND(found, "cprof_is_profiling");
    return found ? found() : 0;
}

CPROF_API int cprof_label_set(const char *key, const char *value)
{
    int (*found)(const char *, const char *);
    CPROF_FIND(found, "cprof_label_set");
    return found ? found(key, value) : -1;
}

CPROF_API int cprof_label_clear(const char *key)
{
    int (*found)(const char *);
    CPROF_FIND(found, "cprof_label_clear");
    return found ? found(key) : -1;
}

CPROF_API struct cprof_labels cprof_labels_capture(void)
{
    struct cprof_labels none = {{0, 0, 0, 0, 0}};
    struct cprof_labels (*found)(void);
    CPROF_FIND(found, "cprof_labels_capture");
    return found ? found() : none;
}

CPROF_API void cprof_labels_apply(struct cprof_labels labels)
{
    void (*found)(struct cprof_labels);
    CPROF_FIND(found, "cprof_labels_apply");
    if (found)
        found(labels);
}

CPROF_API int cprof_trace_set(const unsigned char trace_id[16], const unsigned char span_id[8])
{
    int (*found)(const unsigned char *, const unsigned char *);
    CPROF_FIND(found, "cprof_trace_set");
    return found ? found(trace_id, span_id) : -1;
}

CPROF_API void cprof_trace_clear(void)
{
    void (*found)(void);
    CPROF_FIND(found, "cprof_trace_clear");
    if (found)
        found();
}

#define CPROF_IS_PROFILING() cprof_is_profiling()

/*
 * Scopes. At the end of the block the thread has again what it had at its beginning, whatever was set within.
 *
 *     CPROF_LABEL_SCOPE("endpoint", path);
 *     CPROF_TRACE_SCOPE(trace_id, span_id);
 *     CPROF_LABELS_SCOPE(captured);
 *
 * A block that is left by longjmp(), or whose thread ends within, runs no end (pthread_exit() and exceptions do in
 * C++, and in C with -fexceptions). In C++ there are classes, too.
 */
struct cprof_scope {
    struct cprof_labels before;
};

static __inline__ CPROF_UNUSED struct cprof_scope cprof_scope_begin(void)
{
    struct cprof_scope scope;
    scope.before = cprof_labels_capture();
    return scope;
}

static __inline__ CPROF_UNUSED void cprof_scope_end(struct cprof_scope *scope)
{
    cprof_labels_apply(scope->before);
}

#define CPROF_JOIN_(a, b) a##b
#define CPROF_JOIN(a, b)  CPROF_JOIN_(a, b)
#define CPROF_SCOPE_(set)                                                                                    \
    __attribute__((cleanup(cprof_scope_end), unused)) struct cprof_scope CPROF_JOIN(                         \
        cprof_scope_, __COUNTER__) = cprof_scope_begin();                                                    \
    (void)(set)
#define CPROF_LABEL_SCOPE(key, value)        CPROF_SCOPE_(cprof_label_set(key, value))
#define CPROF_TRACE_SCOPE(trace_id, span_id) CPROF_SCOPE_(cprof_trace_set(trace_id, span_id))
#define CPROF_LABELS_SCOPE(labels)           CPROF_SCOPE_((cprof_labels_apply(labels), 0))

#endif

#ifdef __cplusplus
}

#ifndef CPROF_LIBRARY
namespace cprof
{

/* The same as classes, which may also be members. They end in the thread in which they began. */
class scope
{
  public:
    scope() : before(cprof_labels_capture())
    {
    }
    ~scope()
    {
        cprof_labels_apply(before);
    }

  private:
    cprof_labels before;
    scope(const scope &);
    scope &operator=(const scope &);
};

class label_scope : scope
{
  public:
    label_scope(const char *key, const char *value)
    {
        cprof_label_set(key, value);
    }
    /* Of std::string and its like. */
    template <class Text> label_scope(const char *key, const Text &value)
    {
        cprof_label_set(key, value.c_str());
    }
};

class trace_scope : scope
{
  public:
    trace_scope(const unsigned char *trace_id, const unsigned char *span_id)
    {
        cprof_trace_set(trace_id, span_id);
    }
};

class labels_scope : scope
{
  public:
    explicit labels_scope(const cprof_labels &labels)
    {
        cprof_labels_apply(labels);
    }
};

} // namespace cprof
#endif
#endif

#endif
