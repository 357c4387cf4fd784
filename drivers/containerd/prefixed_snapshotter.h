// A part of somebody's snapshotter: the snapshots whose names begin with a prefix, without it.
#ifndef LAYERMARK_DRIVERS_CONTAINERD_PREFIXED_SNAPSHOTTER_H_
#define LAYERMARK_DRIVERS_CONTAINERD_PREFIXED_SNAPSHOTTER_H_

#include <memory>
#include <string>
#include <vector>

#include "drivers/snapshotter.h"

namespace layermark {

// Threads: as the whole. An answer that names what lies outside of the part is kDataLoss, and a breach.
class PrefixedSnapshotter : public Snapshotter {
 public:
  PrefixedSnapshotter(std::string prefix, std::unique_ptr<Snapshotter> whole)
      : prefix_(std::move(prefix)), whole_(std::move(whole)) {}

  Result<Info> Stat(const std::string& key) override;
  Result<Info> Update(const Info& info, const std::vector<std::string>& field_paths) override;
  Result<Usage> GetUsage(const std::string& key) override { return whole_->GetUsage(Outer(key)); }
  Result<std::vector<Mount>> Mounts(const std::string& key) override { return whole_->Mounts(Outer(key)); }
  Result<std::vector<Mount>> Prepare(const std::string& key, const std::string& parent,
                                     const Labels& labels) override {
    return whole_->Prepare(Outer(key), Outer(parent), labels);
  }
  Result<std::vector<Mount>> View(const std::string& key, const std::string& parent,
                                  const Labels& labels) override {
    return whole_->View(Outer(key), Outer(parent), labels);
  }
  Status Commit(const std::string& name, const std::string& key, const Labels& labels,
                const std::optional<std::string>& parent) override;
  Status Remove(const std::string& key) override { return whole_->Remove(Outer(key)); }
  // Filters that ask for names or parents are applied here, since they say them without the prefix; the rest
  // is the whole's to apply.
  Status Walk(const std::function<Status(const Info&)>& callback,
              const std::vector<std::string>& filters) override;
  Status Cleanup() override { return whole_->Cleanup(); }
  Status Close() override { return whole_->Close(); }

 private:
  // "" is no name and stays.
  std::string Outer(const std::string& name) const { return name.empty() ? name : prefix_ + name; }
  Result<Info> Inner(Info info) const;

  const std::string prefix_;
  const std::unique_ptr<Snapshotter> whole_;
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_CONTAINERD_PREFIXED_SNAPSHOTTER_H_
