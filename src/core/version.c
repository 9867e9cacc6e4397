// SPDX-License-Identifier: MIT
/* The version of the library that runs. */
#include <unx/unx.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

const char *unx_version(void)
{
    return TEXT(UNX_VERSION_MAJOR) "." TEXT(UNX_VERSION_MINOR) "." TEXT(UNX_VERSION_PATCH);
}
