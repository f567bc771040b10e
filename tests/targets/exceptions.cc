// SPDX-License-Identifier: Apache-2.0
// C++ exceptions pass through operator new, through callbacks of libc and out of busy code, again and again.
#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static volatile size_t huge = (size_t)1 << 60;

static int compare(const void *, const void *)
{
    throw std::runtime_error("from a callback");
}

static int dive(int depth)
{
    std::string text(100 + depth, 'x');
    if (depth == 0)
        throw std::out_of_range(text);
    return dive(depth - 1) + (int)text.size();
}

static void work(int *caught)
{
    for (int i = 0; i < 3000; i++) {
        try {
            dive(i % 30);
        } catch (const std::out_of_range &) {
            ++*caught;
        }
        try {
            int numbers[2] = {2, 1};
            qsort(numbers, 2, sizeof numbers[0], compare);
        } catch (const std::runtime_error &) {
            ++*caught;
        }
        try {
            delete[] new char[huge];
        } catch (const std::bad_alloc &) {
            ++*caught;
        }
        if (new (std::nothrow) char[huge] == nullptr)
            ++*caught;
        operator delete(operator new(1000, std::align_val_t(128)), std::align_val_t(128));
        delete new std::string("short");
    }
}

int main()
{
    int caught[3] = {};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++)
        threads.emplace_back(work, &caught[i]);
    for (auto &thread : threads)
        thread.join();
    for (int count : caught)
        if (count != 12000)
            return 1;
    return 0;
}
