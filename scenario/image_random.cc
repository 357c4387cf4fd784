#include "scenario/image_random.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace layermark {
namespace {

// 2^(i/16), in 1/65536.
constexpr std::array<uint64_t, 17> kPowers = {65536,  68438,  71468,  74632,  77936,  81386,
                                              84990,  88752,  92682,  96785,  101070, 105545,
                                              110218, 115098, 120194, 125515, 131072};

// 2^(x/65536) in 1/65536, between the table's points along a straight line.
uint64_t PowerOfTwo(int64_t x) {
  const int64_t whole = x >> 16, fraction = x & 0xffff;
  const auto i = static_cast<size_t>(fraction >> 12);
  const auto part = static_cast<uint64_t>(fraction & 0xfff);
  const uint64_t value = kPowers[i] + (kPowers[i + 1] - kPowers[i]) * part / 4096;
  return whole >= 0 ? value << whole : value >> -whole;
}

constexpr std::string_view kWords[] = {
    "layer ", "mount ",  "inode ",  "server ", "static ", "include ",  "return ", "const ",
    "the ",   "a ",      "of ",     "= ",      "(",       ") ",        "{\n",     "}\n",
    ";\n",    "0x",      "value ",  "size ",   "path ",   "/usr/lib/", "/etc/",   "\n",
    "# ",     "error: ", "import ", "from ",   "size_t ", "int ",      "string ", "option "};

}  // namespace

std::vector<int64_t> ImageRandom::LogNormalSizes(size_t count, int64_t total) {
  // The sum of twelve uniform numbers has variance one: normal enough, and exact.
  std::vector<uint64_t> weights(count);
  uint64_t sum = 0;
  for (uint64_t& weight : weights) {
    int64_t z = -6 * 65536;
    for (int i = 0; i < 12; ++i) z += static_cast<int64_t>(Below(65536));
    weight = PowerOfTwo(z * 5 / 2 + (int64_t{16} << 16));  // 2^16 times 2^(2.5 z): from 2 to 2^31
    sum += weight;
  }
  std::vector<int64_t> sizes(count);
  for (size_t i = 0; i < count; ++i) {
    __extension__ using Wide = unsigned __int128;
    sizes[i] = static_cast<int64_t>(static_cast<Wide>(weights[i]) * static_cast<uint64_t>(total) / sum);
  }
  return sizes;
}

uint64_t ContentStream::Mix() {
  state_ += 0x9e3779b97f4a7c15;
  uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void ContentStream::Append(size_t bytes, std::string* out) {
  const size_t end = out->size() + bytes;
  out->append(rest_);
  while (out->size() < end) {
    uint64_t bits = Mix();
    if (text_) {
      for (int i = 0; i < 12; ++i, bits >>= 5) out->append(kWords[bits & 31]);
    } else {
      char raw[8];
      for (char& byte : raw) {
        byte = static_cast<char>(bits & 0xff);
        bits >>= 8;
      }
      out->append(raw, sizeof(raw));
    }
  }
  // What was made too much is the start of the next piece.
  rest_.assign(*out, end, std::string::npos);
  out->resize(end);
}

}  // namespace layermark
