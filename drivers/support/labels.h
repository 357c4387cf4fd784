// Labels of snapshots: what may be stored, and how Update changes them.
#ifndef LAYERMARK_DRIVERS_SUPPORT_LABELS_H_
#define LAYERMARK_DRIVERS_SUPPORT_LABELS_H_

#include <string>
#include <vector>

#include "core/result.h"
#include "drivers/snapshotter.h"

namespace layermark {

// Key and value of one label together; containerd's limit.
inline constexpr size_t kMaxLabelBytes = 4096;

// kInvalidArgument names the key of a label that is too long.
Status CheckLabels(const Labels& labels);
// Without the labels whose value is empty: to set "" is to remove.
Labels StorableLabels(const Labels& labels);
// The labels after Update: `given` under `field_paths` ("labels", "labels.KEY"; none: "labels").
// kInvalidArgument: another field path, or a label that is too long.
Result<Labels> UpdatedLabels(const Labels& old, const Labels& given,
                             const std::vector<std::string>& field_paths);

}  // namespace layermark

#endif  // LAYERMARK_DRIVERS_SUPPORT_LABELS_H_
