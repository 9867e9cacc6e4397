// SPDX-License-Identifier: MIT
/*
 * A test that starts itself as a service, and the rest of activation.h.
 *
 *     --list      adopts, removes the variables, and prints a line for each descriptor
 *     --serve N   adopts, finds a listening SEQPACKET named N, and answers one message with "N: MESSAGE"
 *     --secure    prints what the library takes from the environment, and what is really there
 */
#include "activation.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

void set_env(const char *name, const char *value)
{
    CHECK(value ? setenv(name, value, 1) == 0 : unsetenv(name) == 0);
}

void set_env_number(const char *name, unsigned long long value)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", value);
    set_env(name, text);
}

void announce(unsigned n, const char *names)
{
    set_env_number("LISTEN_PID", (unsigned long long)getpid());
    set_env_number("LISTEN_FDS", n);
    set_env("LISTEN_FDNAMES", names);
    set_env("LISTEN_PIDFDID", NULL);
}

void move_fd(int fd, int to)
{
    if (fd == to) {
        CHECK(fcntl(fd, F_SETFD, 0) == 0);
        return;
    }
    CHECK_INT(dup2(fd, to), to);
    close(fd);
}

void close_all(void)
{
    for (int fd = 3; fd < 512; fd++)
        close(fd);
}

unsigned long long own_pidfdid(void)
{
    const int fd = (int)syscall(434 /* pidfd_open */, getpid(), 0);
    struct stat st;
    struct statfs fs;
    if (fd < 0)
        return 0;
    /* Where a word has 32 bits the library takes none for known, because the kernel may have but half of the number. */
    const int known = sizeof(long) == 8 && fstatfs(fd, &fs) == 0 && fs.f_type == 0x50494446 && fstat(fd, &st) == 0;
    close(fd);
    return known ? st.st_ino : 0;
}

static int list(void)
{
    struct unx_activated got[16];
    const int n = unx_activation_adopt(got, 16, UNX_UNSET);
    printf("%d\n", n);
    for (int i = 0; i < n; i++) {
        char text[UNX_ADDR_TEXT];
        if (unx_addr_format(&got[i].addr, text, sizeof text) < 0)
            return 1;
        printf("%d %s %s %s %s\n", got[i].fd, got[i].name, got[i].type == 0 ? "-" : raw_type_name(got[i].type),
               got[i].listening ? "listening" : "-", text);
        if (!raw_cloexec(got[i].fd))
            return 1;
    }
    for (char **v = environ; *v; v++)
        if (!strncmp(*v, "LISTEN_", 7))
            return 1;
    return fflush(stdout) ? 1 : 0;
}

static int serve(const char *name)
{
    struct unx_activated got[16];
    const int n = unx_activation_adopt(got, 16, UNX_UNSET);
    const int i = n < 0 ? n : unx_activation_find(got, (unsigned)n, name, SOCK_SEQPACKET, UNX_LISTENING, NULL);
    const int fd = i < 0 ? i : unx_accept(got[i].fd, 0, NULL);
    if (fd < 0) {
        printf("%d\n", fd);
        return 1;
    }
    char data[256], answer[600];
    const struct iovec room = {data, sizeof data};
    struct unx_msg in = {.iov = &room, .niov = 1};
    if (unx_recv(fd, &in, 0) != 1)
        return 1;
    const int len = snprintf(answer, sizeof answer, "%s: %.*s", name, (int)in.len, data);
    const struct iovec iov = {answer, (size_t)len};
    struct unx_msg out = {.iov = &iov, .niov = 1};
    return unx_send(fd, &out, 0) != 1;
}

static int secure(void)
{
    uint64_t usec = 1;
    struct unx_activated got[4];
    printf("variables %d %d %d\n", getenv("LISTEN_FDS") != NULL, getenv("NOTIFY_SOCKET") != NULL,
           getenv("WATCHDOG_USEC") != NULL);
    printf("adopt %d\n", unx_activation_adopt(got, 4, UNX_UNSET));
    printf("notify %d\n", unx_notify("READY=1", NULL, 0, UNX_UNSET, 100));
    printf("barrier %d\n", unx_notify_barrier(0, 100));
    const int watched = unx_notify_watchdog(&usec, UNX_UNSET);
    printf("watchdog %d %d\n", watched, (int)usec);
    printf("left %d %d %d\n", getenv("LISTEN_FDS") != NULL, getenv("NOTIFY_SOCKET") != NULL,
           getenv("WATCHDOG_USEC") != NULL);
    fflush(stdout);
    _exit(0); /* a sanitizer has no rights here to look for leaks */
}

int service_main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--list"))
        return list();
    if (argc == 3 && !strcmp(argv[1], "--serve"))
        return serve(argv[2]);
    if (argc == 2 && !strcmp(argv[1], "--secure"))
        return secure();
    return -1;
}

pid_t start_program(const char *const argv[], int *out, void (*between)(void *arg), void *arg)
{
    int p[2];
    CHECK(pipe2(p, O_CLOEXEC) == 0);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(dup2(p[1], 1) == 1);
        if (between)
            between(arg);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    close(p[1]);
    *out = p[0];
    return pid;
}

const char *read_all(int fd)
{
    static char text[16384];
    size_t len = 0;
    ssize_t n;
    while ((n = read(fd, text + len, sizeof text - 1 - len)) > 0)
        len += (size_t)n;
    CHECK(n == 0);
    text[len] = 0;
    close(fd);
    return text;
}

int exit_status(pid_t pid)
{
    int status;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

const char *self(void)
{
    static char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK(n > 0);
    path[n] = 0;
    return path;
}
