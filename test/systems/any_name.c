// SPDX-License-Identifier: MIT
/*
 * A name for a socket where a test only needs one: a file in the directory of the case, where the test on Linux takes
 * an abstract name. run.py gives it to the files that are listed there.
 */
#include "../harness.h"

#include <stdio.h>
#include <unistd.h>
#include <unx/unx.h>

int any_name(struct unx_addr *a, const void *name, size_t len);
int any_unnamed(struct unx_addr *a);

int any_name(struct unx_addr *a, const void *name, size_t len)
{
    char path[104];
    if (a == NULL || (name == NULL && len > 0)) {
        return -EINVAL;
    }
    const int n = snprintf(path, sizeof path, "%s/%.*s", harness_dir(), (int)len, (const char *)name);
    CHECK(n > 0 && (size_t)n < sizeof path);
    return unx_addr_path(a, path);
}

/* Instead of the name that Linux would choose. */
int any_unnamed(struct unx_addr *a)
{
    static unsigned n;
    char name[32];
    return any_name(a, name, (size_t)snprintf(name, sizeof name, "unnamed-%d-%u", (int)getpid(), n++));
}
