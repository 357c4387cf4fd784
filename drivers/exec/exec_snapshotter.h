// ExecSnapshotter: the Snapshotter contract said in the exec protocol.
#ifndef LAYERMARK_DRIVERS_EXEC_EXEC_SNAPSHOTTER_H_
#define LAYERMARK_DRIVERS_EXEC_EXEC_SNAPSHOTTER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/exec/program.h"
#include "drivers/snapshotter.h"

namespace layermark {

// Passes every call on and judges nothing: rules and error classes are the program's. Errors: the program's
// own, or a breach of the protocol (program.h). Close does nothing: the program keeps no process between
// calls.
class ExecSnapshotter : public Snapshotter {
 public:
  explicit ExecSnapshotter(std::unique_ptr<ExecProgram> program) : program_(std::move(program)) {}

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
  // The callback runs after the program's answer was read whole, so it may call anything.
  Status Walk(const std::function<Status(const Info&)>& callback,
              const std::vector<std::string>& filters) override;
  Status Cleanup() override;
  Status Close() override { return Status::Ok(); }

 private:
  // The reply where both the call and the program's answer are ok.
  Result<ExecReply> Call(ExecVerb verb, nlohmann::json request);

  std::unique_ptr<ExecProgram> program_;
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_EXEC_EXEC_SNAPSHOTTER_H_
