/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions by which jemalloc, mimalloc and tcmalloc are called past malloc(), with what their arguments are.
 * One wrapper for each is made from it.
 *
 * X(name, shape, ...): the numbers are those of arguments, from 0 on. SIZE(i) is a size, PRODUCT(i) the product of
 * that argument and the next one.
 *  - GIVES, size: a new block.
 *  - STORES, size: as posix_memalign().
 *  - COPIES, string: a new string.
 *  - RESIZES, block, size: as realloc(). REPLACES: the old block is freed also if there is no new one.
 *  - EXTENDS, block, size: in place, if it can be.
 *  - TAKES, block: as free().
 */
#ifndef CPROF_HOOKS_DIRECT_H
#define CPROF_HOOKS_DIRECT_H

/* clang-format off */
#define DIRECT_JEMALLOC(X, p) \
    X(p##mallocx, GIVES, SIZE(0)) X(p##rallocx, RESIZES, 0, SIZE(1)) X(p##xallocx, EXTENDS, 0, SIZE(1)) \
    X(p##dallocx, TAKES, 0) X(p##sdallocx, TAKES, 0)
#define DIRECT_PREFIXED(X, p) \
    X(p##malloc, GIVES, SIZE(0)) X(p##calloc, GIVES, PRODUCT(0)) X(p##realloc, RESIZES, 0, SIZE(1)) \
    X(p##free, TAKES, 0) X(p##posix_memalign, STORES, SIZE(2)) X(p##memalign, GIVES, SIZE(1)) \
    X(p##valloc, GIVES, SIZE(0)) X(p##pvalloc, GIVES, SIZE(0)) X(p##aligned_alloc, GIVES, SIZE(1))

#define DIRECT_TCMALLOC(X) \
    DIRECT_PREFIXED(X, tc_) X(tc_cfree, TAKES, 0) X(tc_free_sized, TAKES, 0) \
    X(tc_malloc_skip_new_handler, GIVES, SIZE(0)) \
    X(tc_new, GIVES, SIZE(0)) X(tc_new_nothrow, GIVES, SIZE(0)) \
    X(tc_new_aligned, GIVES, SIZE(0)) X(tc_new_aligned_nothrow, GIVES, SIZE(0)) \
    X(tc_newarray, GIVES, SIZE(0)) X(tc_newarray_nothrow, GIVES, SIZE(0)) \
    X(tc_newarray_aligned, GIVES, SIZE(0)) X(tc_newarray_aligned_nothrow, GIVES, SIZE(0)) \
    X(tc_delete, TAKES, 0) X(tc_delete_nothrow, TAKES, 0) X(tc_delete_sized, TAKES, 0) \
    X(tc_delete_aligned, TAKES, 0) X(tc_delete_aligned_nothrow, TAKES, 0) X(tc_delete_sized_aligned, TAKES, 0) \
    X(tc_deletearray, TAKES, 0) X(tc_deletearray_nothrow, TAKES, 0) X(tc_deletearray_sized, TAKES, 0) \
    X(tc_deletearray_aligned, TAKES, 0) X(tc_deletearray_aligned_nothrow, TAKES, 0) \
    X(tc_deletearray_sized_aligned, TAKES, 0)

#define DIRECT_MIMALLOC(X) \
    DIRECT_PREFIXED(X, mi_) X(mi_cfree, TAKES, 0) X(mi_free_size, TAKES, 0) X(mi_free_aligned, TAKES, 0) \
    X(mi_free_size_aligned, TAKES, 0) \
    X(mi_zalloc, GIVES, SIZE(0)) X(mi_malloc_small, GIVES, SIZE(0)) X(mi_zalloc_small, GIVES, SIZE(0)) \
    X(mi_malloc_aligned, GIVES, SIZE(0)) X(mi_malloc_aligned_at, GIVES, SIZE(0)) \
    X(mi_zalloc_aligned, GIVES, SIZE(0)) X(mi_zalloc_aligned_at, GIVES, SIZE(0)) \
    X(mi_new, GIVES, SIZE(0)) X(mi_new_nothrow, GIVES, SIZE(0)) \
    X(mi_new_aligned, GIVES, SIZE(0)) X(mi_new_aligned_nothrow, GIVES, SIZE(0)) \
    X(mi_mallocn, GIVES, PRODUCT(0)) X(mi_new_n, GIVES, PRODUCT(0)) \
    X(mi_calloc_aligned, GIVES, PRODUCT(0)) X(mi_calloc_aligned_at, GIVES, PRODUCT(0)) \
    X(mi_strdup, COPIES, 0) X(mi_strndup, COPIES, 0) \
    X(mi_expand, EXTENDS, 0, SIZE(1)) X(mi_reallocf, REPLACES, 0, SIZE(1)) \
    X(mi_rezalloc, RESIZES, 0, SIZE(1)) X(mi_new_realloc, RESIZES, 0, SIZE(1)) \
    X(mi_realloc_aligned, RESIZES, 0, SIZE(1)) X(mi_realloc_aligned_at, RESIZES, 0, SIZE(1)) \
    X(mi_rezalloc_aligned, RESIZES, 0, SIZE(1)) X(mi_rezalloc_aligned_at, RESIZES, 0, SIZE(1)) \
    X(mi_reallocn, RESIZES, 0, PRODUCT(1)) X(mi_reallocarray, RESIZES, 0, PRODUCT(1)) \
    X(mi_recalloc, RESIZES, 0, PRODUCT(1)) X(mi_new_reallocn, RESIZES, 0, PRODUCT(1)) \
    X(mi_recalloc_aligned, RESIZES, 0, PRODUCT(1)) X(mi_recalloc_aligned_at, RESIZES, 0, PRODUCT(1)) \
    X(mi_heap_malloc, GIVES, SIZE(1)) X(mi_heap_zalloc, GIVES, SIZE(1)) X(mi_heap_malloc_small, GIVES, SIZE(1)) \
    X(mi_heap_malloc_aligned, GIVES, SIZE(1)) X(mi_heap_malloc_aligned_at, GIVES, SIZE(1)) \
    X(mi_heap_zalloc_aligned, GIVES, SIZE(1)) X(mi_heap_zalloc_aligned_at, GIVES, SIZE(1)) \
    X(mi_heap_alloc_new, GIVES, SIZE(1)) X(mi_heap_alloc_new_n, GIVES, PRODUCT(1)) \
    X(mi_heap_calloc, GIVES, PRODUCT(1)) X(mi_heap_mallocn, GIVES, PRODUCT(1)) \
    X(mi_heap_calloc_aligned, GIVES, PRODUCT(1)) X(mi_heap_calloc_aligned_at, GIVES, PRODUCT(1)) \
    X(mi_heap_strdup, COPIES, 1) X(mi_heap_strndup, COPIES, 1) \
    X(mi_heap_realloc, RESIZES, 1, SIZE(2)) X(mi_heap_rezalloc, RESIZES, 1, SIZE(2)) \
    X(mi_heap_reallocf, REPLACES, 1, SIZE(2)) \
    X(mi_heap_realloc_aligned, RESIZES, 1, SIZE(2)) X(mi_heap_realloc_aligned_at, RESIZES, 1, SIZE(2)) \
    X(mi_heap_rezalloc_aligned, RESIZES, 1, SIZE(2)) X(mi_heap_rezalloc_aligned_at, RESIZES, 1, SIZE(2)) \
    X(mi_heap_reallocn, RESIZES, 1, PRODUCT(2)) X(mi_heap_recalloc, RESIZES, 1, PRODUCT(2)) \
    X(mi_heap_recalloc_aligned, RESIZES, 1, PRODUCT(2)) X(mi_heap_recalloc_aligned_at, RESIZES, 1, PRODUCT(2))

#define DIRECT(X) \
    DIRECT_JEMALLOC(X, ) DIRECT_JEMALLOC(X, je_) DIRECT_PREFIXED(X, je_) DIRECT_TCMALLOC(X) DIRECT_MIMALLOC(X)
/* clang-format on */

#endif
