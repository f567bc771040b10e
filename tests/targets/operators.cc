// SPDX-License-Identifier: Apache-2.0
// build: -faligned-new -fsized-deallocation -Wno-mismatched-new-delete
// Each form of operator new gives aligned memory, each form of operator delete gives it back; so do the rarer
// forms of free().
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <new>

#include "older_libc.h"

static const size_t size = 64 << 10, rounds = 64, alignment = 256;
static const std::align_val_t aligned = std::align_val_t(alignment);

static void expect(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "not so: %s\n", what);
    exit(1);
}

// What is allocated and given back is not in use afterwards.
template <typename New, typename Delete>
static void pair(const char *what, size_t at_least, New make, Delete give_back)
{
    size_t before = mallinfo2().uordblks;

    for (size_t i = 0; i < rounds; i++) {
        void *block = make();
        expect(block && (uintptr_t)block % at_least == 0, what);
        memset(block, 1, size);
        give_back(block);
    }
    expect(mallinfo2().uordblks < before + size * rounds / 2, what);
}

template <typename Function>
static void by_name(const char *name, void *(*make)(), Function *, void (*call)(Function *, void *))
{
    if (Function *function = (Function *)dlsym(RTLD_DEFAULT, name))
        pair(name, 16, make, [=](void *block) { call(function, block); });
}

int main()
{
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    auto plain = [] { return operator new(size); };
    auto array = [] { return operator new[](size); };
    auto plain_nothrow = [] { return operator new(size, std::nothrow); };
    auto array_nothrow = [] { return operator new[](size, std::nothrow); };
    auto plain_aligned = [] { return operator new(size, aligned); };
    auto array_aligned = [] { return operator new[](size, aligned); };
    auto plain_both = [] { return operator new(size, aligned, std::nothrow); };
    auto array_both = [] { return operator new[](size, aligned, std::nothrow); };

    pair("new, delete", 16, plain, [](void *block) { operator delete(block); });
    pair("new[], delete[]", 16, array, [](void *block) { operator delete[](block); });
    pair("new, sized delete", 16, plain, [](void *block) { operator delete(block, size); });
    pair("new[], sized delete[]", 16, array, [](void *block) { operator delete[](block, size); });
    pair("nothrow", 16, plain_nothrow, [](void *block) { operator delete(block, std::nothrow); });
    pair("nothrow[]", 16, array_nothrow, [](void *block) { operator delete[](block, std::nothrow); });
    pair("aligned", alignment, plain_aligned, [](void *block) { operator delete(block, aligned); });
    pair("aligned[]", alignment, array_aligned, [](void *block) { operator delete[](block, aligned); });
    pair("aligned, sized", alignment, plain_aligned,
         [](void *block) { operator delete(block, size, aligned); });
    pair("aligned[], sized", alignment, array_aligned,
         [](void *block) { operator delete[](block, size, aligned); });
    pair("aligned, nothrow", alignment, plain_both,
         [](void *block) { operator delete(block, aligned, std::nothrow); });
    pair("aligned[], nothrow", alignment, array_both,
         [](void *block) { operator delete[](block, aligned, std::nothrow); });

    auto allocate = []() -> void * { return malloc(size); };
    using Free = void(void *);
    using FreeSized = void(void *, size_t);
    using FreeAligned = void(void *, size_t, size_t);
    by_name<Free>("cfree", allocate, nullptr, [](Free *give_back, void *block) { give_back(block); });
    by_name<FreeSized>("free_sized", allocate, nullptr,
                       [](FreeSized *give_back, void *block) { give_back(block, size); });
    by_name<FreeAligned>(
        "free_aligned_sized", [] { return aligned_alloc(alignment, size); }, nullptr,
        [](FreeAligned *give_back, void *block) { give_back(block, alignment, size); });
    return 0;
}
