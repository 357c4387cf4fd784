#include "conformance/fuzz/arena.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <ctime>

#include "conformance/fuzz/program_text.h"
#include "core/oci/layer_tar.h"

namespace layermark {
namespace {

// "user.a" -> "xattr user"; lists and capabilities by what they are.
std::string XattrEffect(const std::string& name) {
  if (name == "system.posix_acl_access") return "acl";
  if (name == "system.posix_acl_default") return "default_acl";
  if (name == "security.capability") return "capability";
  return "xattr_" + name.substr(0, name.find('.'));
}

// Takes inode flags off everything in a store that does not let itself be removed.
void ClearInodeFlags(const std::string& path) {
  const Result<Fd> fd = layermark::Open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd.ok()) return;
  struct stat st {};
  if (fstat(fd->get(), &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) return;
  int flags = 0;
  if (ioctl(fd->get(), FS_IOC_GETFLAGS, &flags) == 0) {
    flags &= ~(FS_IMMUTABLE_FL | FS_APPEND_FL);
    (void)ioctl(fd->get(), FS_IOC_SETFLAGS, &flags);
  }
  if (!S_ISDIR(st.st_mode)) return;
  const Result<std::vector<std::string>> names = ListDir(fd->get());
  for (size_t i = 0; names.ok() && i < names->size(); ++i) ClearInodeFlags(path + "/" + (*names)[i]);
}

// "_chmod" out of "chmod(a/b): ...": the step of a layer that failed.
std::string FailedStep(const std::string& message) {
  const size_t end = message.find('(');
  const size_t begin = end == std::string::npos ? end : message.find_last_of(' ', end) + 1;
  if (begin >= end || message.find_first_not_of("abcdefghijklmnopqrstuvwxyz_", begin) != end) return "";
  return "_" + message.substr(begin, end - begin);
}

Status RemoveAnyTree(const std::string& path) {
  if (RemoveTree(path).ok()) return Status::Ok();
  ClearInodeFlags(path);
  return RemoveTree(path);
}

}  // namespace

bool IsAttribute(const std::string& f) {
  return f != "missing" && f != "unexpected" && f != "type" && f != "digest" && f != "size" &&
         f != "link_target";
}

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
  return fmt::format("{} {}", xattr ? XattrEffect(difference.field.substr(6)) : difference.field,
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
  taken_as_it_is_ = false;
  for (const Layer& layer : layers) {
    const std::string name = fmt::format("layer{}", ++serial_);
    const Status s = subject_->CommitLayer(name, chain_.empty() ? "" : chain_.back(), layer);
    if (!s.ok()) {
      const std::string root = subject_->root();
      (void)RemoveChain();
      Forget();
      (void)RemoveAnyTree(root);
      return Failed("layer" + FailedStep(s.message()), s, 0);
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
  mounts_ = mounted_->mounts();
  driver_side_.Attach(mounted_->root_fd(), began_ns_);
  return std::nullopt;
}

Result<std::optional<Mismatch>> Arena::Begin(const std::vector<Layer>& layers, bool as_they_are) {
  LM_TRY(LoadReference(layers));
  plain_side_.Attach(reference_fd_.get(), began_ns_);
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
  if (!fresh && as_they_are && taken_as_it_is_) return std::optional<Mismatch>();
  as_it_is_.clear();
  taken_as_it_is_ = false;
  Result<std::optional<Mismatch>> found = CompareTrees(0);
  if (!found.ok()) return found;
  if (found->has_value() && (!as_they_are || (*found)->kind != Mismatch::Kind::kTree)) return found;
  as_it_is_ = differing_;
  taken_as_it_is_ = true;
  return std::optional<Mismatch>();
}

Result<std::optional<Mismatch>> Arena::CompareTrees(size_t index, bool sockets) {
  return CompareWith(mounted_->root_fd(), index, sockets);
}

Result<std::optional<Mismatch>> Arena::CompareWith(int root_fd, size_t index, bool sockets) {
  masked_.clear();
  differing_.clear();
  ManifestOptions what;
  what.holes = false;
  LM_ASSIGN(Manifest expected, ReadManifest(reference_fd_.get(), what));
  Result<Manifest> seen = ReadManifest(root_fd, what);
  if (!seen.ok()) return Failed("walk", seen.status(), index);
  if (!sockets) {  // a tar has none
    const auto is_socket = [](const auto& entry) { return entry.second.type == FileType::kSocket; };
    std::erase_if(expected.entries, is_socket);
    std::erase_if(seen->entries, is_socket);
  }
  CompareOptions how;
  how.recent_after_ns = began_ns_;
  how.hole_tolerance_bytes = -1;
  std::vector<Difference> differences = Compare(expected, *seen, how);
  Mismatch mismatch;
  mismatch.kind = Mismatch::Kind::kTree;
  mismatch.step = index;
  bool parted = false;
  for (Difference& d : differences) {
    const std::string which = d.path + "\n" + d.field;
    differing_.insert(which);
    if (as_it_is_.contains(which)) {
      masked_.insert(d.path);
      continue;
    }
    std::string effect = EffectOf(d, expected);
    if (mask_ && mask_(d, effect)) {
      masked_.insert(d.path);
      parted = parted || !IsAttribute(d.field);
      continue;
    }
    mismatch.tree.push_back(std::move(d));
    mismatch.effects.push_back(std::move(effect));
  }
  mismatch.stale = mismatch.tree.empty();
  if (mismatch.stale && !parted) return std::optional<Mismatch>();
  // What a signature is made of, kept where the manifests still are.
  for (const std::string& effect : std::set<std::string>(mismatch.effects.begin(), mismatch.effects.end())) {
    mismatch.seen.seen += (mismatch.seen.seen.empty() ? "" : ", ") + effect;
  }
  return std::optional<Mismatch>(std::move(mismatch));
}

// The layer as a tar, applied to a new snapshot on the parent. What that shows is compared and thrown away.
Result<std::optional<Mismatch>> Arena::DiffAndApply(const std::string& parent, const std::string& name,
                                                    size_t index) {
  const Fd tar(memfd_create("layer", MFD_CLOEXEC));
  if (!tar.valid()) return Status::Errno("memfd_create", "layer");
  {
    Result<MountedSnapshot> upper = subject_->View(fmt::format("view{}", ++serial_), name);
    if (!upper.ok()) return Failed("view", upper.status(), index);
    std::optional<MountedSnapshot> lower;
    if (!parent.empty()) {
      Result<MountedSnapshot> below = subject_->View(fmt::format("view{}", ++serial_), parent);
      if (!below.ok()) return Failed("view", below.status(), index);
      lower.emplace(std::move(*below));
    }
    const Result<DiffResult> diff = DiffToTar(lower ? lower->root_fd() : -1, upper->root_fd(), tar.get());
    for (MountedSnapshot* view : {&*upper, lower ? &*lower : nullptr}) {
      if (view == nullptr) continue;
      if (Status s = view->Unmount(); !s.ok()) return Failed("unmount", s, index);
      if (Status s = subject_->api().Remove(view->key()); !s.ok()) return Failed("remove", s, index);
    }
    if (!diff.ok()) return Failed("diff", diff.status(), index);
  }
  Result<MountedSnapshot> again = subject_->Prepare(fmt::format("again{}", ++serial_), parent);
  if (!again.ok()) return Failed("prepare", again.status(), index);
  Result<std::optional<Mismatch>> found = std::optional<Mismatch>();
  if (lseek(tar.get(), 0, SEEK_SET) != 0) return Status::Errno("lseek", "layer");
  if (Result<ApplyResult> applied = ApplyLayerTar(tar.get(), again->root_fd()); !applied.ok()) {
    found = Failed("apply", applied.status(), index);
  } else {
    found = CompareWith(again->root_fd(), index, false);
  }
  const std::string key = again->key();
  if (Status s = again->Unmount(); !s.ok()) return Failed("unmount", s, index);
  if (Status s = subject_->api().Remove(key); !s.ok()) return Failed("remove", s, index);
  return found;
}

Result<std::optional<Mismatch>> Arena::Session(FuzzOp op, size_t index) {
  driver_side_.Detach();
  plain_side_.Attach(reference_fd_.get(), began_ns_);
  if (op == FuzzOp::kRemount) {
    if (Status s = mounted_->Remount(); !s.ok()) return Failed("remount", s, index);
    driver_side_.Attach(mounted_->root_fd(), began_ns_);
    return CompareTrees(index);
  }
  if (Status s = mounted_->Unmount(); !s.ok()) return Failed("unmount", s, index);
  mounted_.reset();
  const std::string name = fmt::format("commit{}", ++serial_);
  if (Status s = subject_->api().Commit(name, key_); !s.ok()) return Failed("commit", s, index);
  key_.clear();
  const std::string parent = chain_.empty() ? "" : chain_.back();
  chain_.push_back(name);
  if (op == FuzzOp::kDiff) {
    Result<std::optional<Mismatch>> found = DiffAndApply(parent, name, index);
    if (!found.ok() || found->has_value()) return found;
  }
  if (auto mismatch = Prepare(index)) return mismatch;
  return CompareTrees(index);
}

Result<std::optional<Mismatch>> Arena::Run(const FuzzStep& step, size_t index, Outcome* expected) {
  *expected = {};
  if (step.op == FuzzOp::kCheck) return CompareTrees(index);
  if (IsMeta(step.op)) return Session(step.op, index);
  Outcome seen = driver_side_.Run(step);
  *expected = plain_side_.Run(step);
  DropWhatMayDiffer(expected, &seen);
  if (seen == *expected) return std::optional<Mismatch>();
  Mismatch mismatch;
  mismatch.step = index;
  mismatch.expected = *expected;
  mismatch.seen = std::move(seen);
  return std::optional<Mismatch>(std::move(mismatch));
}

void Arena::Forget() {
  subject_.reset();
  chain_.clear();
  loaded_.clear();
}

Status Arena::End() {
  driver_side_.Detach();
  plain_side_.Detach();
  reference_fd_ = Fd();
  LM_TRY(RemoveAnyTree(reference_));
  if (mkdir(reference_.c_str(), 0755) != 0) return Status::Errno("mkdir", reference_);
  unclean_ = mounted_ ? mounted_->Unmount() : Status::Ok();
  mounted_.reset();
  if (!key_.empty() && unclean_.ok()) unclean_ = subject_->api().Remove(key_);
  key_.clear();
  while (unclean_.ok() && chain_.size() > permanent_) {
    unclean_ = subject_->api().Remove(chain_.back());
    chain_.pop_back();
  }
  // A store that is not what it should be is not used again; what it takes is given back as far as may be.
  if (!unclean_.ok()) {
    const std::string root = subject_ ? subject_->root() : "";
    Forget();
    if (!root.empty()) (void)RemoveAnyTree(root);
  }
  return Status::Ok();
}

Result<std::optional<Mismatch>> Arena::Finish(size_t index) {
  LM_TRY(End());
  if (unclean_.ok()) return std::optional<Mismatch>();
  return Failed("remove", unclean_, index);
}

Status Arena::Discard() {
  LM_TRY(End());
  if (subject_) {
    const std::string root = subject_->root();
    const bool gone = subject_->Discard().ok();
    Forget();
    if (!gone) (void)RemoveAnyTree(root);
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
