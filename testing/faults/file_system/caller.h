// What is made for a caller has to be the caller's.
#ifndef LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_CALLER_H_
#define LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_CALLER_H_

#include "testing/faults/file_system/fuse_api.h"

namespace layermark::faults {

// While it lives, this thread makes files as the caller of `request` does: with its file-system user, group
// and umask. All capabilities stay but CAP_FSETID: the kernel has checked permissions on the mount, with
// groups that are not known here. REQUIRES: root.
class AsCaller {
 public:
  explicit AsCaller(fuse_req_t request);
  ~AsCaller();
  AsCaller(const AsCaller&) = delete;
  AsCaller& operator=(const AsCaller&) = delete;
};

}  // namespace layermark::faults

#endif  // LAYERMARK_TESTING_FAULTS_FILE_SYSTEM_CALLER_H_
