// SPDX-License-Identifier: Apache-2.0
// Throws through destructors and catch clauses at several depths, for the seconds given.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <stdexcept>
#include <string>

static volatile unsigned sink;

struct guard {
    std::string text;
    explicit guard(int depth) : text(std::to_string(depth) + " is long enough to be allocated somewhere")
    {
    }
    ~guard()
    {
        sink = sink + static_cast<unsigned>(text.size());
    }
};

__attribute__((noinline)) static int fall(int depth)
{
    guard here(depth);
    if (depth == 0)
        throw std::runtime_error(here.text);
    return fall(depth - 1) + 1;
}

__attribute__((noinline)) static int rethrow(int depth)
{
    try {
        return fall(depth);
    } catch (const std::logic_error &) {
        return 0;
    } catch (const std::exception &) {
        if (depth % 3 == 0)
            throw;
        return depth;
    }
}

int main(int argc, char **argv)
{
    std::time_t end = std::time(nullptr) + (argc > 1 ? std::atoi(argv[1]) : 3);
    std::map<std::string, int> seen;
    while (std::time(nullptr) < end) {
        for (int depth = 0; depth < 40; depth++) {
            try {
                seen[std::to_string(depth)] += rethrow(depth);
            } catch (...) {
                sink = sink + 1;
            }
        }
    }
    std::printf("%u\n", sink % 10 < 10 ? static_cast<unsigned>(seen.size()) : 0);
}
