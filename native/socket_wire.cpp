// A wire of TCP sockets, for a LibTorch that has no Gloo, such as the wheels of PyTorch: one connection for each pair
// of processes.
//
// Each connection has a thread at both ends for each direction. The reader takes what arrives at once, whether it is
// asked for or not, so no message waits behind one that its receiver does not want yet; what was not asked for is kept.
// A send has ended when its bytes are in the system's hands.
//
// A port is open while the processes connect, and anything may connect to it. A process therefore begins with its token
// (process_bridge.h), and a connection that begins with anything else is closed and counts for nothing.
#include <ATen/ops/empty.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "wire.h"

namespace dualpipe {

namespace {

using Clock = std::chrono::steady_clock;

struct FrameHead {
  int64_t tag;
  int64_t numBytes;
};

// The end of a connection, as an error for those who wait for it.
[[noreturn]] void failBy(const char* what) { TORCH_CHECK(false, what, ": ", std::strerror(errno)); }

class Socket {
 public:
  explicit Socket(int number = -1) : number_(number) {}
  Socket(Socket&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Socket() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }
  bool isOpen() const { return number_ >= 0; }

  void write(const void* bytes, size_t numBytes) const {
    auto* next = static_cast<const uint8_t*>(bytes);
    while (numBytes > 0) {
      ssize_t done = ::send(number_, next, numBytes, MSG_NOSIGNAL);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) failBy("the connection is closed");
      next += done;
      numBytes -= static_cast<size_t>(done);
    }
  }

  void read(void* bytes, size_t numBytes) const {
    auto* next = static_cast<uint8_t*>(bytes);
    while (numBytes > 0) {
      ssize_t done = ::recv(number_, next, numBytes, 0);
      if (done < 0 && errno == EINTR) continue;
      TORCH_CHECK(done != 0, "the connection is closed by the other end");
      if (done < 0) failBy("the connection is closed");
      next += done;
      numBytes -= static_cast<size_t>(done);
    }
  }

 private:
  int number_;
};

class SocketTransfer : public Transfer {
 public:
  explicit SocketTransfer(at::Tensor bytes) : bytes(std::move(bytes)) {}

  bool wait(std::chrono::milliseconds timeout) override {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, timeout, [&] { return state_ != State::UnderWay; });
    TORCH_CHECK(state_ != State::Broken, problem_);
    return state_ == State::Done;
  }
  void abort() override { become(State::Aborted, {}); }
  void finish() { become(State::Done, {}); }
  void fail(const std::string& problem) { become(State::Broken, problem); }

  // Kept for as long as a thread may write or read them, also when the transfer was aborted.
  const at::Tensor bytes;

 private:
  enum class State { UnderWay, Done, Aborted, Broken };

  void become(State state, const std::string& problem) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (state_ != State::UnderWay) return;
    state_ = state;
    problem_ = problem;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::UnderWay;
  std::string problem_;
};

using TransferPointer = std::shared_ptr<SocketTransfer>;

// One of the other processes.
class Peer {
 public:
  explicit Peer(Socket socket) : socket_(std::move(socket)) {
    writer_ = std::thread([this] { guarded([this] { writeNext(); }); });
    reader_ = std::thread([this] { guarded([this] { readNext(); }); });
  }

  ~Peer() {
    fail("the connection was ended by this process");
    ::shutdown(socket_.number(), SHUT_RDWR);
    writer_.join();
    reader_.join();
  }

  TransferPointer send(const at::Tensor& bytes, int tag) {
    auto transfer = std::make_shared<SocketTransfer>(bytes);
    std::lock_guard<std::mutex> lock(mutex_);
    if (isBroken_) transfer->fail(problem_);
    else outgoing_.emplace_back(tag, transfer);
    changed_.notify_all();
    return transfer;
  }

  TransferPointer receive(const at::Tensor& bytes, int tag) {
    auto transfer = std::make_shared<SocketTransfer>(bytes);
    std::lock_guard<std::mutex> lock(mutex_);
    Channel& channel = channels_[tag];
    if (!channel.arrived.empty()) {
      at::Tensor frame = std::move(channel.arrived.front());
      channel.arrived.pop_front();
      deliver(frame, *transfer);
    } else if (isBroken_) {
      transfer->fail(problem_);
    } else {
      channel.expected.push_back(transfer);
    }
    return transfer;
  }

 private:
  struct Channel {
    std::deque<TransferPointer> expected;
    // Frames that were not asked for yet.
    std::deque<at::Tensor> arrived;
  };

  static void deliver(const at::Tensor& frame, SocketTransfer& transfer) {
    if (frame.numel() > transfer.bytes.numel()) {
      transfer.fail("a frame of " + std::to_string(frame.numel()) + " bytes came for " + std::to_string(transfer.bytes.numel()));
      return;
    }
    std::memcpy(transfer.bytes.data_ptr(), frame.data_ptr(), static_cast<size_t>(frame.numel()));
    transfer.finish();
  }

