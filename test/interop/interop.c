// SPDX-License-Identifier: MIT
/*
 * Starting other programs, and a world of their own (interop.h).
 *
 * Promises: a peer is killed with the case that started it, whatever happens (it stays in its process group), and
 * what it does to /run, /dev or to abstract names does not leave its namespaces.
 *
 * What surprised us: root in a container has often no right to mount, so both ways into a world, as root and as a user,
 * may end in a skip.
 */
#include "interop.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unx/activation.h>

static char text[1 << 20];

static int is_below(const char *root, const char *program, char *path, size_t size)
{
    static const char *const dirs[] = {"/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/lib/systemd", "/lib/systemd"};
    for (unsigned i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        const int n = snprintf(path, size, "%s%s/%s", root, dirs[i], program);
        if (n > 0 && (size_t)n < size && access(path, X_OK) == 0)
            return 1;
    }
    return 0;
}

const char *need(const char *program)
{
    static char paths[4][512];
    static unsigned next;
    const char *root = getenv("UNX_INTEROP_ROOT");
    char *path = paths[next++ % 4];
    if ((root && is_below(root, program, path, sizeof paths[0])) || is_below("", program, path, sizeof paths[0]))
        return path;
    SKIP("%s is not installed", program);
}

void need_libsystemd(void)
{
    const char *const argv[] = {"python3", "-c", "import ctypes; ctypes.CDLL('libsystemd.so.0')", NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    int status;
    close(p.in);
    close(p.out);
    CHECK_INT(waitpid(p.pid, &status, 0), p.pid);
    if (status)
        SKIP("no python3 with ctypes, or no libsystemd.so.0");
}

/* ---- the peer ---- */

static void run_peer(const char *path, const char *const argv[], void (*setup)(void *), void *arg)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_DFL);
    if (!getenv("UNX_INTEROP_VERBOSE")) {
        const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        CHECK(null >= 0 && dup2(null, 2) == 2);
    }
    if (setup)
        setup(arg);
    execv(path, (char *const *)argv);
    _exit(127);
}

struct peer peer_start(const char *const argv[], void (*setup)(void *), void *arg)
{
    return peer_start_as(argv[0][0] == '/' ? argv[0] : need(argv[0]), argv, setup, arg);
}

struct peer peer_start_as(const char *path, const char *const argv[], void (*setup)(void *), void *arg)
{
    int in[2], out[2];
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK(dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1);
        run_peer(path, argv, setup, arg);
    }
    close(in[0]);
    close(out[1]);
    return (struct peer){pid, in[1], out[0]};
}

void peer_say(struct peer *p, const void *data, size_t n)
{
    for (size_t done = 0; done < n;) {
        const ssize_t k = write(p->in, (const char *)data + done, n - done);
        CHECK(k > 0);
        done += (size_t)k;
    }
}

void peer_hang_up(struct peer *p)
{
    close(p->in);
    p->in = -1;
}

/* 0: the end. */
static size_t peer_read(const struct peer *p, char *to, size_t max)
{
    struct pollfd pfd = {.fd = p->out, .events = POLLIN};
    CHECK(poll(&pfd, 1, PEER_WAIT) == 1);
    const ssize_t n = read(p->out, to, max);
    CHECK(n >= 0);
    return (size_t)n;
}

void peer_says(struct peer *p, const void *data, size_t n)
{
    CHECK(n <= sizeof text);
    size_t len = 0;
    for (size_t k = 1; len < n && k; len += k)
        k = peer_read(p, text + len, n - len);
    CHECK_MEM(text, len, data, n);
}

const char *peer_line(struct peer *p)
{
    size_t len = 0;
    while (peer_read(p, text + len, 1) == 1 && text[len] != '\n')
        CHECK(++len < sizeof text - 1);
    text[len] = 0;
    return text;
}

const char *peer_all(struct peer *p, size_t *n)
{
    *n = 0;
    for (size_t k = 1; k; *n += k) {
        CHECK(*n < sizeof text - 1);
        k = peer_read(p, text + *n, sizeof text - 1 - *n);
    }
    text[*n] = 0;
    return text;
}

void peer_says_line(struct peer *p, const char *want)
{
    const char *line = peer_line(p);
    CHECK_MEM(line, strlen(line), want, strlen(want));
}

void peer_says_end(struct peer *p)
{
    size_t n;
    const char *all = peer_all(p, &n);
    CHECK_MEM(all, n, "", 0);
}

