// The functions of libhdf5 that the package calls, found at run time: whoever reads no HDF5 does
// not wait for the library and the dozens it brings along.
#pragma once

#define H5_USE_110_API 1
#if __has_include(<hdf5/serial/hdf5.h>)
#include <hdf5/serial/hdf5.h>
#else
#include <hdf5.h>
#endif
#include <stddef.h>

// 1.12 gave these new versions and renamed the structures; the old ones are still there.
#if H5_VERSION_GE(1, 12, 0)
#define CHDF5_LITERATE H5Literate1
typedef H5L_info1_t CHDF5LinkInfo;
typedef H5O_info1_t CHDF5ObjectInfo;
#else
#define CHDF5_LITERATE H5Literate
typedef H5L_info_t CHDF5LinkInfo;
typedef H5O_info_t CHDF5ObjectInfo;
#endif

// F(the member, the symbol)
#define CHDF5_FUNCTIONS(F)                             \
  F(H5open, H5open)                                    \
  F(H5dont_atexit, H5dont_atexit)                      \
  F(H5get_libversion, H5get_libversion)                \
  F(H5free_memory, H5free_memory)                      \
  F(H5Eset_auto2, H5Eset_auto2)                        \
  F(H5Ewalk2, H5Ewalk2)                                \
  F(H5Eclear2, H5Eclear2)                              \
  F(H5PLset_loading_state, H5PLset_loading_state)      \
  F(H5FDregister, H5FDregister)                        \
  F(H5Pset_driver, H5Pset_driver)                      \
  F(H5Pget_driver_info, H5Pget_driver_info)            \
  F(H5Fcreate, H5Fcreate)                              \
  F(H5Fopen, H5Fopen)                                  \
  F(H5Fclose, H5Fclose)                                \
  F(H5Fflush, H5Fflush)                                \
  F(H5Fget_create_plist, H5Fget_create_plist)          \
  F(H5Gcreate2, H5Gcreate2)                            \
  F(H5Gclose, H5Gclose)                                \
  F(H5Literate, CHDF5_LITERATE)                        \
  F(H5Oopen, H5Oopen)                                  \
  F(H5Oopen_by_addr, H5Oopen_by_addr)                  \
  F(H5Oget_info2, H5Oget_info2)                        \
  F(H5Oclose, H5Oclose)                                \
  F(H5Acreate2, H5Acreate2)                            \
  F(H5Aopen, H5Aopen)                                  \
  F(H5Aiterate2, H5Aiterate2)                          \
  F(H5Aget_type, H5Aget_type)                          \
  F(H5Aget_space, H5Aget_space)                        \
  F(H5Aread, H5Aread)                                  \
  F(H5Awrite, H5Awrite)                                \
  F(H5Aclose, H5Aclose)                                \
  F(H5Dcreate2, H5Dcreate2)                            \
  F(H5Dopen2, H5Dopen2)                                \
  F(H5Dget_type, H5Dget_type)                          \
  F(H5Dget_space, H5Dget_space)                        \
  F(H5Dget_create_plist, H5Dget_create_plist)          \
  F(H5Dget_offset, H5Dget_offset)                      \
  F(H5Dread, H5Dread)                                  \
  F(H5Dwrite, H5Dwrite)                                \
  F(H5Dwrite_chunk, H5Dwrite_chunk)                    \
  F(H5Dclose, H5Dclose)                                \
  F(H5Screate, H5Screate)                              \
  F(H5Screate_simple, H5Screate_simple)                \
  F(H5Sget_simple_extent_type, H5Sget_simple_extent_type) \
  F(H5Sget_simple_extent_ndims, H5Sget_simple_extent_ndims) \
  F(H5Sget_simple_extent_dims, H5Sget_simple_extent_dims) \
  F(H5Sselect_hyperslab, H5Sselect_hyperslab)          \
  F(H5Sclose, H5Sclose)                                \
  F(H5Tcopy, H5Tcopy)                                  \
  F(H5Tget_class, H5Tget_class)                        \
  F(H5Tget_size, H5Tget_size)                          \
  F(H5Tget_order, H5Tget_order)                        \
  F(H5Tget_precision, H5Tget_precision)                \
  F(H5Tget_offset, H5Tget_offset)                      \
  F(H5Tget_sign, H5Tget_sign)                          \
  F(H5Tget_fields, H5Tget_fields)                      \
  F(H5Tget_ebias, H5Tget_ebias)                        \
  F(H5Tget_norm, H5Tget_norm)                          \
  F(H5Tget_strpad, H5Tget_strpad)                      \
  F(H5Tget_cset, H5Tget_cset)                          \
  F(H5Tis_variable_str, H5Tis_variable_str)            \
  F(H5Tset_size, H5Tset_size)                          \
  F(H5Tset_precision, H5Tset_precision)                \
  F(H5Tset_fields, H5Tset_fields)                      \
  F(H5Tset_ebias, H5Tset_ebias)                        \
  F(H5Tset_strpad, H5Tset_strpad)                      \
  F(H5Tset_cset, H5Tset_cset)                          \
  F(H5Tclose, H5Tclose)                                \
  F(H5Pcreate, H5Pcreate)                              \
  F(H5Pclose, H5Pclose)                                \
  F(H5Pget_userblock, H5Pget_userblock)                \
  F(H5Pset_libver_bounds, H5Pset_libver_bounds)        \
  F(H5Pset_obj_track_times, H5Pset_obj_track_times)    \
  F(H5Pset_char_encoding, H5Pset_char_encoding)        \
  F(H5Pget_layout, H5Pget_layout)                      \
  F(H5Pset_layout, H5Pset_layout)                      \
  F(H5Pget_chunk, H5Pget_chunk)                        \
  F(H5Pset_chunk, H5Pset_chunk)                        \
  F(H5Pget_nfilters, H5Pget_nfilters)                  \
  F(H5Pget_filter2, H5Pget_filter2)                    \
  F(H5Pset_shuffle, H5Pset_shuffle)                    \
  F(H5Pset_deflate, H5Pset_deflate)                    \
  F(H5Pget_external_count, H5Pget_external_count)      \
  F(H5Pfill_value_defined, H5Pfill_value_defined)      \
  F(H5Pget_fill_value, H5Pget_fill_value)              \
  F(H5Pset_alloc_time, H5Pset_alloc_time)              \
  F(H5Pset_fill_time, H5Pset_fill_time)