  template <typename Step>
  void guarded(Step step) {
    try {
      while (!isBroken_) step();
    } catch (const c10::Error& e) {
      fail(e.what_without_backtrace());
    } catch (const std::exception& e) {
      fail(e.what());
    }
  }

  void writeNext() {
    std::pair<int, TransferPointer> next;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [&] { return isBroken_ || !outgoing_.empty(); });
      if (outgoing_.empty()) return;
      next = std::move(outgoing_.front());
      outgoing_.pop_front();
    }
    const at::Tensor& bytes = next.second->bytes;
    FrameHead head{next.first, bytes.numel()};
    try {
      socket_.write(&head, sizeof(head));
      socket_.write(bytes.data_ptr(), static_cast<size_t>(bytes.numel()));
    } catch (const c10::Error& e) {
      next.second->fail(e.what_without_backtrace());
      throw;
    }
    next.second->finish();
  }

  void readNext() {
    FrameHead head;
    socket_.read(&head, sizeof(head));
    TORCH_CHECK(head.numBytes >= 0, "a frame of another process has ", head.numBytes, " bytes");
    TransferPointer transfer = expectedOn(static_cast<int>(head.tag), head.numBytes);
    if (transfer) {
      try {
        socket_.read(transfer->bytes.data_ptr(), static_cast<size_t>(head.numBytes));
      } catch (const c10::Error& e) {
        transfer->fail(e.what_without_backtrace());
        throw;
      }
      transfer->finish();
      return;
    }
    at::Tensor frame = at::empty({head.numBytes}, at::TensorOptions().dtype(at::kByte));
    socket_.read(frame.data_ptr(), static_cast<size_t>(head.numBytes));
    std::lock_guard<std::mutex> lock(mutex_);
    Channel& channel = channels_[static_cast<int>(head.tag)];
    // Asked for while it arrived.
    if (!channel.expected.empty()) {
      deliver(frame, *channel.expected.front());
      channel.expected.pop_front();
    } else {
      channel.arrived.push_back(std::move(frame));
    }
  }

  TransferPointer expectedOn(int tag, int64_t numBytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    auto& expected = channels_[tag].expected;
    if (expected.empty()) return nullptr;
    TransferPointer transfer = std::move(expected.front());
    expected.pop_front();
    if (numBytes <= transfer->bytes.numel()) return transfer;
    transfer->fail("a frame of " + std::to_string(numBytes) + " bytes came for " + std::to_string(transfer->bytes.numel()));
    return nullptr;
  }

  void fail(const std::string& problem) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (isBroken_) return;
    problem_ = problem;
    isBroken_ = true;
    for (auto& entry : outgoing_) entry.second->fail(problem);
    for (auto& entry : channels_)
      for (auto& transfer : entry.second.expected) transfer->fail(problem);
    changed_.notify_all();
    // Ends the other thread's wait.
    ::shutdown(socket_.number(), SHUT_RDWR);
  }

  const Socket socket_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<int, TransferPointer>> outgoing_;
  std::map<int, Channel> channels_;
  std::atomic<bool> isBroken_{false};
  std::string problem_;
  std::thread writer_, reader_;
};

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Addresses resolve(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  int outcome = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  TORCH_CHECK(outcome == 0, host, " port ", port, " has no address: ", ::gai_strerror(outcome));
  return Addresses(found);
}

