// SPDX-License-Identifier: MIT
/*
 * What a message of another system carries besides bytes and descriptors, and Linux has no place for: that the sender
 * asked for its identity to be attached, that a packet goes on in the next one. It travels as one more descriptor, of
 * a file of memory, which the fake takes out where the message arrives.
 */
#include "fake.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x756e782066616b65)

int mark_make(const struct mark *m)
{
    struct mark whole = *m;
    whole.magic = MAGIC;
    const int fd = memfd_create("unx-fake-mark", MFD_CLOEXEC);
    if (fd >= 0 && write(fd, &whole, sizeof whole) != sizeof whole) {
        abort();
    }
    return fd;
}

bool mark_read(int fd, struct mark *m)
{
    struct stat st;
    const int before = errno;
    /* Nothing is read from what could wait. */
    const bool is = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == sizeof *m &&
                    fcntl(fd, F_GET_SEALS) >= 0 && pread(fd, m, sizeof *m, 0) == sizeof *m && m->magic == MAGIC;
    if (is) {
        close(fd);
    }
    errno = before;
    return is;
}
