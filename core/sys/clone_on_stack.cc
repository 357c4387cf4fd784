#include "core/sys/clone_on_stack.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include <cerrno>

namespace layermark {
namespace {

#if defined(__x86_64__) || defined(__aarch64__)

// The system call answers in the child on another stack, so that the child may not return from here: what it
// runs is called, and the process ended, before the next line of C++. Answers the pid, or an errno below
// zero.
long RawClone3(const clone_args& args, int (*child)(void*), void* argument) {
#if defined(__x86_64__)
  long answer = SYS_clone3;
  asm volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %[argument], %%rdi\n\t"
      "call *%[child]\n\t"
      "mov %%eax, %%edi\n\t"
      "mov %[exit], %%eax\n\t"
      "syscall\n\t"
      "hlt\n"
      "1:"
      : "+a"(answer)
      : "D"(&args), "S"(sizeof(args)), [child] "r"(child), [argument] "r"(argument), [exit] "i"(SYS_exit)
      : "rcx", "r11", "memory");
  return answer;
#else
  register long number asm("x8") = SYS_clone3;
  register long first asm("x0") = reinterpret_cast<long>(&args);
  register long second asm("x1") = sizeof(args);
  asm volatile(
      "svc #0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, xzr\n\t"
      "mov x0, %[argument]\n\t"
      "blr %[child]\n\t"
      "mov x8, %[exit]\n\t"
      "svc #0\n\t"
      "brk #0\n"
      "1:"
      : "+r"(first)
      : "r"(number), "r"(second), [child] "r"(child), [argument] "r"(argument), [exit] "i"(SYS_exit)
      : "memory", "cc");
  return first;
#endif
}

#endif

}  // namespace

Result<pid_t> CloneOnStack(int (*child)(void*), void* argument, void* stack, size_t stack_bytes,
                           uint64_t flags, int* pidfd) {
  const uint64_t all = flags | CLONE_VM | CLONE_VFORK | CLONE_PIDFD;
#if defined(__x86_64__) || defined(__aarch64__)
  clone_args args = {};
  args.flags = all;
  args.pidfd = reinterpret_cast<uintptr_t>(pidfd);
  args.exit_signal = SIGCHLD;
  args.stack = reinterpret_cast<uintptr_t>(stack);
  args.stack_size = stack_bytes;
  const long pid = RawClone3(args, child, argument);
  if (pid < 0) return Status::Errno("clone3", "child on a stack of its own", static_cast<int>(-pid));
#else
  const int pid =
      clone(child, static_cast<char*>(stack) + stack_bytes, static_cast<int>(all) | SIGCHLD, argument, pidfd);
  if (pid < 0) return Status::Errno("clone", "child on a stack of its own");
#endif
  return static_cast<pid_t>(pid);
}

}  // namespace layermark
