// Tells the thread sanitizer about Swift's own lock. Where nobody waits for it, its atomics are
// compiled into the program and seen; where somebody does, they lie in a library that is not
// instrumented, and all that the lock guards would look like a race. Preloaded into the tests.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

#define HANDLE void *handle __attribute__((swift_context))
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

typedef __attribute__((swiftcall)) void (*Lock)(uint32_t, HANDLE);
typedef __attribute__((swiftcall)) void (*Unlock)(HANDLE);

static void *original(const char *name) {
  void *function = dlsym(RTLD_NEXT, name);
  if (!function) abort();
  return function;
}

__attribute__((swiftcall)) void lock(uint32_t thread, HANDLE) __asm__(LOCK);
__attribute__((swiftcall)) void lock(uint32_t thread, HANDLE) {
  ((Lock)original(LOCK))(thread, handle);
  if (__tsan_acquire) __tsan_acquire(handle);
}

__attribute__((swiftcall)) void unlock(HANDLE) __asm__(UNLOCK);
__attribute__((swiftcall)) void unlock(HANDLE) {
  if (__tsan_release) __tsan_release(handle);
  ((Unlock)original(UNLOCK))(handle);
}
