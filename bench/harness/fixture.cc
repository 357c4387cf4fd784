#include "bench/harness/fixture.h"

#include <fmt/core.h>

#include "core/oci/layer_tar.h"
#include "core/skip_code.h"
#include "core/tree/compare.h"
#include "scenario/model.h"

namespace layermark {

Result<Fixture> Fixture::Open(const WorkloadContext& context) {
  Fixture fixture;
  fixture.context_ = &context;
  LM_ASSIGN(Subject subject, Subject::Open(context.instance->instance, *context.backing));
  fixture.subject_ = std::make_unique<Subject>(std::move(subject));
  LM_ASSIGN(fixture.raw_, context.backing->NewDirectory("raw"));
  return fixture;
}

Result<std::string> Fixture::Unpack(const std::string& suffix) {
  const ImageSource& image = *context_->image;
  std::string parent;
  for (size_t i = 0; i < image.layer_count(); ++i) {
    LM_ASSIGN(Fd tar, image.OpenLayer(i));
    const std::string name = image.chain_id(i) + suffix;
    LM_TRY(subject_->CommitTar(name, parent, tar.get()));
    parent = name;
  }
  return parent;
}

Result<std::string> Fixture::UnpackRaw(const std::string& name) {
  const std::string path = raw_ + "/" + name;
  LM_TRY(MakeDirs(path));
  LM_ASSIGN(Fd root, layermark::Open(path, O_RDONLY | O_DIRECTORY));
  const ImageSource& image = *context_->image;
  for (size_t i = 0; i < image.layer_count(); ++i) {
    LM_ASSIGN(Fd tar, image.OpenLayer(i));
    LM_TRY(ApplyLayerTar(tar.get(), root.get()));
  }
  return path;
}

Result<Manifest> Fixture::ModelOfImage() const {
  ModelTree model;
  const ImageSource& image = *context_->image;
  for (size_t i = 0; i < image.layer_count(); ++i) {
    LM_ASSIGN(Fd tar, image.OpenLayer(i));
    LM_ASSIGN(std::vector<TarListEntry> entries, ListTar(tar.get(), true));
    LM_TRY(model.ApplyTar(entries));
  }
  Manifest manifest = model.ToManifest();
  // A time that nobody stated can be anything: let the comparison see none on either side.
  for (const std::string& path : model.unspecified_mtimes()) {
    const auto it = manifest.entries.find(path);
    if (it != manifest.entries.end()) it->second.mtime_ns = -1;
  }
  return manifest;
}

Status Fixture::SameTree(const Manifest& expected, const Manifest& actual, const std::string& what,
                         const std::vector<std::string>& unspecified_mtimes) {
  Manifest seen = actual;
  for (const auto& [path, entry] : expected.entries) {
    const auto it = seen.entries.find(path);
    // -1: nobody stated it. 0 at the root: no layer did, so it is the time of the directory's making.
    const bool unstated = entry.mtime_ns == -1 || (path.empty() && entry.mtime_ns == 0);
    if (unstated && it != seen.entries.end()) it->second.mtime_ns = entry.mtime_ns;
  }
  for (const std::string& path : unspecified_mtimes) {
    const auto want = expected.entries.find(path);
    const auto it = seen.entries.find(path);
    if (want != expected.entries.end() && it != seen.entries.end())
      it->second.mtime_ns = want->second.mtime_ns;
  }
  const std::vector<Difference> differences = Compare(expected, seen);
  if (differences.empty()) return Status::Ok();
  return WrongAnswer(fmt::format("{}: {}", what, Describe(differences)));
}

Status Fixture::SameContent(const Manifest& expected, const Manifest& actual, const std::string& what) {
  CompareOptions options;
  options.mtimes = false;
  options.root_attributes = false;
  options.hole_tolerance_bytes = -1;
  const std::vector<Difference> differences = Compare(expected, actual, options);
  return differences.empty() ? Status::Ok() : WrongAnswer(fmt::format("{}: {}", what, Describe(differences)));
}

std::optional<Lack> NeedsRoom(const WorkloadContext& context, int64_t needed_bytes) {
  const BackingSpec& there = context.backing->spec();
  if (there.kind == "dir" || needed_bytes <= there.size_bytes) return std::nullopt;
  return Lack{SkipCodeName(SkipCode::budget),
              fmt::format("takes up to {} MiB on the backing, which has {} MiB", needed_bytes >> 20,
                          there.size_bytes >> 20)};
}

Status FixtureWorkload::OpenFixture() {
  LM_ASSIGN(Fixture fixture, Fixture::Open(context_));
  fixture_ = std::make_unique<Fixture>(std::move(fixture));
  return Status::Ok();
}

std::unique_ptr<Side> FixtureWorkload::OnFreshSnapshot(const std::string& parent,
                                                       FunctionSide::Operation operation) {
  return std::make_unique<FunctionSide>(
      std::move(operation),
      [this, parent]() -> Status {
        key_ = NextKey("k");
        LM_ASSIGN(fresh_, fixture().subject().Prepare(key_, parent));
        return Status::Ok();
      },
      [this]() -> Status {
        LM_TRY(fresh_.Unmount());
        return api().Remove(key_);
      });
}

}  // namespace layermark
