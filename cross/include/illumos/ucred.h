/* SPDX-License-Identifier: MIT */
/* What system.h has of it. */
#include <system.h>
