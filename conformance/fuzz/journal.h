// Journal: what a worker is running, in memory that outlives it, so that a step that hangs or kills is known.
#ifndef LAYERMARK_CONFORMANCE_FUZZ_JOURNAL_H_
#define LAYERMARK_CONFORMANCE_FUZZ_JOURNAL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "conformance/fuzz/program.h"
#include "core/result.h"

namespace layermark {

// One writer (the worker), and a reader (the process that forked it) once the writer is gone.
class Journal {
 public:
  static Result<Journal> Create();

  void Begin(uint64_t index, const std::vector<Layer>& layers);
  void Add(const FuzzStep& step);
  void End();  // nothing is running

  // The text of what was running, "" for nothing; and the index of the last program begun.
  std::string Running() const;
  uint64_t index() const { return page_->index; }
  // How long ago the last step began.
  double IdleSeconds() const;

 private:
  struct Page {
    std::atomic<uint64_t> index;
    std::atomic<size_t> size;
    std::atomic<int64_t> last_ns;
    char text[(size_t{4} << 20)];
  };
  struct Unmap {
    void operator()(Page* page) const;
  };
  Journal() = default;
  void Append(const std::string& text);
  std::unique_ptr<Page, Unmap> page_;
};

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_FUZZ_JOURNAL_H_
