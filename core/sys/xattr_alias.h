// Extended attributes that are a second view of another one.
#ifndef LAYERMARK_CORE_SYS_XATTR_ALIAS_H_
#define LAYERMARK_CORE_SYS_XATTR_ALIAS_H_

#include <string_view>

namespace layermark {

// XFS lists an ACL to privileged callers twice: as system.posix_acl_* like everybody, and in its own format.
// The second goes wherever the first is set, and means nothing elsewhere.
inline bool IsXattrAlias(std::string_view name) {
  return name == "trusted.SGI_ACL_FILE" || name == "trusted.SGI_ACL_DEFAULT";
}

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_XATTR_ALIAS_H_
