#pragma once
#include <zlib.h>

/// `inflateInit2` is a macro, which Swift does not import. Negative window bits: raw deflate data.
static inline int rl_inflate_init_raw(z_streamp stream) { return inflateInit2(stream, -15); }
