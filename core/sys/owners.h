// Owners: giving a file to a user and a group, inside a user namespace too.
//
// There only the ids that the namespace maps exist, and the kernel refuses any other with EINVAL. That says
// nothing about a file system or a driver, so it is noted, and a harness that gets a failure asks for the
// note.
//
// The note belongs to the process. Threads: any.
#ifndef LAYERMARK_CORE_SYS_OWNERS_H_
#define LAYERMARK_CORE_SYS_OWNERS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace layermark {

// As fchownat(2) and fchown(2).
int ChownAt(int directory_fd, const char* path, uid_t uid, gid_t gid, int flags);
int ChownFd(int fd, uid_t uid, gid_t gid);

// The first owner since the last call that this user namespace does not map, such as "1000:70000"; it is
// forgotten.
std::optional<std::string> TakeUnmappedOwner();

// For what names owners in other ways: notes them where they are not mapped, and answers whether they are.
bool OwnerIsMapped(uid_t uid, gid_t gid);
// `list`: the value of a system.posix_acl_* attribute.
bool OwnersOfAccessListAreMapped(std::string_view list);

// Whether a map as /proc/PID/uid_map shows it ("inside outside count" a line) has `id` inside. (uid_t)-1,
// which leaves an owner as it is, counts as mapped.
bool MapHolds(std::string_view map, uid_t id);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_OWNERS_H_
