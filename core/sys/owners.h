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

// For a call that names owners in another way, such as an access list. `whom`: in words.
void NoteUnmappedOwner(const std::string& whom);

// Whether a map as /proc/PID/uid_map shows it ("inside outside count" a line) has `id` inside. (uid_t)-1,
// which leaves an owner as it is, counts as mapped.
bool MapHolds(std::string_view map, uid_t id);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_OWNERS_H_
