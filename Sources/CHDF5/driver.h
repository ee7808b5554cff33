// Between the files of this target.
#pragma once
#include "CHDF5.h"

hid_t chdf5_register_driver(const CHDF5Library *_Nonnull library);
