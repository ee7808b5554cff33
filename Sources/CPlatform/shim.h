// Linux calls that glibc declares only under _GNU_SOURCE, which Swift's import does not set.
#pragma once

#ifdef __linux__
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/// copy_file_range(2); -1 and errno where the kernel or file system can't.
static inline long rl_copy_file_range(int source, int64_t *source_offset, int target,
                                      int64_t *target_offset, unsigned long count) {
  return syscall(SYS_copy_file_range, source, source_offset, target, target_offset, count, 0u);
}

/// ioctl_ficlonerange(2): both ranges share their blocks; -1 and errno where the file system can't.
static inline int rl_clone_range(int source, uint64_t source_offset, uint64_t count, int target,
                                 uint64_t target_offset) {
  struct file_clone_range range = {source, source_offset, count, target_offset};
  return ioctl(target, FICLONERANGE, &range);
}

/// sync_file_range(2) with SYNC_FILE_RANGE_WRITE: starts to write dirty pages, waits for none.
static inline int rl_start_writeback(int file, int64_t offset, int64_t count) {
  return (int)syscall(SYS_sync_file_range, file, offset, count, 2u);
}

/// renameat2(2) relative to the working folder: `flags` 1 keeps an existing target, 2 exchanges.
static inline int rl_rename(const char *source, const char *target, unsigned flags) {
  return (int)syscall(SYS_renameat2, -100 /* AT_FDCWD */, source, -100, target, flags);
}

/// The processors that this process may run on; 0 where the kernel doesn't say.
static inline int rl_core_count(void) {
  unsigned long set[128];  // of 8,192 processors
  long bytes = syscall(SYS_sched_getaffinity, 0, sizeof set, set);
  int count = 0;
  for (long i = 0; i < bytes / (long)sizeof set[0]; ++i) count += __builtin_popcountl(set[i]);
  return count;
}

/// pipe2(2) with ends that no program started later inherits.
static inline int rl_pipe(int *ends) { return (int)syscall(SYS_pipe2, ends, O_CLOEXEC); }
#endif
