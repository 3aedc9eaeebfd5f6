// Runs a program, and all that it starts, with a clock of the day that is off by so many seconds:
//
//     skewed_clock SECONDS PROGRAM [ARGUMENT]...
//
// A static program cannot be lied to by a preloaded library, and the kernel has no namespace for
// the time of day. So the program is traced: a seccomp filter stops it at the few system calls that
// ask for the time, which are answered here, and the vDSO, which answers them without a system
// call, is hidden from it when it begins. Times of files are the kernel's own. It ends with the
// last of the processes; when it is killed so are they.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <elf.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
#error "registers are those of x86-64"
#endif

namespace {

long long skew_s = 0;

[[noreturn]] void give_up(const char* what) {
  std::perror(what);
  std::exit(127);
}

/// Stops at the system calls that ask for the time of day.
void stop_when_asked_for_the_time() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_gettimeofday, 4, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_time, 3, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLOCK_REALTIME, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{sizeof filter / sizeof *filter, filter};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) give_up("seccomp");
}

template <class Value>
bool write_to(pid_t pid, std::uint64_t address, const Value& value) {
  iovec here{const_cast<Value*>(&value), sizeof value};
  iovec there{reinterpret_cast<void*>(address), sizeof value};
  return process_vm_writev(pid, &here, 1, &there, 1, 0) == static_cast<ssize_t>(sizeof value);
}

std::uint64_t word_at(pid_t pid, std::uint64_t address) {
  return static_cast<std::uint64_t>(ptrace(PTRACE_PEEKDATA, pid, address, nullptr));
}

/// Of a program that has just begun: the kernel's notes for it lie on its stack behind its
/// arguments and its environment (System V ABI, "Process Initialization").
void hide_vdso(pid_t pid) {
  user_regs_struct registers{};
  ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
  std::uint64_t at = registers.rsp;
  constexpr std::uint64_t word = 8;
  at += word * (1 + word_at(pid, at) + 1);
  while (word_at(pid, at) != 0) at += word;
  for (at += word; word_at(pid, at) != AT_NULL; at += 2 * word)
    if (word_at(pid, at) == AT_SYSINFO_EHDR)
      ptrace(PTRACE_POKEDATA, pid, at, static_cast<long>(AT_IGNORE));
}

/// Instead of the kernel.
void answer(pid_t pid) {
  user_regs_struct registers{};
  ptrace(PTRACE_GETREGS, pid, nullptr, &registers);
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  now.tv_sec += skew_s;
  bool written = true;
  long long result = 0;
  if (registers.orig_rax == SYS_time) {
    result = now.tv_sec;
    if (registers.rdi != 0) written = write_to(pid, registers.rdi, now.tv_sec);
  } else if (registers.orig_rax == SYS_gettimeofday) {
    const timeval value{now.tv_sec, now.tv_nsec / 1000};
    if (registers.rdi != 0) written = write_to(pid, registers.rdi, value);
  } else {
    written = write_to(pid, registers.rsi, now);
  }
  registers.rax = static_cast<unsigned long long>(written ? result : -EFAULT);
  registers.orig_rax = static_cast<unsigned long long>(-1);  // no system call is made
  ptrace(PTRACE_SETREGS, pid, nullptr, &registers);
}

void go_on(pid_t pid, int status) {
  const int signal = WSTOPSIG(status);
  switch (status >> 16) {
    case PTRACE_EVENT_SECCOMP:
      answer(pid);
      break;
    case PTRACE_EVENT_EXEC:
      hide_vdso(pid);
      break;
    case PTRACE_EVENT_STOP:
      if (signal != SIGTRAP) {  // somebody has stopped it
        ptrace(PTRACE_LISTEN, pid, nullptr, nullptr);
        return;
      }
      break;
    case 0:
      ptrace(PTRACE_CONT, pid, nullptr, signal);
      return;
    default:
      break;  // it has started another, which is traced as well
  }
  ptrace(PTRACE_CONT, pid, nullptr, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: skewed_clock SECONDS PROGRAM [ARGUMENT]...\n");
    return 2;
  }
  skew_s = std::atoll(argv[1]);
  int traced[2];
  if (pipe(traced) != 0) give_up("pipe");
  const pid_t first = fork();
  if (first < 0) give_up("fork");
  if (first == 0) {
    char ready = 0;
    close(traced[1]);
    if (read(traced[0], &ready, 1) != 1) _exit(127);
    close(traced[0]);
    stop_when_asked_for_the_time();
    execv(argv[2], argv + 2);
    give_up(argv[2]);
  }
  const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
                       PTRACE_O_TRACEFORK | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEVFORK;
  if (ptrace(PTRACE_SEIZE, first, nullptr, options) != 0) give_up("ptrace");
  if (write(traced[1], "!", 1) != 1) give_up("write");
  close(traced[0]);
  close(traced[1]);

  int result = 0;
  for (int status = 0;;) {
    const pid_t pid = waitpid(-1, &status, __WALL);
    if (pid < 0 && errno == EINTR) continue;
    if (pid < 0) return result;
    if (WIFSTOPPED(status)) go_on(pid, status);
    if (pid == first && WIFEXITED(status)) result = WEXITSTATUS(status);
    if (pid == first && WIFSIGNALED(status)) result = 128 + WTERMSIG(status);
  }
}
