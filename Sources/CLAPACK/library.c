#include "CLAPACK.h"

#include <dlfcn.h>
#include <stddef.h>

static const char *const names[] = {
#ifdef __APPLE__
    "/System/Library/Frameworks/Accelerate.framework/Accelerate",
#else
    "libopenblas.so.0",
    "libopenblas.so",
#endif
};

static bool resolve(void *handle, const char *name, void *target) {
  void *symbol = dlsym(handle, name);
  *(void **)target = symbol;
  return symbol != NULL;
}

bool clapack_load(CLAPACKLibrary *library) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!handle) continue;
    bool isWhole = resolve(handle, "dgeqrf_", &library->dgeqrf) &&
                   resolve(handle, "dorgqr_", &library->dorgqr) &&
                   resolve(handle, "dgesvd_", &library->dgesvd) &&
                   resolve(handle, "dgemm_", &library->dgemm) &&
                   resolve(handle, "sgemm_", &library->sgemm) &&
                   resolve(handle, "dsyrk_", &library->dsyrk) &&
                   resolve(handle, "dsymm_", &library->dsymm) &&
                   resolve(handle, "dsymv_", &library->dsymv) &&
                   resolve(handle, "dtrsm_", &library->dtrsm) &&
                   resolve(handle, "dpotrf_", &library->dpotrf);
    if (!isWhole) continue;
    bool hasThreads = resolve(handle, "openblas_get_num_threads", &library->get_threads) &&
                      resolve(handle, "openblas_set_num_threads", &library->set_threads);
    if (!hasThreads) {
      library->get_threads = NULL;
      library->set_threads = NULL;
    }
    return true;
  }
  return false;
}
