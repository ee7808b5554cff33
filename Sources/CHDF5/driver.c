// A file driver over a descriptor that someone else has open.
//
// Reading, the library sees the very file that its caller opened, with no path in between. Writing,
// a failure is kept for the caller and the library told that all is well: 1.10 does not survive a
// full disk when it closes the file.
#define _GNU_SOURCE
#include "CHDF5.h"

#include "driver.h"

#if __has_include(<hdf5/serial/H5FDdevelop.h>)
#include <hdf5/serial/H5FDdevelop.h>
#elif __has_include(<H5FDdevelop.h>)
#include <H5FDdevelop.h>
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Info {
  int descriptor;
  // Where errno of the first failed write goes; NULL where the file is only read.
  int *failure;
} Info;

typedef struct File {
  H5FD_t base;
  Info info;
  haddr_t end;
} File;

static const void *(*driver_info)(hid_t);

static void fail(const File *file, int code) {
  if (file->info.failure && !*file->info.failure) *file->info.failure = code;
}

static bool has_failed(const File *file) { return file->info.failure && *file->info.failure; }

static bool resize(const File *file, off_t size) {
  while (ftruncate(file->info.descriptor, size) != 0) {
    if (errno == EINTR) continue;
    fail(file, errno);
    return false;
  }
  return true;
}

static H5FD_t *open_file(const char *name, unsigned flags, hid_t access, haddr_t limit) {
  (void)name, (void)limit;
  const Info *info = driver_info(access);
  File *file = info ? calloc(1, sizeof *file) : NULL;
  if (!file) return NULL;
  file->info = *info;
  if (flags & CHDF5_TRUNCATE) resize(file, 0);
  return &file->base;
}

static herr_t close_file(H5FD_t *file) {
  free(file);
  return 0;
}

static int compare(const H5FD_t *one, const H5FD_t *two) {
  // Each descriptor is opened once.
  const int a = ((const File *)one)->info.descriptor, b = ((const File *)two)->info.descriptor;
  return (a > b) - (a < b);
}

static herr_t query(const H5FD_t *file, unsigned long *flags) {
  (void)file;
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

static haddr_t allocated_end(const H5FD_t *file, H5FD_mem_t type) {
  (void)type;
  return ((const File *)file)->end;
}

static herr_t set_allocated_end(H5FD_t *file, H5FD_mem_t type, haddr_t end) {
  (void)type;
  ((File *)file)->end = end;
  return 0;
}

static haddr_t file_end(const H5FD_t *base, H5FD_mem_t type) {
  (void)type;
  const File *file = (const File *)base;
  // What could not be written is as long as it would have been.
  if (has_failed(file)) return file->end;
  struct stat status;
  return fstat(file->info.descriptor, &status) == 0 ? (haddr_t)status.st_size : 0;
}

static herr_t read_bytes(H5FD_t *base, H5FD_mem_t type, hid_t list, haddr_t offset, size_t count,
                         void *bytes) {
  (void)type, (void)list;
  const File *file = (const File *)base;
  char *target = bytes;
  while (count > 0) {
    ssize_t done = pread(file->info.descriptor, target, count, (off_t)offset);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && !file->info.failure) return -1;
    if (done <= 0) {
      if (done < 0) fail(file, errno);
      memset(target, 0, count);
      return 0;
    }
    target += done, offset += (haddr_t)done, count -= (size_t)done;
  }
  return 0;
}

static herr_t write_bytes(H5FD_t *base, H5FD_mem_t type, hid_t list, haddr_t offset, size_t count,
                          const void *bytes) {
  (void)type, (void)list;
  const File *file = (const File *)base;
  if (!file->info.failure) return -1;
  const char *source = bytes;
  while (count > 0 && !has_failed(file)) {
    ssize_t done = pwrite(file->info.descriptor, source, count, (off_t)offset);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) {
      fail(file, done < 0 ? errno : EIO);
      break;
    }
    source += done, offset += (haddr_t)done, count -= (size_t)done;
  }
  return 0;
}

static herr_t truncate_file(H5FD_t *base, hid_t list, bool closing) {
  (void)list, (void)closing;
  const File *file = (const File *)base;
  if (file->info.failure && !has_failed(file)) resize(file, (off_t)file->end);
  return 0;
}

static const H5FD_class_t driver = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)600,
#endif
    .name = "descriptor",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(Info),
    .open = open_file,
    .close = close_file,
    .cmp = compare,
    .query = query,
    .get_eoa = allocated_end,
    .set_eoa = set_allocated_end,
    .get_eof = file_end,
    .read = read_bytes,
    .write = write_bytes,
    .truncate = truncate_file,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t chdf5_register_driver(const CHDF5Library *library) {
  driver_info = library->H5Pget_driver_info;
  return library->H5FDregister(&driver);
}

herr_t chdf5_use_descriptor(const CHDF5Library *library, hid_t access, int descriptor,
                            int *failure) {
  const Info info = {.descriptor = descriptor, .failure = failure};
  return library->H5Pset_driver(access, library->driver, &info);
}
