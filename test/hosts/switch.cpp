// A network switch between interfaces of this network namespace, whose links have a delay and can be cut.
//   switch plain IF...          makes the kernel do a network card's work: whole checksums, frames up to the MTU
//   switch run DELAY_US IF...   passes frames on; "cut N" and "repair N" on standard input apply to the N-th interface
// Linux's own `netem` can delay frames as well, but not every kernel has it.
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <sstream>
#include <string>
#include <vector>

using Clock = std::chrono::steady_clock;
using Address = std::array<uint8_t, 6>;

struct Frame {
  Clock::time_point due;
  size_t from;
  std::vector<uint8_t> bytes;
};

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

void makePlain(const char* name) {
  int socket = ::socket(AF_INET, SOCK_DGRAM, 0);
  for (uint32_t command : {ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO}) {
    ethtool_value value{command, 0};
    ifreq request{};
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&value);
    // An error means that the interface never did it.
    ioctl(socket, SIOCETHTOOL, &request);
  }
  close(socket);
}

int openPort(const char* name) {
  int port = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  if (port < 0) fail("socket");
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(name));
  if (address.sll_ifindex == 0 || bind(port, reinterpret_cast<sockaddr*>(&address), sizeof(address)) < 0) fail(name);
  int bytes = 8 << 20;
  setsockopt(port, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
  return port;
}

class Switch {
 public:
  Switch(std::chrono::microseconds delay, const std::vector<const char*>& names) : delay_(delay), isCut_(names.size()) {
    for (const char* name : names) ports_.push_back(openPort(name));
  }

  void run() {
    std::puts("ready");
    std::fflush(stdout);
    for (;;) {
      std::vector<pollfd> waits{{STDIN_FILENO, POLLIN, 0}};
      for (int port : ports_) waits.push_back({port, POLLIN, 0});
      timespec patience = untilDue();
      if (ppoll(waits.data(), waits.size(), queue_.empty() ? nullptr : &patience, nullptr) < 0) fail("ppoll");
      if (waits[0].revents != 0 && !obey()) return;
      for (size_t i = 0; i < ports_.size(); i++)
        if (waits[i + 1].revents & POLLIN) receive(i);
      for (auto now = Clock::now(); !queue_.empty() && queue_.front().due <= now; queue_.pop_front()) pass(queue_.front());
    }
  }

 private:
  timespec untilDue() const {
    if (queue_.empty()) return {};
    auto left = std::chrono::nanoseconds(queue_.front().due - Clock::now()).count();
    return {0, left < 0 ? 0 : left};
  }

  // False at the end of the input.
  bool obey() {
    char text[256];
    ssize_t length = read(STDIN_FILENO, text, sizeof(text) - 1);
    if (length <= 0) return false;
    std::istringstream words(std::string(text, static_cast<size_t>(length)));
    std::string verb;
    size_t index;
    while (words >> verb >> index) {
      isCut_.at(index) = verb == "cut";
      std::printf("%s %zu\n", verb.c_str(), index);
    }
    std::fflush(stdout);
    return true;
  }

  void receive(size_t from) {
    uint8_t bytes[65536];
    for (;;) {
      sockaddr_ll source{};
      socklen_t size = sizeof(source);
      ssize_t length = recvfrom(ports_[from], bytes, sizeof(bytes), MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&source), &size);
      if (length < 0) return;
      if (source.sll_pkttype == PACKET_OUTGOING || isCut_[from] || length < ETH_HLEN) continue;
      Address sender;
      std::memcpy(sender.data(), bytes + 6, sender.size());
      where_[sender] = from;
      queue_.push_back({Clock::now() + delay_, from, std::vector<uint8_t>(bytes, bytes + length)});
    }
  }

  void pass(const Frame& frame) {
    Address receiver;
    std::memcpy(receiver.data(), frame.bytes.data(), receiver.size());
    auto known = where_.find(receiver);
    for (size_t to = 0; to < ports_.size(); to++) {
      if (to == frame.from || isCut_[to] || (known != where_.end() && known->second != to)) continue;
      // A frame that does not fit the queue is lost, as on any network.
      if (send(ports_[to], frame.bytes.data(), frame.bytes.size(), 0) < 0 && errno != ENOBUFS && errno != EAGAIN && errno != ENETDOWN) fail("send");
    }
  }

  const std::chrono::microseconds delay_;
  std::vector<int> ports_;
  std::vector<bool> isCut_;
  std::map<Address, size_t> where_;
  std::deque<Frame> queue_;
};

int main(int argc, char** argv) {
  std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "plain") {
    for (int i = 2; i < argc; i++) makePlain(argv[i]);
  } else if (mode == "run" && argc > 3) {
    Switch(std::chrono::microseconds(std::atol(argv[2])), std::vector<const char*>(argv + 3, argv + argc)).run();
  } else {
    std::fputs("usage: switch plain IF... | switch run DELAY_US IF...\n", stderr);
    return 2;
  }
  return 0;
}
