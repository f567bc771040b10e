// SPDX-License-Identifier: Apache-2.0
// server PORT: an HTTP server with one label per endpoint. Without libcprof.so it is the same server.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <cprof/cprof.h>

namespace
{

// /burn: works, and gives half of the work to another thread, which takes the labels along.
std::uint64_t burn(std::uint64_t rounds)
{
    volatile std::uint64_t sum = 1;
    for (std::uint64_t i = 0; i < rounds; i++)
        sum = sum * 33 + i;
    return sum;
}

std::string serve_burn()
{
    const cprof_labels_t labels = cprof_labels_capture();
    std::thread helper([labels] {
        cprof::labels_scope scope(labels);
        burn(10'000'000);
    });
    burn(10'000'000);
    helper.join();
    return "burnt\n";
}

// /allocate: keeps the newest thousand blocks.
std::string serve_allocate()
{
    static std::mutex lock;
    static std::vector<std::string> kept(1000);
    static std::size_t next;

    for (int i = 0; i < 100; i++) {
        std::string block(10'000, 'x');
        std::lock_guard<std::mutex> guard(lock);
        kept[next++ % kept.size()] = std::move(block);
    }
    return "allocated\n";
}

// /wait: for somebody else, as for a database.
std::string serve_wait()
{
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return "waited\n";
}

const std::map<std::string, std::function<std::string()>> endpoints = {
    {"/burn", serve_burn},
    {"/allocate", serve_allocate},
    {"/wait", serve_wait},
};

// The label is the endpoint of the table, never what the client sent: anybody could make any number of values.
std::string answer(const std::string &path)
{
    const auto found = endpoints.find(path);
    cprof::label_scope scope("endpoint", found == endpoints.end() ? "not found" : found->first.c_str());
    const std::string body = found == endpoints.end() ? "not found\n" : found->second();

    return std::string("HTTP/1.1 ") + (found == endpoints.end() ? "404 Not Found" : "200 OK") +
           "\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
}

void write_all(int client, const std::string &text)
{
    std::size_t done = 0;
    ssize_t n;
    while (done < text.size() && (n = send(client, text.data() + done, text.size() - done, MSG_NOSIGNAL)) > 0)
        done += static_cast<std::size_t>(n);
}

// One request a connection.
void serve(int client)
{
    std::string request;
    char part[1024];
    ssize_t n;

    while (request.size() < 16 * sizeof part && request.find("\r\n\r\n") == std::string::npos &&
           (n = recv(client, part, sizeof part, 0)) > 0)
        request.append(part, static_cast<std::size_t>(n));
    const std::size_t start = request.find(' ');
    const std::size_t end = start == std::string::npos ? start : request.find(' ', start + 1);
    if (end != std::string::npos)
        write_all(client, answer(request.substr(start + 1, end - start - 1)));
    close(client);
}

int listen_on(int port)
{
    const int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};

    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, reinterpret_cast<sockaddr *>(&address), sizeof address) || listen(fd, 100)) {
        std::perror("server: cannot listen");
        std::exit(1);
    }
    return fd;
}

} // namespace

int main(int argc, char **argv)
{
    const int listener = listen_on(argc > 1 ? std::atoi(argv[1]) : 8080);
    std::vector<std::thread> workers;

    for (int i = 0; i < 8; i++)
        workers.emplace_back([listener] {
            for (;;) {
                const int client = accept(listener, nullptr, nullptr);
                if (client >= 0)
                    serve(client);
            }
        });
    for (std::thread &worker : workers)
        worker.join();
}
