// SPDX-License-Identifier: MIT
/*
 * Control messages and who owns the descriptors in them: the reader, and the closing of what nobody took.
 *
 * Promises: a descriptor in the buffer is closed once, or taken once. A taken one is overwritten with -1, so the buffer
 * itself says what is left.
 */
#include "control.h"
#include "sys.h"

#include <errno.h>
#include <string.h>

/* Descriptor i of the item, which from now on is nobody's. `buf` is the writable buffer that item.data points into. */
static int take(void *buf, const struct unx_control_item *item, unsigned i)
{
    const int none = -1;
    const size_t at = (size_t)((const char *)item->data - (const char *)buf) + i * sizeof none;
    const int fd = control_fd(item, i);
    memcpy((char *)buf + at, &none, sizeof none);
    return fd;
}

int control_close(void *buf, size_t len)
{
    struct unx_control_item item;
    size_t at = 0;
    int closed = 0;
    while (control_next(buf, len, &at, &item) > 0) {
        const unsigned n = (unsigned)unx_control_nfds(&item);
        for (unsigned i = 0; i < n; i++) {
            const int fd = take(buf, &item, i);
            if (fd >= 0) {
                sys_discard(fd);
                closed++;
            }
        }
    }
    return closed;
}

int unx_control_writer_close(struct unx_control_writer *w)
{
    struct unx_control_item item;
    size_t at = 0;
    unsigned index = 0;
    if (w == NULL || w->len > w->size) {
        return -EINVAL;
    }
    while (control_next(w->buf, w->len, &at, &item) > 0) {
        const unsigned n = control_kind(&item) == CONTROL_FDS ? (unsigned)unx_control_nfds(&item) : 0;
        for (unsigned i = 0; i < n && index < w->nfds; i++, index++) {
            if ((w->owned[index / 32] >> index % 32 & 1) != 0) {
                sys_close(control_fd(&item, i));
            }
        }
    }
    return unx_control_writer_init(w, w->buf, w->size);
}

int unx_control_reader_init(struct unx_control_reader *r, void *buf, size_t len)
{
    if (r == NULL || (buf == NULL && len > 0)) {
        return -EINVAL;
    }
    *r = (struct unx_control_reader){.buf = buf, .len = len};
    return 0;
}

static bool reader_valid(const struct unx_control_reader *r)
{
    return r != NULL && (r->buf != NULL || r->len == 0) && (r->reserved[0] | r->reserved[1]) == 0;
}

int unx_control_next(struct unx_control_reader *r, struct unx_control_item *item)
{
    if (!reader_valid(r) || item == NULL) {
        return -EINVAL;
    }
    return control_next(r->buf, r->len, &r->next, item);
}

int unx_control_take(struct unx_control_reader *r, const struct unx_control_item *item, unsigned i)
{
    if (!reader_valid(r) || item == NULL || i >= (unsigned)unx_control_nfds(item)) {
        return -EINVAL;
    }
    const char *start = r->buf;
    const char *data = item->data;
    if (data < start || item->len > r->len || (size_t)(data - start) > r->len - item->len) {
        return -EINVAL;
    }
    const int fd = control_fd(item, i);
    if (fd < 0) {
        return fd == -1 ? -EBADF : fd;
    }
    return take(r->buf, item, i);
}

int unx_control_reader_close(struct unx_control_reader *r)
{
    if (!reader_valid(r)) {
        return -EINVAL;
    }
    const int closed = control_close(r->buf, r->len);
    *r = (struct unx_control_reader){.buf = NULL};
    return closed;
}
