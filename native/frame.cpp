#include "frame.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstring>

namespace dualpipe {

namespace {

constexpr int64_t kWordBytes = sizeof(int64_t);
// LibTorch aligns tensors to this, and its kernels expect it.
constexpr int64_t kAlignmentBytes = 64;
// In place of a dtype.
constexpr int64_t kAbsent = -1;
// Words that every frame begins with: its size, whether it is only announced, then the fields of Packet.
enum Word {
  kNumBytes, kAnnounced, kKind, kMailboxesBytes, kTextBytes, kNumMailboxes, kMailbox, kNumTensors,
  kLevel, kFromPhase, kLoan, kCardLabelBytes, kFirstPhase, kNumWords = kFirstPhase + kMaxLevels,
};

// Labels differ by a digit or two from message to message; their frames must not differ in size.
int64_t roomOfText(int64_t numBytes) { return (numBytes + 255) / 256 * 256; }

int64_t aligned(int64_t offset) { return (offset + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes; }

class Reader {
 public:
  explicit Reader(const at::Tensor& frame) : bytes_(frame.data_ptr<uint8_t>()), numBytes_(frame.numel()) {}

  int64_t word() {
    int64_t value;
    std::memcpy(&value, take(kWordBytes), kWordBytes);
    return value;
  }
  std::string text(int64_t numBytes) { return std::string(reinterpret_cast<const char*>(take(numBytes)), numBytes); }
  void skip(int64_t numBytes) { take(numBytes); }
  uint8_t* elements(int64_t numBytes) {
    offset_ = aligned(offset_);
    return take(numBytes);
  }

 private:
  uint8_t* take(int64_t numBytes) {
    TORCH_CHECK(numBytes >= 0 && numBytes <= numBytes_ - offset_, "a message of another process ends too early");
    uint8_t* at = bytes_ + offset_;
    offset_ += numBytes;
    return at;
  }

  uint8_t* bytes_;
  int64_t numBytes_;
  int64_t offset_ = 0;
};

struct TensorHead {
  int64_t dtype;
  std::vector<int64_t> sizes;
};

at::Tensor tensorIn(const at::Tensor& frame, Reader& reader, const TensorHead& head) {
  if (head.dtype == kAbsent) return at::Tensor();
  auto options = at::TensorOptions().dtype(static_cast<at::ScalarType>(head.dtype));
  int64_t numBytes = c10::multiply_integers(head.sizes) * static_cast<int64_t>(options.dtype().itemsize());
  uint8_t* elements = reader.elements(numBytes);
  if (numBytes == 0) return at::empty(head.sizes, options);
  return at::from_blob(elements, head.sizes, [frame](void*) {}, options);
}

}  // namespace

at::Tensor emptyFrame(int64_t numBytes) { return at::empty({numBytes}, at::TensorOptions().dtype(at::kByte)); }

at::Tensor packFrame(const Packet& packet) {
  std::vector<int64_t> words(kNumWords);
  words[kKind] = static_cast<int64_t>(packet.kind);
  words[kMailboxesBytes] = static_cast<int64_t>(packet.mailboxes.size());
  // An abort has a reason, and a message a label.
  const std::string& text = packet.kind == PacketKind::Abort ? packet.closing.reason : packet.mail.label;
  words[kTextBytes] = static_cast<int64_t>(text.size());
  words[kLevel] = static_cast<int64_t>(packet.closing.level);
  words[kFromPhase] = packet.closing.fromPhase;
  for (size_t level = 0; level < kMaxLevels; level++) words[kFirstPhase + level] = packet.mail.phases[level];
  words[kNumMailboxes] = packet.numMailboxes;
  words[kMailbox] = packet.mailbox;
  words[kLoan] = packet.loan;
  words[kCardLabelBytes] = static_cast<int64_t>(packet.cardLabel.size());
  words[kNumTensors] = static_cast<int64_t>(packet.mail.message.size());
  std::vector<at::Tensor> contiguous;
  for (const auto& tensor : packet.mail.message) {
    bool isHere = tensor.defined() && tensor.is_cpu();
    words.push_back(isHere ? static_cast<int64_t>(tensor.scalar_type()) : kAbsent);
    words.push_back(isHere ? tensor.dim() : 0);
    if (!isHere) continue;
    words.insert(words.end(), tensor.sizes().begin(), tensor.sizes().end());
    contiguous.push_back(tensor.contiguous());
  }
  int64_t numBytes = static_cast<int64_t>(words.size()) * kWordBytes + words[kMailboxesBytes] + words[kCardLabelBytes] + roomOfText(words[kTextBytes]);
  for (const auto& tensor : contiguous) numBytes = aligned(numBytes) + static_cast<int64_t>(tensor.nbytes());
  words[kNumBytes] = numBytes;

  at::Tensor frame = emptyFrame(numBytes);
  auto* bytes = frame.data_ptr<uint8_t>();
  int64_t offset = 0;
  auto append = [&](const void* source, int64_t size) {
    if (size > 0) std::memcpy(bytes + offset, source, size);
    offset += size;
  };
  append(words.data(), static_cast<int64_t>(words.size()) * kWordBytes);
  append(packet.mailboxes.data(), words[kMailboxesBytes]);
  append(packet.cardLabel.data(), words[kCardLabelBytes]);
  append(text.data(), words[kTextBytes]);
  offset += roomOfText(words[kTextBytes]) - words[kTextBytes];
  for (const auto& tensor : contiguous) {
    offset = aligned(offset);
    append(tensor.data_ptr(), static_cast<int64_t>(tensor.nbytes()));
  }
  return frame;
}

Packet unpackFrame(const at::Tensor& frame) {
  Reader reader(frame);
  int64_t words[kNumWords];
  for (auto& word : words) word = reader.word();
  std::vector<TensorHead> heads;
  for (int64_t i = 0; i < words[kNumTensors]; i++) {
    TensorHead head{reader.word(), {}};
    for (int64_t numDims = reader.word(); numDims > 0; numDims--) head.sizes.push_back(reader.word());
    heads.push_back(std::move(head));
  }
  Packet packet;
  packet.kind = static_cast<PacketKind>(words[kKind]);
  packet.mailboxes = reader.text(words[kMailboxesBytes]);
  packet.cardLabel = reader.text(words[kCardLabelBytes]);
  (packet.kind == PacketKind::Abort ? packet.closing.reason : packet.mail.label) = reader.text(words[kTextBytes]);
  reader.skip(roomOfText(words[kTextBytes]) - words[kTextBytes]);
  packet.closing.level = static_cast<size_t>(words[kLevel]);
  packet.closing.fromPhase = words[kFromPhase];
  TORCH_CHECK(packet.closing.level < kMaxLevels, "a message of another process has no such level");
  for (size_t level = 0; level < kMaxLevels; level++) packet.mail.phases[level] = words[kFirstPhase + level];
  packet.numMailboxes = words[kNumMailboxes];
  packet.mailbox = words[kMailbox];
  packet.loan = words[kLoan];
  for (const auto& head : heads) packet.mail.message.push_back(tensorIn(frame, reader, head));
  return packet;
}

at::Tensor packAnnouncement(int64_t numBytes) {
  int64_t words[] = {numBytes, 1};
  at::Tensor frame = emptyFrame(sizeof(words));
  std::memcpy(frame.data_ptr(), words, sizeof(words));
  return frame;
}

bool isAnnouncement(const at::Tensor& frame) { return frame.data_ptr<uint8_t>()[kAnnounced * kWordBytes] != 0; }

int64_t frameBytes(const at::Tensor& frame) { return Reader(frame).word(); }

}  // namespace dualpipe
