// SPDX-License-Identifier: MIT
/*
 * What a descriptor is: kind, path, size, mode, how it is open; by fstat(2), fcntl(2) and the link in /proc/self/fd.
 *
 * Promises: it reads nothing from the descriptor and changes nothing about it: the other end has the same open file. A
 * path is what the kernel says now; it may be gone or another file's by the time somebody reads the line.
 *
 * One of 0, 1 and 2 that was closed is the exception: it is opened the wrong way round, so that nothing else gets its
 * number, and using it is an error, as it would have been.
 *
 * The kernel names what has no file: "/memfd:name (deleted)", "anon_inode:[eventfd]", "pipe:[ino]", "mnt:[ino]".
 */
#include "tool.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct fdinfo {
    const char *kind;
    char link[PATH_MAX]; /* "": not known */
    size_t link_len;
    bool has_path, deleted, stat_known;
    struct stat st;
};

static const struct {
    const char *link, *kind;
} anonymous[] = {
    {"anon_inode:[eventfd]", "eventfd"},
    {"anon_inode:[eventpoll]", "epoll"},
    {"anon_inode:[timerfd]", "timerfd"},
    {"anon_inode:[signalfd]", "signalfd"},
    {"anon_inode:inotify", "inotify"},
    {"anon_inode:[pidfd]", "pidfd"},
    {"anon_inode:[fanotify]", "fanotify"},
    {"anon_inode:[io_uring]", "io_uring"},
    {"anon_inode:[userfaultfd]", "userfaultfd"},
    {"pidfd:", "pidfd"},
    {"anon_inode:", "anonymous"},
    {"mnt:[", "mount-namespace"},
    {"net:[", "network-namespace"},
    {"pid:[", "pid-namespace"},
    {"user:[", "user-namespace"},
    {"uts:[", "uts-namespace"},
    {"ipc:[", "ipc-namespace"},
    {"cgroup:[", "cgroup-namespace"},
    {"time:[", "time-namespace"},
};

static bool starts(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

static const char *kind_of_mode(mode_t mode)
{
    return S_ISREG(mode)    ? "file"
           : S_ISDIR(mode)  ? "directory"
           : S_ISFIFO(mode) ? "pipe"
           : S_ISSOCK(mode) ? "socket"
           : S_ISCHR(mode)  ? "character-device"
           : S_ISBLK(mode)  ? "block-device"
           : S_ISLNK(mode)  ? "symbolic-link"
                            : "unknown";
}

static void look(int fd, struct fdinfo *info)
{
    *info = (struct fdinfo){0};
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    const ssize_t len = readlink(name, info->link, sizeof(info->link) - 1);
    info->link_len = len > 0 ? (size_t)len : 0;
    info->stat_known = fstat(fd, &info->st) == 0;
    info->kind = info->stat_known ? kind_of_mode(info->st.st_mode) : "unknown";
    if (starts(info->link, "/memfd:")) {
        info->kind = "memfd";
    }
    for (size_t i = 0; i < sizeof(anonymous) / sizeof(*anonymous); i++) {
        if (starts(info->link, anonymous[i].link)) {
            info->kind = anonymous[i].kind;
            break;
        }
    }
    info->has_path = info->link[0] == '/';
    static const char gone[] = " (deleted)";
    const size_t gone_len = sizeof(gone) - 1;
    info->deleted = info->has_path && info->stat_known && info->st.st_nlink == 0;
    // A file may really be called "x (deleted)", but then it has a name.
    if (info->deleted && info->link_len > gone_len && strcmp(info->link + info->link_len - gone_len, gone) == 0) {
        info->link_len -= gone_len;
        info->link[info->link_len] = '\0';
    }
}

static const char *access_of(int fd)
{
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        return "unknown";
    }
#ifdef O_PATH
    if (flags & O_PATH) {
        return "path-only";
    }
#endif
    switch (flags & O_ACCMODE) {
    case O_RDONLY:
        return "read-only";
    case O_WRONLY:
        return "write-only";
    default:
        return "read-write";
    }
}

static const char *socket_type(int fd)
{
    int type = 0;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &(socklen_t){sizeof(type)}) < 0 ? "unknown" : type_name(type);
}

static const char *socket_family(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof(a);
    if (getsockname(fd, (struct sockaddr *)&a, &len) < 0) {
        return "unknown";
    }
    return a.ss_family == AF_UNIX    ? "unix"
           : a.ss_family == AF_INET  ? "inet"
           : a.ss_family == AF_INET6 ? "inet6"
                                     : "other";
}

const char *fd_kind(int fd)
{
    struct fdinfo info;
    look(fd, &info);
    return info.kind;
}

static bool has_size(const struct fdinfo *info)
{
    return info->stat_known && S_ISREG(info->st.st_mode);
}

void fd_text(int fd, struct text *t)
{
    struct fdinfo info;
    look(fd, &info);
    text_puts(t, info.kind);
    if (S_ISSOCK(info.st.st_mode)) {
        text_printf(t, ", %s %s", socket_family(fd), socket_type(fd));
    }
    if (info.has_path) {
        text_puts(t, " ");
        text_escape(t, info.link, info.link_len);
        text_puts(t, info.deleted && strcmp(info.kind, "memfd") != 0 ? " (deleted)" : "");
    }
    if (has_size(&info)) {
        text_printf(t, ", %lld bytes", (long long)info.st.st_size);
    }
    if (info.stat_known && info.has_path) {
        text_printf(t, ", mode %04o", (unsigned)info.st.st_mode & 07777);
    }
    text_printf(t, ", %s", access_of(fd));
}

void fd_json(int fd, struct text *t)
{
    struct fdinfo info;
    look(fd, &info);
    json_key(t, NULL);
    text_puts(t, "{");
    json_string(t, "kind", info.kind);
    if (S_ISSOCK(info.st.st_mode)) {
        json_string(t, "family", socket_family(fd));
        json_string(t, "type", socket_type(fd));
    }
    if (info.has_path) {
        json_bytes(t, "path", info.link, info.link_len);
        json_bool(t, "deleted", info.deleted);
    }
    if (has_size(&info)) {
        json_number(t, "size", info.st.st_size);
    }
    if (info.stat_known && info.has_path) {
        char mode[16];
        snprintf(mode, sizeof(mode), "%04o", (unsigned)info.st.st_mode & 07777);
        json_string(t, "mode", mode);
    }
    json_string(t, "access", access_of(fd));
    text_puts(t, "}");
}

/* ---- standard ones ---- */

static bool was_closed[3];

void standard_open(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            was_closed[fd] = open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) == fd;
        }
    }
}

bool standard_closed(int fd)
{
    return fd >= 0 && fd <= 2 && was_closed[fd];
}
