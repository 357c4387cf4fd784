// Id-mapped mounts: a bind mount on which files belong to other users than on disk.
#ifndef LAYERMARK_CORE_SYS_ID_MAP_H_
#define LAYERMARK_CORE_SYS_ID_MAP_H_

#include <sys/types.h>

#include <string>

#include "core/result.h"
#include "core/sys/fd.h"

namespace layermark {

// A mapping of users and groups 0 to 65535 to first_id and up, for any number of mounts.
class IdMapping {
 public:
  // Needs CAP_SYS_ADMIN. REQUIRES: no other thread in this process.
  static Result<IdMapping> Create(uid_t first_id);
  // As BindIdMapped, with this mapping. Threads: any.
  Status Bind(const std::string& source, const std::string& target) const;

 private:
  Fd maps_;  // the user namespace that holds them
};

// Mounts the directory `source` at `target`, where its users and groups 0 to 65535 are first_id to first_id +
// 65535. The caller unmounts it. Needs CAP_SYS_ADMIN and Linux 5.12. kInvalidArgument (EINVAL): the file
// system knows no such mounts. REQUIRES: no other thread in this process.
Status BindIdMapped(const std::string& source, const std::string& target, uid_t first_id);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_ID_MAP_H_
