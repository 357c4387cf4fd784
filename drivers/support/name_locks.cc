#include "drivers/support/name_locks.h"

namespace layermark {

NameLocks::Hold::Hold(NameLocks& locks, const std::vector<std::string>& alone,
                      const std::vector<std::string>& shared)
    : locks_(&locks) {
  for (const std::string& name : alone) {
    if (!name.empty()) alone_.insert(name);
  }
  for (const std::string& name : shared) {
    if (!name.empty() && !alone_.contains(name)) shared_.insert(name);
  }
  std::unique_lock<std::mutex> lock(locks_->mutex_);
  locks_->changed_.wait(lock, [&] {
    for (const std::string& name : alone_) {
      if (locks_->holders_.contains(name)) return false;
    }
    for (const std::string& name : shared_) {
      auto holder = locks_->holders_.find(name);
      if (holder != locks_->holders_.end() && holder->second < 0) return false;
    }
    return true;
  });
  for (const std::string& name : alone_) locks_->holders_[name] = -1;
  for (const std::string& name : shared_) ++locks_->holders_[name];
}

void NameLocks::Hold::Release() {
  if (locks_ == nullptr) return;
  {
    std::lock_guard<std::mutex> lock(locks_->mutex_);
    for (const std::string& name : alone_) locks_->holders_.erase(name);
    for (const std::string& name : shared_) {
      if (--locks_->holders_[name] == 0) locks_->holders_.erase(name);
    }
  }
  locks_->changed_.notify_all();
  locks_ = nullptr;
}

}  // namespace layermark