// F(the member, the variable): types and classes that the library's macros name; their numbers
// are known once it is open.
#define CHDF5_VALUES(F)                                \
  F(NATIVE_INT64, H5T_NATIVE_INT64_g)                  \
  F(NATIVE_UINT64, H5T_NATIVE_UINT64_g)                \
  F(NATIVE_DOUBLE, H5T_NATIVE_DOUBLE_g)                \
  F(STD_I64LE, H5T_STD_I64LE_g)                        \
  F(IEEE_F32LE, H5T_IEEE_F32LE_g)                      \
  F(IEEE_F64LE, H5T_IEEE_F64LE_g)                      \
  F(C_S1, H5T_C_S1_g)                                  \
  F(FILE_CREATE, H5P_CLS_FILE_CREATE_ID_g)             \
  F(FILE_ACCESS, H5P_CLS_FILE_ACCESS_ID_g)             \
  F(GROUP_CREATE, H5P_CLS_GROUP_CREATE_ID_g)           \
  F(DATASET_CREATE, H5P_CLS_DATASET_CREATE_ID_g)       \
  F(ATTRIBUTE_CREATE, H5P_CLS_ATTRIBUTE_CREATE_ID_g)   \
  F(LINK_CREATE, H5P_CLS_LINK_CREATE_ID_g)

/// The library once loaded; functions are called by one thread at a time.
typedef struct CHDF5Library {
#define CHDF5_MEMBER(member, symbol) __typeof__(symbol) *_Nonnull member;
  CHDF5_FUNCTIONS(CHDF5_MEMBER)
#undef CHDF5_MEMBER
#define CHDF5_MEMBER(member, symbol) hid_t member;
  CHDF5_VALUES(CHDF5_MEMBER)
#undef CHDF5_MEMBER
  /// The driver of `chdf5_use_descriptor`.
  hid_t driver;
} CHDF5Library;

/// What became of loading.
typedef enum CHDF5Outcome {
  CHDF5_LOADED,
  /// No library of that name; the text is what the loader says.
  CHDF5_MISSING,
  /// A library of another version than the headers; the text is its version.
  CHDF5_OTHER_VERSION,
  /// A symbol is not there, or the library does not start; the text says which.
  CHDF5_UNUSABLE,
} CHDF5Outcome;

/// Loads the library into `library`; call it once. `text` holds up to `capacity` bytes.
CHDF5Outcome chdf5_load(CHDF5Library *_Nonnull library, char *_Nonnull text, size_t capacity);

/// Makes the property list `access` open the file of a descriptor, whatever path is given; the
/// descriptor stays open when the file is closed.
///
/// Where `failure` is not null the file can be written, and it gets the errno of the first write
/// that fails; the library itself is not told of it. It must live as long as the file is open.
herr_t chdf5_use_descriptor(const CHDF5Library *_Nonnull library, hid_t access, int descriptor,
                            int *_Nullable failure);

/// The version of the headers, "1.10".
static inline const char *_Nonnull chdf5_header_version(void) {
#define CHDF5_TEXT(x) #x
#define CHDF5_VERSION(major, minor) CHDF5_TEXT(major) "." CHDF5_TEXT(minor)
  return CHDF5_VERSION(H5_VERS_MAJOR, H5_VERS_MINOR);
}

// Macros that Swift does not see.
enum {
  CHDF5_READ_ONLY = 0,
  CHDF5_TRUNCATE = 2,
  CHDF5_INFO_BASIC = 1,
  CHDF5_INFO_NUM_ATTRS = 4,
};
static const uint64_t CHDF5_UNDEFINED_ADDRESS = UINT64_MAX;
static const size_t CHDF5_VARIABLE_SIZE = SIZE_MAX;
