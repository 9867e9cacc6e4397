// SPDX-License-Identifier: MIT
/*
 * What a case must leave as it was (harness_state.h).
 *
 * What surprised us: fd numbers alone hide a leak when a test closes one descriptor and leaks another, so descriptors
 * are compared by number, by the file behind them and by what /proc calls them.
 */
#include "harness_state.h"
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct open_fd {
    int fd;
    dev_t dev;
    ino_t ino;
    char link[96];
};

/* By descriptors, because a case may have made a tree whose paths are too long to say. */
static void remove_below(int dirfd, const char *name)
{
    const int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (const struct dirent *e; d && (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        if (unlinkat(fd, e->d_name, 0))
            remove_below(fd, e->d_name);
    }
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    unlinkat(dirfd, name, AT_REMOVEDIR);
}

void state_remove_tree(const char *path)
{
    remove_below(AT_FDCWD, path);
}

static int add_fd(struct state *s, int fd)
{
    struct stat st;
    if (fstat(fd, &st))
        return 0;
    if (s->nfds % 64 == 0) {
        s->fds = realloc(s->fds, (s->nfds + 64) * sizeof *s->fds);
        CHECK(s->fds != NULL);
    }
    struct open_fd *o = &s->fds[s->nfds++];
    *o = (struct open_fd){.fd = fd, .dev = st.st_dev, .ino = st.st_ino};
    char name[32];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (readlink(name, o->link, sizeof o->link - 1) < 0)
        o->link[0] = 0;
    return 1;
}

static int by_fd(const void *a, const void *b)
{
    return ((const struct open_fd *)a)->fd - ((const struct open_fd *)b)->fd;
}

static void look_fds(struct state *s)
{
    DIR *d = opendir("/proc/self/fd");
    if (d) {
        for (const struct dirent *e; (e = readdir(d));)
            if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(d))
                add_fd(s, atoi(e->d_name));
        closedir(d);
    } else {
        for (int fd = 0; fd < 4096; fd++)
            add_fd(s, fd);
    }
    if (s->nfds)
        qsort(s->fds, s->nfds, sizeof *s->fds, by_fd);
}

int harness_nfds(void)
{
    struct state s = {0};
    look_fds(&s);
    free(s.fds);
    return (int)s.nfds;
}

void state_look(struct state *s)
{
    *s = (struct state){0};
    /* Closing any AF_UNIX socket makes the kernel collect cycles of sockets that are only in flight. */
    close(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    s->umask = umask(0);
    umask(s->umask);
    if (!getcwd(s->cwd, sizeof s->cwd))
        snprintf(s->cwd, sizeof s->cwd, "(none: %s)", strerror(errno));
    look_fds(s);
}

static int same_fd(const struct open_fd *a, const struct open_fd *b)
{
    return a->fd == b->fd && a->dev == b->dev && a->ino == b->ino && !strcmp(a->link, b->link);
}

int state_compare(const struct state *a, const struct state *b)
{
    int differ = 0;
    for (size_t i = 0, j = 0; i < a->nfds || j < b->nfds;) {
        if (i < a->nfds && j < b->nfds && same_fd(&a->fds[i], &b->fds[j])) {
            i++, j++;
            continue;
        }
        differ = 1;
        if (j == b->nfds || (i < a->nfds && a->fds[i].fd <= b->fds[j].fd)) {
            NOTE("descriptor %d (%s) is gone or is another one", a->fds[i].fd, a->fds[i].link);
            i++;
        } else {
            NOTE("descriptor %d (%s) was left open", b->fds[j].fd, b->fds[j].link);
            j++;
        }
    }
    if (a->umask != b->umask)
        harness_fail(__FILE__, __LINE__, "umask was %03o, is %03o", a->umask, b->umask);
    if (strcmp(a->cwd, b->cwd))
        harness_fail(__FILE__, __LINE__, "working directory was %.200s, is %.200s", a->cwd, b->cwd);
    return differ;
}

void state_free(struct state *s)
{
    free(s->fds);
}
