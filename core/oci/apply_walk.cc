#include "core/oci/apply_walk.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <deque>

namespace layermark {
namespace {

constexpr int kMaxSymlinks = 40;         // as the kernel
constexpr size_t kOpenDescriptors = 64;  // a deep tree must not use up the process's descriptors
constexpr int64_t kNsPerSecond = 1'000'000'000;

timespec ToTimespec(int64_t ns) {
  int64_t seconds = ns / kNsPerSecond, rest = ns % kNsPerSecond;
  if (rest < 0) {
    rest += kNsPerSecond;
    --seconds;
  }
  return {static_cast<time_t>(seconds), static_cast<long>(rest)};
}

// The components of `path` before those already in `rest`.
void Prepend(std::string_view path, std::deque<std::string>* rest) {
  while (!path.empty()) {
    const size_t slash = path.rfind('/');
    const std::string_view part = slash == std::string_view::npos ? path : path.substr(slash + 1);
    if (!part.empty() && part != ".") rest->emplace_front(part);
    path = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  }
}

}  // namespace

std::string JoinPath(std::string_view parent, std::string_view name) {
  std::string path(parent);
  if (!path.empty()) path += '/';
  path += name;
  return path;
}

Status ApplyWalk::Start() {
  Frame root;
  LM_ASSIGN(root.fd, OpenAt(root_fd_, ".", O_PATH | O_DIRECTORY));
  frames_.push_back(std::move(root));
  return Status::Ok();
}

void ApplyWalk::Truncate(size_t size) {
  frames_.resize(std::max<size_t>(size, 1));
  last_valid_ = false;
}

void ApplyWalk::BoundDescriptors() {
  if (frames_.size() > kOpenDescriptors + 1) frames_[frames_.size() - kOpenDescriptors - 1].fd = Fd();
}

Result<ApplyWalk::Frame*> ApplyWalk::Enter(const std::string& path, Missing missing,
                                           int64_t implied_mtime_ns) {
  if (last_valid_ && last_path_ == path) return &frames_.back();
  std::deque<std::string> rest;
  Prepend(path, &rest);
  size_t at = 0;  // index of the frame reached
  int symlinks = 0;
  while (true) {
    // Along the open frames as far as they lead to the same place.
    if (!rest.empty() && rest.front() != ".." && at + 1 < frames_.size() &&
        frames_[at + 1].path == JoinPath(frames_[at].path, rest.front())) {
      ++at;
      rest.pop_front();
      continue;
    }
    if (!rest.empty() && rest.front() == "..") {
      at -= at > 0 ? 1 : 0;
      rest.pop_front();
      continue;
    }
    // A frame whose descriptor was given up is walked to again from the nearest that has one.
    while (!frames_[at].fd.valid()) {
      const std::string& name = frames_[at].path;
      const size_t slash = name.rfind('/');
      rest.push_front(slash == std::string::npos ? name : name.substr(slash + 1));
      --at;
      Truncate(at + 1);
    }
    if (rest.empty()) break;
    Truncate(at + 1);
    Frame* parent = &frames_[at];
    const std::string name = rest.front();
    const std::string child_path = JoinPath(parent->path, name);
    auto opened = OpenAt(parent->fd.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (!opened.ok()) {
      const int error = opened.status().error_number();
      if (error == ENOENT) {
        if (missing == Missing::kStop) return static_cast<Frame*>(nullptr);
        LM_TRY(MakeImplied(parent, name, child_path, implied_mtime_ns));
        continue;  // now it opens
      }
      if (error != ENOTDIR && error != ELOOP) return opened.status();
      auto target = ReadLinkAt(parent->fd.get(), name);
      if (!target.ok()) {
        if (missing == Missing::kStop) return static_cast<Frame*>(nullptr);
        return InvalidArgument(fmt::format("parent {} is not a directory", child_path));
      }
      if (++symlinks > kMaxSymlinks) {
        if (missing == Missing::kStop) return static_cast<Frame*>(nullptr);
        return Status::Errno("resolve", path, ELOOP);
      }
      rest.pop_front();
      if (target->front() == '/') at = 0;
      Prepend(*target, &rest);
      continue;
    }
    rest.pop_front();
    Frame frame;
    frame.path = child_path;
    frame.fd = std::move(opened).value();
    frame.state = Find(child_path);
    frames_.push_back(std::move(frame));
    BoundDescriptors();
    ++at;
  }
  Truncate(at + 1);
  last_path_ = path;
  last_valid_ = true;
  return &frames_.back();
}

Status ApplyWalk::MakeImplied(Frame* parent, const std::string& name, const std::string& path,
                              int64_t mtime_ns) {
  const int fd = parent->fd.get();
  LM_TRY(Touch(parent));
  if (mkdirat(fd, name.c_str(), 0755) != 0) return Status::Errno("mkdir", path);
  if (HasDefaultAcl(parent)) {
    for (const char* acl : {"system.posix_acl_access", "system.posix_acl_default"}) {
      if (GetXattrAt(fd, name, acl).ok()) LM_TRY(RemoveXattrAt(fd, name, acl));
    }
  }
  if (fchownat(fd, name.c_str(), 0, 0, AT_SYMLINK_NOFOLLOW) != 0) return Status::Errno("chown", path);
  if (fchmodat(fd, name.c_str(), 0755, 0) != 0) return Status::Errno("chmod", path);
  DirState& state = states_[path];
  state.set_mtime = true;
  state.mtime_ns = state.implied_mtime_ns = mtime_ns;
  return Created(parent, name, mtime_ns);
}

Result<DirState*> ApplyWalk::Touch(Frame* frame) {
  if (frame->state == nullptr || !frame->state->set_mtime) {
    struct stat st;
    if (fstatat(frame->fd.get(), "", &st, AT_EMPTY_PATH) != 0) return Status::Errno("stat", frame->path);
    DirState& state = states_[frame->path];
    if (!state.set_mtime) {
      state.set_mtime = true;
      state.mtime_ns = st.st_mtim.tv_sec * kNsPerSecond + st.st_mtim.tv_nsec;
    }
    frame->setgid = (st.st_mode & S_ISGID) != 0;
    frame->state = &state;
  }
  return frame->state;
}

Status ApplyWalk::Created(Frame* frame, const std::string& name, int64_t mtime_ns) {
  LM_ASSIGN(DirState * state, Touch(frame));
  state->created.insert(name);
  // Every directory above holds it, too. Most often they know already.
  std::string path = frame->path;
  while (!state->holds) {
    state->holds = true;
    state->implied_mtime_ns = mtime_ns;
    if (path.empty()) break;
    const size_t slash = path.rfind('/');
    path.resize(slash == std::string::npos ? 0 : slash);
    state = &states_[path];
  }
  return Status::Ok();
}

bool ApplyWalk::HasDefaultAcl(Frame* frame) {
  if (!frame->default_acl)
    frame->default_acl = GetXattrAt(frame->fd.get(), ".", "system.posix_acl_default").ok();
  return *frame->default_acl;
}

DirState* ApplyWalk::Find(const std::string& path) {
  const auto it = states_.find(path);
  return it == states_.end() ? nullptr : &it->second;
}

void ApplyWalk::Forget(const std::string& path) {
  for (size_t i = 1; i < frames_.size(); ++i) {
    if (frames_[i].path == path) {
      Truncate(i);
      break;
    }
  }
  states_.erase(path);
  // '0' is the byte after '/': exactly the paths that begin with "path/".
  states_.erase(states_.lower_bound(path + "/"), states_.lower_bound(path + "0"));
  last_valid_ = false;
}

Status ApplyWalk::SetTimes() {
  for (const auto& [path, state] : states_) {
    if (!state.set_mtime) continue;
    const timespec time = ToTimespec(state.mtime_ns);
    const timespec times[2] = {time, time};
    const size_t slash = path.rfind('/');
    const std::string parent = slash == std::string::npos ? "" : path.substr(0, slash);
    const std::string name = path.empty() ? "." : slash == std::string::npos ? path : path.substr(slash + 1);
    LM_ASSIGN(Frame * frame, Enter(parent, Missing::kStop, 0));
    if (frame == nullptr)
      return Internal(fmt::format("directory {} went away during the application", parent));
    if (utimensat(frame->fd.get(), name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) {
      return Status::Errno("set times of", path);
    }
  }
  return Status::Ok();
}

}  // namespace layermark
