// NameLocks: waits until nobody else works on the same snapshot names.
//
// The calls that change a snapshot hold its name alone; a snapshot made on a parent shares the parent's name,
// so that the parent stays while it is copied. All names of a call are taken at once, so that two calls never
// wait for each other. Threads: thread safe.
#ifndef LAYERMARK_DRIVERS_SUPPORT_NAME_LOCKS_H_
#define LAYERMARK_DRIVERS_SUPPORT_NAME_LOCKS_H_

#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace layermark {

class NameLocks {
 public:
  // Held until it is destroyed or released. Move-free: lives on the stack of one call.
  class Hold {
   public:
    // Blocks until each name of `alone` is free and no name of `shared` is held alone. Empty names are left
    // out.
    Hold(NameLocks& locks, const std::vector<std::string>& alone, const std::vector<std::string>& shared);
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;
    ~Hold() { Release(); }
    void Release();

   private:
    NameLocks* locks_;
    std::set<std::string> alone_;
    std::set<std::string> shared_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, int> holders_;  // -1: held alone; otherwise how many share it
};

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_NAME_LOCKS_H_
