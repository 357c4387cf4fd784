// POSIX ACLs as the model sees them: the bytes of the xattrs system.posix_acl_access and _default.
#ifndef LAYERMARK_SCENARIO_MODEL_ACL_H_
#define LAYERMARK_SCENARIO_MODEL_ACL_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace layermark {

inline constexpr char kAclAccess[] = "system.posix_acl_access";
inline constexpr char kAclDefault[] = "system.posix_acl_default";

class ModelAcl {
 public:
  // The errors are the kernel's: EINVAL for what is malformed, EOPNOTSUPP for another version.
  static Result<ModelAcl> Parse(std::string_view xattr);
  std::string Encode() const;

  bool empty() const { return entries_.empty(); }
  // True if the nine mode bits say all of it: such an access ACL is not stored.
  bool minimal() const;
  // The nine mode bits that it stands for; the mask is the group's.
  mode_t Mode() const;
  // What chmod does to it.
  void SetMode(mode_t mode);

 private:
  struct Item {
    uint16_t tag;
    uint16_t permissions;
    uint32_t id;
  };
  bool Valid() const;
  bool Has(uint16_t tag) const;

  std::vector<Item> entries_;
};

}  // namespace layermark

#endif  // LAYERMARK_SCENARIO_MODEL_ACL_H_
