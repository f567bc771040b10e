// SPDX-License-Identifier: Apache-2.0
// C++: templates, namespaces, lambdas, exceptions through sampled code, and operator new. Argument: seconds.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace shop
{
template <typename T> class basket
{
  public:
    __attribute__((noinline)) uint64_t total(T rounds)
    {
        uint64_t x = 1;
        for (T i = 0; i < rounds; i++)
            x = x * 6364136223846793005u + i;
        return x;
    }
};

__attribute__((noinline)) uint64_t checkout(int depth)
{
    if (depth > 0)
        return checkout(depth - 1) + 1;
    std::vector<std::unique_ptr<std::string>> shelf;
    for (int i = 0; i < 100; i++)
        shelf.push_back(std::make_unique<std::string>(200, 'x'));
    basket<int> b;
    uint64_t x = b.total(200000);
    if (x % 2 == 0 || shelf.size() == 100)
        throw std::runtime_error("sold out");
    return x;
}
} // namespace shop

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    int caught = 0;
    while ((double)clock() / CLOCKS_PER_SEC < seconds) {
        try {
            shop::checkout(5);
        } catch (const std::runtime_error &) {
            caught++;
        }
    }
    printf("%s\n", caught > 0 ? "caught" : "nothing");
    return caught == 0;
}