void sendAtOnce(const Socket& socket) {
  int on = 1;
  ::setsockopt(socket.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

// At any free port of the address.
Socket listenAt(const std::string& address) {
  Addresses found = resolve(address, "0");
  Socket listener(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener.isOpen() || ::bind(listener.number(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(listener.number(), 128) != 0)
    failBy(("this process cannot listen at " + address).c_str());
  return listener;
}

std::pair<std::string, std::string> nameOf(const Socket& listener) {
  sockaddr_storage name{};
  socklen_t size = sizeof(name);
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (::getsockname(listener.number(), reinterpret_cast<sockaddr*>(&name), &size) != 0) failBy("a socket has no name");
  int outcome = ::getnameinfo(reinterpret_cast<sockaddr*>(&name), size, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
  TORCH_CHECK(outcome == 0, "a socket has no name: ", ::gai_strerror(outcome));
  return {host, port};
}

std::string keyOf(int process) { return "sockets/" + std::to_string(process); }

// The first bytes that the process of the higher number sends over a connection.
std::string greeting(int process, const std::string& token) {
  std::string text = std::to_string(process) + " " + token;
  return text;
}

class SocketWire : public Wire {
 public:
  SocketWire(const WireOptions& options, const StorePointer& store) : options_(options), deadline_(Clock::now() + options.connectTimeout) {
    std::map<int, Socket> sockets;
    Socket listener = listenAt(options.address);
    auto [host, port] = nameOf(listener);
    std::string name = host + " " + port;
    store->set(keyOf(options.process), std::vector<uint8_t>(name.begin(), name.end()));
    for (int process = 0; process < options.process; process++) sockets[process] = connectTo(process, store);
    accept(listener, sockets);
    for (auto& [process, socket] : sockets) peers_[process] = std::make_unique<Peer>(std::move(socket));
  }

  std::shared_ptr<Transfer> send(const at::Tensor& bytes, int process, int tag) override { return peers_.at(process)->send(bytes, tag); }
  std::shared_ptr<Transfer> receive(const at::Tensor& bytes, int process, int tag) override { return peers_.at(process)->receive(bytes, tag); }

 private:
  Socket connectTo(int process, const StorePointer& store) const {
    auto value = store->get(keyOf(process));
    std::string name(value.begin(), value.end());
    auto space = name.find(' ');
    TORCH_CHECK(space != std::string::npos, "process ", process, " gave no address");
    Addresses found = resolve(name.substr(0, space), name.substr(space + 1));
    Socket socket(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    timeval timeout{};
    timeout.tv_sec = std::max<long>(1, static_cast<long>(options_.connectTimeout.count() / 1000));
    ::setsockopt(socket.number(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (!socket.isOpen() || ::connect(socket.number(), found->ai_addr, found->ai_addrlen) != 0)
      failBy(("process " + std::to_string(process) + " cannot be reached at " + name).c_str());
    timeout.tv_sec = 0;
    ::setsockopt(socket.number(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    sendAtOnce(socket);
    std::string text = greeting(options_.process, options_.ownTokens.at(static_cast<size_t>(process)));
    socket.write(text.data(), text.size());
    return socket;
  }

  // Takes the connections of the processes with higher numbers, each once it has greeted.
  void accept(const Socket& listener, std::map<int, Socket>& sockets) const {
    std::vector<Arrival> arrivals;
    while (sockets.size() + 1 < static_cast<size_t>(options_.numProcesses)) {
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count();
      TORCH_CHECK(left > 0, "process ", firstMissing(sockets), " did not connect within ", options_.connectTimeout.count(), " ms");
      std::vector<pollfd> polled{{listener.number(), POLLIN, 0}};
      for (const auto& arrival : arrivals) polled.push_back({arrival.socket.number(), POLLIN, 0});
      if (::poll(polled.data(), polled.size(), static_cast<int>(std::min<int64_t>(left, 1000))) < 0 && errno != EINTR) failBy("waiting for processes");
      for (size_t i = arrivals.size(); i-- > 0;) {
        if ((polled[i + 1].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
        int process = arrivals[i].hear(options_);
        if (process == Arrival::kUnknown) continue;
        if (process != Arrival::kStranger && sockets.count(process) == 0) sockets[process] = std::move(arrivals[i].socket);
        arrivals.erase(arrivals.begin() + static_cast<ptrdiff_t>(i));
      }
      if (polled[0].revents & POLLIN) {
        Socket socket(::accept4(listener.number(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!socket.isOpen()) continue;
        sendAtOnce(socket);
        arrivals.push_back(Arrival{std::move(socket), {}});
      }
    }
  }

  // A connection that has not greeted yet.
  struct Arrival {
    static constexpr int kUnknown = -1, kStranger = -2;
    Socket socket;
    std::string heard;

    // The process that it is of, once all of its greeting is here.
    int hear(const WireOptions& options) {
      size_t longest = 0;
      for (int process = options.process + 1; process < options.numProcesses; process++)
        longest = std::max(longest, greeting(process, options.theirTokens.at(static_cast<size_t>(process))).size());
      // Byte by byte, because the first frame may follow at once.
      for (;;) {
        char byte;
        ssize_t done = ::recv(socket.number(), &byte, 1, MSG_DONTWAIT);
        if (done < 0 && (errno == EAGAIN || errno == EINTR)) return kUnknown;
        if (done <= 0) return kStranger;
        heard.push_back(byte);
        for (int process = options.process + 1; process < options.numProcesses; process++)
          if (heard == greeting(process, options.theirTokens.at(static_cast<size_t>(process)))) return process;
        if (heard.size() >= longest) return kStranger;
      }
    }
  };

  int firstMissing(const std::map<int, Socket>& sockets) const {
    int process = 0;
    while (process == options_.process || sockets.count(process) > 0) process++;
    return process;
  }

  const WireOptions options_;
  const Clock::time_point deadline_;
  std::map<int, std::unique_ptr<Peer>> peers_;
};

}  // namespace

std::unique_ptr<Wire> connectSockets(const WireOptions& options, const StorePointer& store) {
  return std::make_unique<SocketWire>(options, store);
}

}  // namespace dualpipe
