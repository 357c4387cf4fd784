#include "drivers/breach.h"

#include <mutex>
#include <utility>

namespace layermark {
namespace {

std::mutex& Mutex() {
  static std::mutex mutex;
  return mutex;
}

Status& Noted() {
  static Status noted;
  return noted;
}

}  // namespace

void NoteBreach(const Status& breach) {
  const std::scoped_lock lock(Mutex());
  if (Noted().ok()) Noted() = breach;
}

Status TakeBreach() {
  const std::scoped_lock lock(Mutex());
  return std::exchange(Noted(), Status());
}

}  // namespace layermark
