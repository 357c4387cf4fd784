#include "conformance/fuzz/arena.h"

#include <fmt/core.h>
#include <unistd.h>

#include <ctime>

#include "conformance/fuzz/program_text.h"

namespace layermark {
namespace {

// Fields after which the two trees are the same for everything that follows.
bool MayBeIgnored(const Difference& difference) {
  const std::string& f = difference.field;
  return f != "missing" && f != "unexpected" && f != "type" && f != "digest" && f != "size";
}

}  // namespace

std::string Describe(const Mismatch& m) {
  switch (m.kind) {
    case Mismatch::Kind::kOutcome:
      return fmt::format("expected {}\nseen     {}\n", ToString(m.expected), ToString(m.seen));
    case Mismatch::Kind::kTree:
      return Describe(m.tree) + "\n";
    case Mismatch::Kind::kCall:
      return fmt::format("{}: {}\n", m.call, m.message);
  }
  return "";
}

std::string EffectOf(const Difference& difference, const Manifest& expected) {
  const auto found = expected.entries.find(difference.path);
  const bool xattr = difference.field.starts_with("xattr:");
  return fmt::format("{} {}", xattr ? "xattr" : difference.field,
                     found == expected.entries.end() ? "none" : FileTypeName(found->second.type));
}

Result<std::unique_ptr<Arena>> Arena::Open(const InstanceSpec& instance, Backing& backing) {
  std::unique_ptr<Arena> arena(new Arena);
  arena->instance_ = instance;
  arena->backing_ = &backing;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  // The kernel's clock for files is a little behind.
  arena->began_ns_ = (now.tv_sec - 2) * 1'000'000'000;
  LM_ASSIGN(arena->reference_, backing.NewDirectory("reference"));
  return arena;
}

Arena::~Arena() {
  driver_side_.Detach();
  plain_side_.Detach();
}

std::optional<Mismatch> Arena::Failed(const std::string& call, const Status& status, size_t index) const {
  Mismatch mismatch;
  mismatch.kind = Mismatch::Kind::kCall;
  mismatch.step = index;
  mismatch.call = call;
  mismatch.seen.error = status.error_number() != 0 ? status.error_number() : EPROTO;
  mismatch.message = status.ToString();
  return mismatch;
}

Status Arena::LoadReference(const std::vector<Layer>& layers) {
  const std::string path = fmt::format("{}/{}", reference_, ++serial_);
  if (mkdir(path.c_str(), 0755) != 0) return Status::Errno("mkdir", path);
  LM_ASSIGN(reference_fd_, layermark::Open(path, O_RDONLY | O_DIRECTORY));
  for (const Layer& layer : layers) {
    if (Status s = ApplyLayer(layer, reference_fd_.get()); !s.ok()) {
      return InvalidArgument("the layers do not apply to an ordinary directory: " + s.ToString());
    }
  }
  return Status::Ok();
}

Status Arena::RemoveChain() {
  loaded_.clear();
  Status first;
  while (!chain_.empty()) {
    if (Status s = subject_->api().Remove(chain_.back()); !s.ok() && first.ok()) first = s;
    chain_.pop_back();
  }
  return first;
}

std::optional<Mismatch> Arena::LoadDriver(const std::vector<Layer>& layers) {
  // A store that does not let go of its snapshots is left for a fresh one.
  if (subject_ && (!chain_.empty() || loaded_.empty()) && !RemoveChain().ok()) subject_.reset();
  if (!subject_) {
    Result<Subject> opened = Subject::Open(instance_, *backing_);
    if (!opened.ok()) return Failed("open", opened.status(), 0);
    subject_.emplace(std::move(*opened));
  }
  for (const Layer& layer : layers) {
    const std::string name = fmt::format("layer{}", ++serial_);
    const Status s = subject_->CommitLayer(name, chain_.empty() ? "" : chain_.back(), layer);
    if (!s.ok()) {
      (void)RemoveChain();
      subject_.reset();
      return Failed("layer", s, 0);
    }
    chain_.push_back(name);
  }
  permanent_ = chain_.size();
  return std::nullopt;
}

std::optional<Mismatch> Arena::Prepare(size_t index) {
  key_ = fmt::format("key{}", ++serial_);
  Result<std::vector<Mount>> mounts = subject_->api().Prepare(key_, chain_.empty() ? "" : chain_.back());
  if (!mounts.ok()) {
    key_.clear();
    return Failed("prepare", mounts.status(), index);
  }
  Result<MountedSnapshot> mounted = MountedSnapshot::Mount(key_, std::move(*mounts));
  if (!mounted.ok()) return Failed("mount", mounted.status(), index);
  mounted_.emplace(std::move(*mounted));
  driver_side_.Attach(mounted_->root_fd());
  return std::nullopt;
}

Result<std::optional<Mismatch>> Arena::Begin(const std::vector<Layer>& layers) {
  LM_TRY(LoadReference(layers));
  plain_side_.Attach(reference_fd_.get());
  std::string text;
  for (const Layer& layer : layers) {
    text += "layer\n";
    for (const Step& step : layer.steps()) text += LayerStepText(step) + "\n";
  }
  const bool fresh = text != loaded_ || !subject_;
  if (fresh) {
    if (auto mismatch = LoadDriver(layers)) return mismatch;
  }
  if (auto mismatch = Prepare(0)) return mismatch;
  loaded_ = text;
  if (!fresh) return std::optional<Mismatch>();
  return CompareTrees(0);
}

Result<std::optional<Mismatch>> Arena::CompareTrees(size_t index) {
  ManifestOptions what;
  what.holes = false;
  LM_ASSIGN(const Manifest expected, ReadManifest(reference_fd_.get(), what));
  Result<Manifest> seen = ReadManifest(mounted_->root_fd(), what);
  if (!seen.ok()) return Failed("walk", seen.status(), index);
  CompareOptions how;
  how.recent_after_ns = began_ns_;
  how.hole_tolerance_bytes = -1;
  std::vector<Difference> differences = Compare(expected, *seen, how);
  if (ignored_ != nullptr) {
    std::erase_if(differences, [&](const Difference& d) {
      return MayBeIgnored(d) && ignored_->contains(EffectOf(d, expected));
    });
  }
  if (differences.empty()) return std::optional<Mismatch>();
  Mismatch mismatch;
  mismatch.kind = Mismatch::Kind::kTree;
  mismatch.step = index;
  mismatch.tree = std::move(differences);
  // What a signature is made of, kept where the manifests still are.
  std::set<std::string> effects;
  for (const Difference& d : mismatch.tree) effects.insert(EffectOf(d, expected));
  for (const std::string& effect : effects)
    mismatch.seen.seen += (mismatch.seen.seen.empty() ? "" : ", ") + effect;
  return std::optional<Mismatch>(std::move(mismatch));
}

Result<std::optional<Mismatch>> Arena::Session(FuzzOp op, size_t index) {
  driver_side_.Detach();
  plain_side_.Attach(reference_fd_.get());
  if (op == FuzzOp::kRemount) {
    if (Status s = mounted_->Remount(); !s.ok()) return Failed("remount", s, index);
    driver_side_.Attach(mounted_->root_fd());
    return CompareTrees(index);
  }
  if (Status s = mounted_->Unmount(); !s.ok()) return Failed("unmount", s, index);
  mounted_.reset();
  const std::string name = fmt::format("commit{}", ++serial_);
  if (Status s = subject_->api().Commit(name, key_); !s.ok()) return Failed("commit", s, index);
  key_.clear();
  chain_.push_back(name);
  if (auto mismatch = Prepare(index)) return mismatch;
  return CompareTrees(index);
}

Result<std::optional<Mismatch>> Arena::Run(const FuzzStep& step, size_t index, Outcome* expected) {
  *expected = {};
  if (step.op == FuzzOp::kCheck) return CompareTrees(index);
  if (IsMeta(step.op)) return Session(step.op, index);
  Outcome seen = driver_side_.Run(step);
  *expected = plain_side_.Run(step);
  if (seen == *expected) return std::optional<Mismatch>();
  Mismatch mismatch;
  mismatch.step = index;
  mismatch.expected = *expected;
  mismatch.seen = std::move(seen);
  return std::optional<Mismatch>(std::move(mismatch));
}

Status Arena::End() {
  driver_side_.Detach();
  plain_side_.Detach();
  reference_fd_ = Fd();
  LM_TRY(RemoveTree(reference_));
  if (mkdir(reference_.c_str(), 0755) != 0) return Status::Errno("mkdir", reference_);
  bool clean = true;
  if (mounted_) clean = mounted_->Unmount().ok();
  mounted_.reset();
  if (!key_.empty()) clean = subject_->api().Remove(key_).ok() && clean;
  key_.clear();
  while (chain_.size() > permanent_) {
    clean = subject_->api().Remove(chain_.back()).ok() && clean;
    chain_.pop_back();
  }
  // A store that is not what it should be is not used again.
  if (!clean) {
    subject_.reset();
    chain_.clear();
    loaded_.clear();
  }
  return Status::Ok();
}

Status Arena::Discard() {
  LM_TRY(End());
  if (subject_) {
    const Status s = subject_->Discard();
    subject_.reset();
    chain_.clear();
    loaded_.clear();
    LM_TRY(s);
  }
  return RemoveTree(reference_);
}

Result<std::optional<Mismatch>> Arena::RunProgram(const FuzzProgram& program) {
  Result<std::optional<Mismatch>> result = Begin(program.layers);
  for (size_t i = 0; result.ok() && !result->has_value() && i < program.steps.size(); ++i) {
    Outcome expected;
    result = Run(program.steps[i], i, &expected);
  }
  LM_TRY(End());
  return result;
}

}  // namespace layermark
