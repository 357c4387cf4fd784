#include "core/tree/sha256.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "core/tree/manifest.h"

namespace layermark {
namespace {

constexpr size_t kBufferBytes = size_t{256} << 10;

// Looked up once: with OpenSSL 3 the look-up costs more than hashing a small file.
const EVP_MD* Algorithm() {
  static const EVP_MD* algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

void Require(int openssl_result) {
  // SHA-256 on memory fails only where OpenSSL is broken or memory is gone; a wrong digest would be worse.
  if (openssl_result != 1) std::abort();
}

}  // namespace

Sha256Stream::Sha256Stream() : context_(EVP_MD_CTX_new()) {
  Reset();
}

Sha256Stream::~Sha256Stream() {
  EVP_MD_CTX_free(context_);
}

void Sha256Stream::Reset() {
  Require(EVP_DigestInit_ex2(context_, Algorithm(), nullptr));
}

void Sha256Stream::Update(std::string_view data) {
  Require(EVP_DigestUpdate(context_, data.data(), data.size()));
}

std::string Sha256Stream::Finish() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  Require(EVP_DigestFinal_ex(context_, digest, &size));
  constexpr char kHex[] = "0123456789abcdef";
  std::string text = "sha256:";
  text.reserve(text.size() + size_t{size} * 2);
  for (unsigned i = 0; i < size; ++i) {
    text += kHex[digest[i] >> 4];
    text += kHex[digest[i] & 15];
  }
  return text;
}

Result<std::string> Sha256Stream::HashFile(int fd, const std::string& path) {
  if (!buffer_) buffer_ = std::make_unique_for_overwrite<char[]>(kBufferBytes);
  Reset();
  off_t offset = 0;
  while (true) {
    ssize_t n = pread(fd, buffer_.get(), kBufferBytes, offset);
    if (n < 0) {
      if (errno == EINTR) continue;
      return Status::Errno("pread", path);
    }
    if (n == 0) break;
    Update({buffer_.get(), static_cast<size_t>(n)});
    offset += n;
  }
  return Finish();
}

std::string Sha256(std::string_view data) {
  Sha256Stream stream;
  stream.Update(data);
  return stream.Finish();
}

Result<std::string> Sha256File(int fd) {
  Sha256Stream stream;
  return stream.HashFile(fd, "");
}

}  // namespace layermark
