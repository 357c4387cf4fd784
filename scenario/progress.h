// Progress: what a long run tells its user while it works.
#ifndef LAYERMARK_SCENARIO_PROGRESS_H_
#define LAYERMARK_SCENARIO_PROGRESS_H_

#include <cstddef>
#include <string>

namespace layermark {

// Implemented by the cli: a line with time left on a terminal, quiet lines otherwise. Called from one thread.
class Progress {
 public:
  virtual ~Progress() = default;
  // A phase of `total` units begins ("conformance overlay2 on ext4").
  virtual void Begin(const std::string& phase, size_t total) = 0;
  virtual void Step(const std::string& what) = 0;  // one unit done
  virtual void Note(const std::string& line) = 0;  // something worth a line of its own: a failure, a warning
  virtual void End(const std::string& summary) = 0;
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_PROGRESS_H_
