// SPDX-License-Identifier: MIT
/*
 * Control messages as they lie in memory: the only file that knows struct cmsghdr.
 *
 * Promises: every length is checked before it is trusted; the buffer may have any alignment; nothing outside of it is
 * read. Pure, but for the closing of descriptors.
 *
 * What surprised us: a message whose data was cut arrives all the same, shorter than its type. CMSG_SPACE of one
 * descriptor holds two. SCM_PIDFD may carry a negative errno value. 65534 is what the kernel writes for a user id that
 * it cannot say here, and pid 0 for a process that it cannot show.
 */
#include "control.h"
#include "sys.h"

#include <errno.h>
#include <string.h>

#define HEAD CMSG_LEN(0)
#define ALIGNED(n) (((n) + SYS_CONTROL_ALIGN - 1) & ~(SYS_CONTROL_ALIGN - 1))

int control_next(const void *buf, size_t len, size_t *at, struct unx_control_item *item)
{
    struct cmsghdr h;
    const size_t left = *at <= len ? len - *at : 0;
    if (left == 0) {
        return 0;
    }
    if (left < sizeof h) {
        return -EBADMSG;
    }
    const char *start = (const char *)buf + *at;
    memcpy(&h, start, sizeof h);
    if (h.cmsg_len < HEAD || h.cmsg_len > left) {
        return -EBADMSG;
    }
    *item = (struct unx_control_item){
        .level = h.cmsg_level, .type = h.cmsg_type, .data = start + HEAD, .len = (size_t)h.cmsg_len - HEAD};
    /* The last message may lack its padding. */
    *at = ALIGNED((size_t)h.cmsg_len) < left ? *at + ALIGNED((size_t)h.cmsg_len) : len;
    return 1;
}

enum control_kind control_kind(const struct unx_control_item *item)
{
    if (item->level != SOL_SOCKET) {
        return CONTROL_OTHER;
    }
    if (item->type == SCM_RIGHTS) {
        return CONTROL_FDS;
    }
    /* A type that this system lacks is -1, and so may several be: no switch. */
    if (item->type < 0) {
        return CONTROL_OTHER;
    }
    if (item->type == SYS_TYPE_CRED || item->type == SYS_TYPE_CRED_SENT) {
        return CONTROL_CRED;
    }
    if (item->type == SYS_TYPE_LABEL) {
        return CONTROL_LABEL;
    }
    if (item->type == SYS_TYPE_PIDFD) {
        return CONTROL_PIDFD;
    }
    return item->type == SYS_TYPE_TIME || item->type == SYS_TYPE_TIME_NEW ? CONTROL_TIME : CONTROL_OTHER;
}

int control_fd(const struct unx_control_item *item, unsigned i)
{
    int fd;
    memcpy(&fd, (const char *)item->data + i * sizeof fd, sizeof fd);
    return fd;
}

unsigned control_take_fds(const void *buf, size_t len, int *fds, unsigned max)
{
    struct cmsghdr h;
    if (len < sizeof h) {
        return 0;
    }
    memcpy(&h, buf, sizeof h);
    if (h.cmsg_level != SOL_SOCKET || h.cmsg_type != SCM_RIGHTS || h.cmsg_len < HEAD || h.cmsg_len > len ||
        ALIGNED((size_t)h.cmsg_len) < len || (h.cmsg_len - HEAD) / sizeof *fds > max) {
        return 0;
    }
    const unsigned n = (unsigned)((h.cmsg_len - HEAD) / sizeof *fds);
    int all = 0;
    for (unsigned i = 0; i < n; i++) {
        memcpy(&fds[i], (const char *)buf + HEAD + i * sizeof *fds, sizeof *fds);
        all |= fds[i];
    }
    for (unsigned i = 0; all < 0 && i < n; i++) {
        fds[i] = -1;
    }
    return all < 0 ? 0 : n;
}

bool control_time(const struct unx_control_item *item, int64_t *ns)
{
    int64_t wide[2];
    long native[2];
    if (item->type == SYS_TYPE_TIME_NEW && item->len >= sizeof wide) {
        memcpy(wide, item->data, sizeof wide);
    } else if (item->type != SYS_TYPE_TIME_NEW && item->len >= sizeof native) {
        memcpy(native, item->data, sizeof native);
        wide[0] = native[0];
        wide[1] = native[1];
    } else {
        return false;
    }
    int64_t sum;
    if (__builtin_mul_overflow(wide[0], INT64_C(1000000000), &sum) || __builtin_add_overflow(sum, wide[1], &sum)) {
        return false;
    }
    *ns = sum;
    return true;
}

static size_t put(void *buf, size_t at, int level, int type, const void *data, size_t len)
{
    struct cmsghdr h;
    char *to = (char *)buf + at;
    /* Padding is sent too: what was on the stack before is nobody's business. */
    memset(&h, 0, sizeof h);
    h.cmsg_len = CMSG_LEN(len);
    h.cmsg_level = level;
    h.cmsg_type = type;
    memset(to + CMSG_SPACE(len) - sizeof(size_t), 0, sizeof(size_t));
    memcpy(to, &h, sizeof h);
    if (len > 0) {
        memcpy(to + HEAD, data, len);
    }
    return at + CMSG_SPACE(len);
}

