// SHA-256 as a stream, set up once and used for many files.
#ifndef LAYERMARK_CORE_TREE_SHA256_H_
#define LAYERMARK_CORE_TREE_SHA256_H_

#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"

struct evp_md_ctx_st;

namespace layermark {

// Threads: one at a time per object. Cost: the algorithm is looked up once per process.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;

  void Reset();
  void Update(std::string_view data);
  // "sha256:<hex>" of what came since Reset().
  std::string Finish();
  // Reset, the file's bytes from offset 0 to its end, Finish. `path` is for the message.
  Result<std::string> HashFile(int fd, const std::string& path);

 private:
  evp_md_ctx_st* context_;
  std::unique_ptr<char[]> buffer_;  // made when the first file is hashed
};

}  // namespace layermark

#endif  // LAYERMARK_CORE_TREE_SHA256_H_
