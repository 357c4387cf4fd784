// Names for the numbers by which the kernel calls its system calls and FUSE requests.
#ifndef LAYERMARK_CORE_SYS_KERNEL_NAMES_H_
#define LAYERMARK_CORE_SYS_KERNEL_NAMES_H_

#include <cstdint>
#include <string>

namespace layermark {

// "openat"; "syscall_999" for a number that neither the headers of the build nor a list of later calls names.
std::string SyscallName(uint64_t number);
// "LOOKUP"; "opcode_99" for a number without a name.
std::string FuseOpcodeName(uint64_t opcode);

}  // namespace layermark

#endif  // LAYERMARK_CORE_SYS_KERNEL_NAMES_H_
