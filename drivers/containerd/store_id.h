// How a store of ours is called where somebody else keeps it: "layermark-" and 16 hexadecimal digits.
//
// While a process that opened a store lives it holds the store's id as a name of the kernel, so that what an
// ended run left can be told from what a run uses now, also by other processes, and whatever ended it.
#ifndef LAYERMARK_DRIVERS_CONTAINERD_STORE_ID_H_
#define LAYERMARK_DRIVERS_CONTAINERD_STORE_ID_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace layermark {

bool IsStoreId(std::string_view text);
std::string NewStoreId();

// The id that the store below `root` has; nullopt: it has none yet.
Result<std::optional<std::string>> ReadStoreId(const std::string& root);
Status WriteStoreId(const std::string& root, const std::string& id);

// Holds the id until this process ends, or until ReleaseStoreId. Another process may hold it as well: then
// that one does. Threads: any.
Status HoldStoreId(const std::string& id);
void ReleaseStoreId(const std::string& id);
// Calls `body` unless a process holds the id, and holds it meanwhile. False: a process does.
Result<bool> IfNobodyHolds(const std::string& id, const std::function<Status()>& body);

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_CONTAINERD_STORE_ID_H_
