// SPDX-License-Identifier: Apache-2.0
// A thread that waits in functions with objects to destroy, for half a second.
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

static std::mutex mutex;
static std::condition_variable condition;
static bool is_there;

__attribute__((noinline)) static std::string wait_for_order(const std::string &name)
{
    std::unique_lock<std::mutex> lock(mutex);
    std::string order = name + ", and all that goes with it";
    condition.wait(lock, [] { return is_there; });
    return order;
}

__attribute__((noinline)) static void take_order(size_t *length)
{
    std::string name(100, 'x');
    *length = wait_for_order(name).size() + name.size();
}

int main()
{
    size_t length;
    std::thread thread(take_order, &length);

    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    {
        std::lock_guard<std::mutex> lock(mutex);
        is_there = true;
    }
    condition.notify_all();
    thread.join();
    return length < 200;
}
