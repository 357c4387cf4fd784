// RecordingSnapshotter: passes calls on and writes down code and answer, in a form that two correct drivers
// share (no paths, no times as such, mounts only as present or absent).
#ifndef LAYERMARK_CONFORMANCE_SUPPORT_RECORDING_SNAPSHOTTER_H_
#define LAYERMARK_CONFORMANCE_SUPPORT_RECORDING_SNAPSHOTTER_H_

#include <string>
#include <vector>

#include "drivers/snapshotter.h"

namespace layermark {

class RecordingSnapshotter : public Snapshotter {
 public:
  // `inner` must outlive this.
  explicit RecordingSnapshotter(Snapshotter& inner) : inner_(inner) {}

  const std::vector<std::string>& log() const { return log_; }

  Result<Info> Stat(const std::string& key) override;
  Result<Info> Update(const Info& info, const std::vector<std::string>& field_paths) override;
  Result<Usage> GetUsage(const std::string& key) override;
  Result<std::vector<Mount>> Mounts(const std::string& key) override;
  Result<std::vector<Mount>> Prepare(const std::string& key, const std::string& parent,
                                     const Labels& labels) override;
  Result<std::vector<Mount>> View(const std::string& key, const std::string& parent,
                                  const Labels& labels) override;
  Status Commit(const std::string& name, const std::string& key, const Labels& labels,
                const std::optional<std::string>& parent) override;
  Status Remove(const std::string& key) override;
  Status Walk(const std::function<Status(const Info&)>& callback,
              const std::vector<std::string>& filters) override;
  Status Cleanup() override;
  Status Close() override;

 private:
  Snapshotter& inner_;
  std::vector<std::string> log_;
};

}  // namespace layermark

#endif  // LAYERMARK_CONFORMANCE_SUPPORT_RECORDING_SNAPSHOTTER_H_
