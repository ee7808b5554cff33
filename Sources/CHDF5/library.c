#include "CHDF5.h"

#include "driver.h"

#include <dlfcn.h>
#include <stdio.h>

#define TEXT(x) #x
#define NAME(x) TEXT(x)

static const char *const names[] = {
#ifdef __APPLE__
    "libhdf5.dylib",
    "/opt/homebrew/lib/libhdf5.dylib",
    "/usr/local/lib/libhdf5.dylib",
    "/opt/local/lib/libhdf5.dylib",
#else
    // Debian's names for 1.10, then for what is installed for developers, then other systems'.
    "libhdf5_serial.so.103",
    "libhdf5_serial.so.310",
    "libhdf5_serial.so",
    "libhdf5.so.103",
    "libhdf5.so.200",
    "libhdf5.so.310",
    "libhdf5.so",
#endif
};

static bool resolve(void *handle, const char *name, void *target, char *text, size_t capacity) {
  void *symbol = dlsym(handle, name);
  if (!symbol) {
    snprintf(text, capacity, "it lacks %s", name);
    return false;
  }
  *(void **)target = symbol;
  return true;
}

static CHDF5Outcome fill(void *handle, CHDF5Library *library, char *text, size_t capacity) {
#define FUNCTION(member, symbol)                                                       \
  if (!resolve(handle, NAME(symbol), (void *)&library->member, text, capacity)) return CHDF5_UNUSABLE;
  // The version first: another one may lack anything.
  FUNCTION(H5get_libversion, H5get_libversion)
  unsigned major = 0, minor = 0, release = 0;
  library->H5get_libversion(&major, &minor, &release);
  if (major != H5_VERS_MAJOR || minor != H5_VERS_MINOR) {
    snprintf(text, capacity, "%u.%u.%u", major, minor, release);
    return CHDF5_OTHER_VERSION;
  }
  CHDF5_FUNCTIONS(FUNCTION)
#undef FUNCTION
  // Files are closed by whoever opened them; at exit there is nothing left to do, and after a
  // failed write the library's own handler may not survive doing it.
  library->H5dont_atexit();
  if (library->H5open() < 0) {
    snprintf(text, capacity, "it does not start");
    return CHDF5_UNUSABLE;
  }
  hid_t *value = NULL;
#define VALUE(member, symbol)                                                         \
  if (!resolve(handle, NAME(symbol), (void *)&value, text, capacity)) return CHDF5_UNUSABLE; \
  library->member = *value;
  CHDF5_VALUES(VALUE)
#undef VALUE
  library->H5Eset_auto2(0, NULL, NULL);
  library->driver = chdf5_register_driver(library);
  if (library->driver < 0) {
    snprintf(text, capacity, "it takes no file driver");
    return CHDF5_UNUSABLE;
  }
  library->H5PLset_loading_state(0);
  return CHDF5_LOADED;
}

CHDF5Outcome chdf5_load(CHDF5Library *library, char *text, size_t capacity) {
  CHDF5Outcome outcome = CHDF5_MISSING;
  text[0] = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
      // What is wrong with the first name says more than that the last is not there.
      const char *reason = dlerror();
      if (i == 0 && reason) snprintf(text, capacity, "%s", reason);
      continue;
    }
    CHDF5Outcome found = fill(handle, library, text, capacity);
    if (found == CHDF5_LOADED) return found;
    outcome = found;
  }
  return outcome;
}
