// The bytes of programs/*.c, taken in by the assembler, handed out as sealed memory files.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "scenario/launcher.h"

#define LAYERMARK_INCLUDE_BYTES(symbol, file) \
  __asm__(                                    \
      ".pushsection .rodata\n"                \
      ".balign 16\n"                          \
      ".globl " #symbol "\n" #symbol          \
      ":\n"                                   \
      ".incbin \"" file                       \
      "\"\n"                                  \
      ".globl " #symbol "_end\n" #symbol      \
      "_end:\n"                               \
      ".byte 0\n"                             \
      ".popsection\n");                       \
  extern "C" const char symbol[], symbol##_end[]

LAYERMARK_INCLUDE_BYTES(layermark_true_program, LAYERMARK_TRUE_FILE);
LAYERMARK_INCLUDE_BYTES(layermark_probe_program, LAYERMARK_PROBE_FILE);

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace layermark {
namespace {

Result<Fd> ProgramFile(const char* name, std::string_view bytes) {
  int raw = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  if (raw < 0 && errno == EINVAL)
    raw = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);  // before Linux 6.3
  if (raw < 0) return Status::Errno("memfd_create", name);
  Fd fd(raw);
  LM_TRY(WriteAll(raw, bytes));
  if (fchmod(raw, 0755) != 0) return Status::Errno("fchmod", name);
  if (fcntl(raw, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return Status::Errno("F_ADD_SEALS", name);
  }
  // A file that is open for writing cannot be executed (ETXTBSY): hand out a descriptor for reading only.
  return Open("/proc/self/fd/" + std::to_string(raw), O_RDONLY);
}

}  // namespace

Result<Fd> StaticTrueProgram() {
  return ProgramFile("layermark-true", {layermark_true_program, layermark_true_program_end});
}

Result<Fd> StaticProbeProgram() {
  return ProgramFile("layermark-probe", {layermark_probe_program, layermark_probe_program_end});
}

}  // namespace layermark
