// Echo server on Asio: one io_context that all threads run, and no strands, since each connection has one
// operation in flight. Options, framing and costs are those of the other servers (bench/src/server).
//
// Built by bench/run where Debian's libasio-dev and g++ are installed.

#include <asio.hpp>

#include <sys/prctl.h>
#include <sys/resource.h>

#include <array>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using asio::ip::tcp;

namespace {

constexpr std::size_t buffer_size = 8192;
constexpr int backlog = 4096;
constexpr char hot = 'H';

struct Options {
  std::string address = "127.0.0.1:0";
  unsigned threads = 1;
  std::uint64_t work_us = 0;
  std::uint64_t sleep_us = 0;
  std::uint64_t work_every = 1;
  std::uint64_t message_size = 64;
  bool end_with_parent = false;
};

std::uint64_t thread_time_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(time.tv_nsec);
}

// Where messages begin in a stream, and how many hot ones have begun since the last costly one.
struct Framing {
  std::uint64_t position = 0;
  std::uint64_t hot_messages = 0;

  void charge(const Options &options, const char *bytes, std::size_t count) {
    if (options.work_us == 0 && options.sleep_us == 0) return;
    std::uint64_t next = position == 0 ? 0 : options.message_size - position;
    for (; next < count; next += options.message_size) {
      if (bytes[next] == hot && ++hot_messages >= options.work_every) {
        hot_messages = 0;
        pay(options);
      }
    }
    position = (position + count) % options.message_size;
  }

  // Work is counted on the thread's processor clock: a thread that is preempted does not get it cheaper.
  static void pay(const Options &options) {
    if (options.work_us != 0) {
      const auto end = thread_time_ns() + options.work_us * 1000;
      while (thread_time_ns() < end) {
      }
    }
    if (options.sleep_us != 0) std::this_thread::sleep_for(std::chrono::microseconds(options.sleep_us));
  }
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(tcp::socket socket, const Options &options) : socket_(std::move(socket)), options_(options) {}

  void read() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](std::error_code error, std::size_t count) {
                              if (error) return;
                              self->framing_.charge(self->options_, self->buffer_.data(), count);
                              self->write(count);
                            });
  }

 private:
  void write(std::size_t count) {
    asio::async_write(socket_, asio::buffer(buffer_, count),
                      [self = shared_from_this()](std::error_code error, std::size_t) {
                        if (!error) self->read();
                      });
  }

  tcp::socket socket_;
  const Options &options_;
  Framing framing_;
  std::array<char, buffer_size> buffer_;
};

void accept(tcp::acceptor &acceptor, const Options &options) {
  acceptor.async_accept([&](std::error_code error, tcp::socket socket) {
    if (!error) {
      std::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      std::make_shared<Connection>(std::move(socket), options)->read();
    } else {
      std::cerr << "error: cannot accept a connection: " << error.message() << std::endl;
    }
    accept(acceptor, options);
  });
}

[[noreturn]] void refuse(std::string_view what) {
  std::cerr << "error: " << what << std::endl;
  std::exit(2);
}

template <typename Number>
Number number(std::string_view text) {
  Number value{};
  const auto end = text.data() + text.size();
  if (std::from_chars(text.data(), end, value).ptr != end || text.empty()) refuse("give a number");
  return value;
}

Options parse(int count, char **words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string_view name = words[i];
    if (name == "--end-with-parent") {
      options.end_with_parent = true;
      continue;
    }
    if (i + 1 == count) refuse("an option is unknown or lacks its value");
    const std::string_view value = words[++i];
    if (name == "--addr") options.address = value;
    else if (name == "--threads") options.threads = number<unsigned>(value);
    else if (name == "--work-us") options.work_us = number<std::uint64_t>(value);
    else if (name == "--sleep-us") options.sleep_us = number<std::uint64_t>(value);
    else if (name == "--work-every") options.work_every = number<std::uint64_t>(value);
    else if (name == "--msg-size") options.message_size = number<std::uint64_t>(value);
    else refuse("an option is unknown or lacks its value");
  }
  if (options.threads == 0 || options.work_every == 0 || options.message_size == 0) refuse("give at least 1");
  return options;
}

}  // namespace

int main(int count, char **words) {
  const Options options = parse(count, words);
  const auto colon = options.address.rfind(':');
  if (colon == std::string::npos) refuse("give an address as 127.0.0.1:0");
  rlimit descriptors{};
  if (getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
    descriptors.rlim_cur = descriptors.rlim_max;
    setrlimit(RLIMIT_NOFILE, &descriptors);
  }
  if (options.end_with_parent) prctl(PR_SET_PDEATHSIG, SIGTERM);
  try {
    asio::io_context context(static_cast<int>(options.threads));
    const auto host = asio::ip::make_address(options.address.substr(0, colon));
    const auto port = number<unsigned short>(std::string_view(options.address).substr(colon + 1));
    const tcp::endpoint endpoint(host, port);
    tcp::acceptor acceptor(context, endpoint.protocol());
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(endpoint);
    acceptor.listen(backlog);
    accept(acceptor, options);
    asio::signal_set ends(context, SIGTERM, SIGINT);
    ends.async_wait([](std::error_code, int) { std::_Exit(0); });
    std::cout << "listening on " << acceptor.local_endpoint() << std::endl;
    std::vector<std::thread> others;
    for (unsigned i = 1; i < options.threads; ++i) others.emplace_back([&] { context.run(); });
    context.run();
  } catch (const std::exception &error) {
    std::cerr << "error: " << error.what() << std::endl;
    return 1;
  }
}