size_t control_put_fds(void *buf, size_t at, const int *fds, unsigned n)
{
    return put(buf, at, SOL_SOCKET, SCM_RIGHTS, fds, n * sizeof *fds);
}

size_t control_put_cred(void *buf, size_t at, const struct unx_cred *c)
{
    char data[SYS_CRED_ROOM] __attribute__((aligned(8)));
    int type;
    const size_t len = sys_cred_write(data, c, &type);
    return len == 0 ? at : put(buf, at, SOL_SOCKET, type, data, len);
}

bool control_had_room(size_t size, size_t used)
{
    return used <= size && size - used >= CMSG_LEN(sizeof(int));
}

void cred_judge(struct unx_cred *c)
{
    const unsigned nobody = 65534;
    const bool pid = c->pid > 0;
    const bool uid = c->uid != (uid_t)-1 && c->uid != nobody;
    const bool gid = c->gid != (gid_t)-1 && c->gid != nobody;
    c->known = (pid ? UNX_KNOWN_PID : 0) | (uid ? UNX_KNOWN_UID : 0) | (gid ? UNX_KNOWN_GID : 0);
}

size_t unx_control_space(size_t len)
{
    return len > SIZE_MAX / 2 ? 0 : CMSG_SPACE(len);
}

int unx_control_nfds(const struct unx_control_item *item)
{
    if (item == NULL) {
        return -EINVAL;
    }
    switch (control_kind(item)) {
    case CONTROL_FDS:
        return (int)(item->len / sizeof(int));
    case CONTROL_PIDFD:
        return item->len >= sizeof(int);
    default:
        return 0;
    }
}

int unx_control_cred(const struct unx_control_item *item, struct unx_cred *c)
{
    struct unx_cred read;
    if (item == NULL || c == NULL || control_kind(item) != CONTROL_CRED) {
        return -EINVAL;
    }
    const int r = sys_cred_read(item->type, item->data, item->len, &read);
    if (r < 0) {
        return r;
    }
    cred_judge(&read);
    *c = read;
    return 0;
}

/* ---- the writer ---- */

int unx_control_writer_init(struct unx_control_writer *w, void *buf, size_t size)
{
    if (w == NULL || (buf == NULL && size > 0)) {
        return -EINVAL;
    }
    *w = (struct unx_control_writer){.buf = buf, .size = size};
    return 0;
}

static bool writer_valid(const struct unx_control_writer *w)
{
    return w != NULL && w->len <= w->size && (w->reserved[0] | w->reserved[1]) == 0;
}

int unx_control_add(struct unx_control_writer *w, int level, int type, const void *data, size_t len)
{
    if (!writer_valid(w) || (data == NULL && len > 0)) {
        return -EINVAL;
    }
    const size_t space = unx_control_space(len);
    if (level == SOL_SOCKET && type == SCM_RIGHTS && len / sizeof(int) + w->nfds > (size_t)sys_limit(UNX_LIMIT_FDS)) {
        return -E2BIG;
    }
    if (space == 0 || space > w->size - w->len) {
        return -ENOSPC;
    }
    w->len = put(w->buf, w->len, level, type, data, len);
    if (level == SOL_SOCKET && type == SCM_RIGHTS) {
        w->nfds += (unsigned)(len / sizeof(int));
    }
    return 0;
}

int unx_control_add_fds(struct unx_control_writer *w, const int *fds, unsigned n, unsigned flags)
{
    if (!writer_valid(w) || (fds == NULL && n > 0) || (flags & ~UNX_GIVE) != 0) {
        return -EINVAL;
    }
    if (n > (unsigned)sys_limit(UNX_LIMIT_FDS)) {
        return -E2BIG;
    }
    for (unsigned i = 0; i < n; i++) {
        if (fds[i] < 0) {
            return -EBADF;
        }
    }
    const unsigned first = w->nfds;
    const int r = n == 0 ? 0 : unx_control_add(w, SOL_SOCKET, SCM_RIGHTS, fds, n * sizeof *fds);
    for (unsigned i = first; i < w->nfds && (flags & UNX_GIVE) != 0; i++) {
        w->owned[i / 32] |= UINT32_C(1) << i % 32;
    }
    return r;
}

int unx_control_add_cred(struct unx_control_writer *w, const struct unx_cred *c)
{
    if (!writer_valid(w) || c == NULL || c->known != UNX_KNOWN_ALL) {
        return -EINVAL;
    }
    char data[SYS_CRED_ROOM] __attribute__((aligned(8)));
    int type;
    const size_t len = sys_cred_write(data, c, &type);
    return len == 0 ? -EOPNOTSUPP : unx_control_add(w, SOL_SOCKET, type, data, len);
}