static int peer_wait(struct peer *p)
{
    int status;
    if (p->in >= 0)
        close(p->in);
    if (p->out >= 0)
        close(p->out);
    p->in = p->out = -1;
    CHECK_INT(waitpid(p->pid, &status, 0), p->pid);
    return status;
}

void peer_ends(struct peer *p, int want)
{
    const int status = peer_wait(p);
    if (WIFSIGNALED(status))
        harness_fail(__FILE__, __LINE__, "the peer was killed by signal %d", WTERMSIG(status));
    CHECK_INT(WEXITSTATUS(status), want);
}

void peer_stop(struct peer *p, int sig)
{
    CHECK_INT(kill(p->pid, sig), 0);
    const int status = peer_wait(p);
    if (WIFSIGNALED(status))
        CHECK_INT(WTERMSIG(status), sig);
    else
        CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 128 + sig);
}

static void pass_fds(const int *fds, unsigned nfds, const char *const *names, const char *notify)
{
    static char *env[512], block[UNX_ACTIVATION_TEXT + 4096];
    const struct unx_addr to = notify ? ours_addr(notify) : (struct unx_addr){0};
    const struct unx_activation a = {.fds = fds,
                                     .nfds = nfds,
                                     .names = names,
                                     .notify = notify ? &to : NULL,
                                     .inherit = environ,
                                     .env = env,
                                     .env_max = 512,
                                     .text = block,
                                     .text_max = sizeof block};
    CHECK_INT(unx_activation_pass(&a, 0), 0);
    environ = env;
}

void peer_activate(void *arg)
{
    const struct activate *a = arg;
    pass_fds(a->fds, a->nfds, a->names, a->notify);
}

/* ---- a world of its own ---- */

static void write_map(const char *path, const char *line)
{
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, line, strlen(line)) < 0)
        SKIP("no user namespace here: %s", strerror(errno));
    close(fd);
}

void world(void)
{
    char line[64];
    const uid_t uid = geteuid();
    const gid_t gid = getegid();
    if (unshare(CLONE_NEWNS | CLONE_NEWNET | (uid ? CLONE_NEWUSER : 0)))
        SKIP("no namespaces of our own here: %s", strerror(errno));
    if (uid) {
        write_map("/proc/self/setgroups", "deny");
        snprintf(line, sizeof line, "0 %u 1", uid);
        write_map("/proc/self/uid_map", line);
        snprintf(line, sizeof line, "0 %u 1", gid);
        write_map("/proc/self/gid_map", line);
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", "/run", "tmpfs", 0, "mode=0755"))
        SKIP("mounting is not permitted here: %s", strerror(errno));
}

void world_empty(const char *directory)
{
    if (access(directory, F_OK) == 0)
        CHECK(mount("none", directory, "tmpfs", 0, "mode=0755") == 0);
}

void world_over(const char *path, const char *content)
{
    world_file("/run/over", content);
    CHECK(mount("/run/over", path, NULL, MS_BIND, NULL) == 0);
    CHECK_INT(unlink("/run/over"), 0);
}

void world_file(const char *path, const char *content)
{
    char part[256];
    CHECK(!strncmp(path, "/run/", 5) && strlen(path) < sizeof part);
    for (const char *p = path + 5; (p = strchr(p, '/')); p++) {
        snprintf(part, sizeof part, "%.*s", (int)(p - path), path);
        CHECK(mkdir(part, 0755) == 0 || errno == EEXIST);
    }
    if (!content)
        return;
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

/* ---- descriptors ---- */

int file_with(const char *name, const char *content)
{
    const int fd = open(raw_file(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, content, strlen(content)), strlen(content));
    CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

void check_same_file(int arrived, int original)
{
    CHECK(arrived >= 0 && arrived != original);
    CHECK(raw_cloexec(arrived));
    CHECK(raw_same_file(arrived, original));
    close(arrived);
}

void check_file_text(int arrived, const char *want)
{
    CHECK(arrived >= 0 && raw_cloexec(arrived));
    const ssize_t n = pread(arrived, text, sizeof text, 0);
    CHECK(n >= 0);
    CHECK_MEM(text, (size_t)n, want, strlen(want));
    close(arrived);
}

const char *abstract_name(const char *word)
{
    static char names[4][128];
    static unsigned next;
    char *name = names[next++ % 4];
    snprintf(name, sizeof names[0], "@%s", raw_name(word));
    return name;
}
