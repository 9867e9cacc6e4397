// SPDX-License-Identifier: MIT
/*
 * What the files of the command `unx` share.
 *
 * It uses the public headers of the library and libc alone: what cannot be written on top of them is missing in them.
 * A verb is one function in one file, cmd_<verb>.c; it returns an exit status (enum status, described in unx(1)).
 */
#ifndef TOOL_H
#define TOOL_H

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unx/engine.h>
#include <unx/listener.h>
#include <unx/policy.h>
#include <unx/unx.h>

/* ---- report.c: exit statuses and what goes to standard error ---- */

enum status {
    STATUS_OK = 0,
    STATUS_SYSTEM = 1,  /* a system error */
    STATUS_USAGE = 2,   /* the arguments, or an input that cannot be sent as asked */
    STATUS_CUT = 3,     /* data too large, cut, or not shown as it came */
    STATUS_FDS = 4,     /* descriptors lost or refused */
    STATUS_PEER = 5,    /* the peer closed or reset early */
    STATUS_NOBODY = 6,  /* nobody is there, or we are not permitted */
    STATUS_TIMEOUT = 7, /* timed out */
    STATUS_PROGRAM = 8, /* the program that was to be run failed */
};

/* What was tried when an error came: the same errno means different things. */
enum doing { DOING_BIND, DOING_CONNECT, DOING_SEND, DOING_RECV, DOING_OTHER };

extern const char *report_verb;

/* One line on standard error, "unx VERB: ...", with everything unprintable escaped. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, and the status is remembered if it is the first failure; returns it. */
int report_fail(enum status status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "WHERE: what the error means (ENAME)"; err is a negative errno value. */
int report_error(enum doing doing, const char *where, int err);
const char *report_errno_name(int err);
/* "1 byte", "2 bytes", good until the next call. */
const char *report_bytes(size_t n);
/* The status of the first failure, or 0. */
int report_status(void);

/* ---- text.c: text that grows, quoting, JSON, standard output ---- */

struct text {
    char *p;
    size_t len, cap;
};

void *must_alloc(void *p, size_t size);
void text_add(struct text *t, const void *p, size_t len);
void text_puts(struct text *t, const char *s);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_free(struct text *t);
/* Bytes in double quotes, in the escapes of the text form of addresses. */
void text_quote(struct text *t, const void *p, size_t len);
/* The same without the quotes. */
void text_escape(struct text *t, const void *p, size_t len);
void json_key(struct text *t, const char *key);
void json_string(struct text *t, const char *key, const char *s);
/* "key":"text" if the bytes are UTF-8, else "key_base64":"...": no byte is replaced. */
void json_bytes(struct text *t, const char *key, const void *p, size_t len);
void json_number(struct text *t, const char *key, long long n);
void json_bool(struct text *t, const char *key, bool b);
void json_null(struct text *t, const char *key);

/* Everything to standard output, in one write(2) where the system lets it. false: there is no going on; standard output
 * is closed (nothing is said: its reader has had enough), or it failed (said, and the status is set). */
bool out_write(const void *p, size_t len);

/* ---- options.c ---- */

/* Who may talk, as --allow has it; the rest is in allow.c. */
struct allow {
    bool given;  /* somebody may be refused, unless anyone */
    bool anyone; /* nobody is asked about */
    struct unx_policy policy;
    uid_t *uids;
    gid_t *gids;
};

struct options {
    int type;
    bool type_given, json, lines, no_fds, cred, quiet, once, echo, reply, empty, mode_given, backlog_given, time, pidfd;
    struct allow allow;
    int timeout; /* milliseconds, -1: no limit */
    int backlog;
    mode_t mode;
    size_t max;
    unsigned count;
    const char *data;
    const char **fds;
    unsigned nfds;
    const char *operand;
    char *const *operands; /* all of them; operand is the first */
    unsigned noperands;
    bool accept, children_given;
    unsigned children;
    const char **names;
    unsigned nnames;
    unsigned engine; /* UNX_ENGINE_*; 0: the best that works */
    const char *engine_name;
    char **command;
};

struct verb {
    const char *name;
    int (*run)(const struct options *o);
    unsigned options; /* OPT_* */
    const char *operand;
    const char *summary;
};

#define OPT_TYPE 0x0001u
#define OPT_JSON 0x0002u
#define OPT_TIMEOUT 0x0004u
#define OPT_LINES 0x0008u
#define OPT_FD 0x0010u
#define OPT_NO_FDS 0x0020u
#define OPT_CRED 0x0040u
#define OPT_QUIET 0x0080u
#define OPT_ONCE 0x0100u
#define OPT_ECHO 0x0200u
#define OPT_MODE 0x0400u
#define OPT_BACKLOG 0x0800u
#define OPT_MAX 0x1000u
#define OPT_REPLY 0x2000u
#define OPT_DATA 0x4000u
#define OPT_EMPTY 0x8000u
#define OPT_COUNT 0x10000u
#define OPT_COMMAND 0x20000u /* takes -- PROGRAM */
#define OPT_ALLOW 0x40000u
#define OPT_TIME 0x80000u
#define OPT_PIDFD 0x100000u
#define OPT_ACCEPT 0x200000u
#define OPT_NAME 0x400000u
#define OPT_CHILDREN 0x800000u
#define OPT_SEQPACKET 0x1000000u
#define OPT_MANY 0x2000000u /* takes any number of addresses, and has to have a program */
#define OPT_ENGINE 0x4000000u

/* true: go on; false: *status is what the process ends with. */
bool options_parse(struct options *o, const struct verb *verb, int argc, char **argv, int *status);
void options_help(const struct verb *verb);
const char *type_name(int type);

int cmd_listen(const struct options *o);
int cmd_connect(const struct options *o);
int cmd_send(const struct options *o);
int cmd_recv(const struct options *o);
int cmd_peer(const struct options *o);
int cmd_activate(const struct options *o);
int cmd_addr(const struct options *o);

/* ---- target.c: an address as it was typed, paths of any length included ---- */

struct target {
    const char *text;
    struct unx_addr addr; /* kind UNX_NONE: a path that does not fit */
    char *path;           /* NULL: not a path */
};

/* false: the text is no address, and a line says why. */
bool target_parse(struct target *t, const char *text);
/* A descriptor or a negative errno value. Options that this kernel lacks are left out where that loses nothing but
 * knowledge about the peer; target_open(): unless they are in `needed`. */
int target_connect(const struct target *t, int type, unsigned flags, int timeout);
int target_open(const struct target *t, struct unx_listener **l, const struct options *o, unsigned flags,
                unsigned needed);
/* One line that says why target_connect(), target_open() failed; returns the status. */
int target_connect_failed(const struct target *t, int err);
int target_open_failed(const struct target *t, int err);
/* Closes *l, if there is one, and removes its socket file; says so if that stays. */
void target_close(const struct target *t, struct unx_listener **l);
void target_free(struct target *t);

/* ---- who.c: a peer ---- */

struct who {
    struct unx_cred cred;
    bool groups_known, pidfd;
    bool runs;       /* it has a pidfd, and ran when that was looked at */
    pid_t pidfd_pid; /* its pid then; 0: it has ended, or this namespace has no number for it */
    gid_t *groups;
    unsigned ngroups;
    char *label;   /* NULL: none */
    char *program; /* NULL: unknown */
};

/* Who opened the connection, or serves it. Nothing is left open. */
void who_connected(struct who *w, int fd);
/* Who sent a message; takes and closes pidfd. */
void who_sent(struct who *w, const struct unx_cred *cred, int pidfd, const char *label);
void who_text(const struct who *w, struct text *t);
void who_json(const struct who *w, struct text *t);
void who_free(struct who *w);

/* ---- fdkind.c: what a descriptor is ---- */

const char *fd_kind(int fd);
void fd_text(int fd, struct text *t);
void fd_json(int fd, struct text *t);
/* Opens those of 0, 1 and 2 that are closed, as nobody can use them. Is this one of these? */
void standard_open(void);
bool standard_closed(int fd);

/* ---- message.c: receiving and showing ---- */

#define FDS_MAX 253
#define MAX_DEFAULT ((size_t)64 << 20)
#define INPUT_MAX ((size_t)64 << 20) /* no kernel takes a packet as large as this */

struct incoming {
    struct unx_msg m;
    bool no_fds;
    struct iovec iov;
    char *buf;
    size_t room;
    int fds[FDS_MAX];
    struct unx_cred cred;
    int pidfd;
    char label[256];
    struct unx_addr from;
};

struct message {
    const char *data;
    size_t len;
    const int *fds;
    unsigned nfds;
    int type;
    unsigned number, connection; /* 0: not counted */
    const struct who *peer;      /* who is connected; NULL: nobody is */
    const struct who *sender;    /* who sent this message; NULL: not asked for */
    const struct who *pidfd;     /* whose pidfd is to be shown; NULL: nobody's */
    bool timed;                  /* the time is to be shown */
    int64_t time_ns;             /* since 1970; -1: not known */
    const struct unx_addr *from; /* the sender's name; NULL: none */
};

/* With no_fds, a message that has descriptors is dropped and reported, where the kernel has not refused it before. */
void incoming_init(struct incoming *in, bool no_fds);
/* As unx_recv() without waiting. The room grows up to max; a packet beyond it is dropped and -EMSGSIZE. */
int incoming_recv(struct incoming *in, int fd, size_t max, unsigned flags);
/* Says what went wrong with one message (m) or the whole socket; returns the status. */
int message_failed(const struct unx_msg *m, bool no_fds, const char *where, int err, size_t max);
int incoming_failed(const struct incoming *in, const char *where, int err, size_t max);
/* Closes what came with it but for what somebody took, and has replaced by -1. */
void incoming_close(struct incoming *in);
void incoming_free(struct incoming *in);
/* A block of lines, or one JSON object. */
void message_show(const struct message *m, bool json, struct text *t);

/* ---- allow.c: who may talk ---- */

/* Adds a list as it was typed; false: a line says what is wrong. */
bool allow_add(struct allow *a, const char *list);
/* What holds at this address without --allow; true: not everybody who can connect is admitted. */
bool allow_default(struct allow *a, const struct target *t);
/* Says so. */
void allow_note(const char *where);
/* NULL: admitted; else why not, without a full stop. */
const char *allow_connection(const struct allow *a, int fd);
const char *allow_message(const struct allow *a, const struct unx_msg *m);
void allow_free(struct allow *a);
/* One line on standard error about it. */
void refusal_report(const char *where, const struct message *m, const char *why);
/* Who was refused (m->connection: the peer of a connection, else the sender of a message) and why. */
void refusal_show(const struct message *m, const char *why, bool json, struct text *t);

/* ---- move.c: moving bytes within a deadline ---- */

int64_t clock_ms(void);
int64_t deadline_after(int timeout); /* -1: never */
int deadline_left(int64_t deadline); /* for poll(2) */
/* Sends one message, waiting until the deadline; on a stream all of it. */
int send_by(int fd, struct unx_msg *m, int64_t deadline);
int send_failed(const char *where, int err, int fd, size_t len, unsigned nfds);
/* Gives a connected datagram socket an address that replies can be sent to; false: a line says why not. */
bool reply_address(int fd, int type);
/* 1: a message is in `in`, 0: the end. */
int recv_by(struct incoming *in, int fd, size_t max, int64_t deadline);
/* One message to standard output as raw bytes or JSON; what raw bytes cannot show is said. false: no going on. */
bool show_received(const struct options *o, struct incoming *in, unsigned number);

/* ---- input.c: what is sent ---- */

/* Opens what --fd names, in order; false: a line says what was wrong. */
bool lend_open(const struct options *o, int *fds);
void lend_close(const struct options *o, int *fds);
/* Adds what standard input has now. 1: go on; 0: the end;
 * -1: it failed, or holds more than any packet, and a line says so. */
int input_more(struct text *t);
/* All of it; false: as above. */
bool input_whole(struct text *t);

struct line_input {
    struct text text;
    size_t at;
    bool ended;
};

/* 1: a line, without its line end, valid until the next call; 0: the end; -1: as above. */
int input_line(struct line_input *in, const char **line, size_t *len);

/* ---- pump.c: both ways at once ---- */

enum pump_mode {
    PUMP_CONNECT, /* both ways, until both have ended */
    PUMP_SEND,    /* standard input alone; there has to be some */
    PUMP_CALL,    /* both ways; there has to be input, and a reply */
};

/* Sends o->data or standard input, and prints what comes. fds are o->nfds descriptors to lend. Returns the status. */
int pump(const struct options *o, int fd, const int *fds, enum pump_mode mode);
/* What is attached to the first packet; false: a line says why not. */
bool own_cred(const struct options *o, struct unx_cred *cred);

/* ---- signals.c ---- */

extern volatile sig_atomic_t ending_signal, child_ended;

/* They are blocked from now on, but while we wait with this mask. */
void signals_catch(sigset_t *while_waiting);
struct pollfd;
/* As poll(2), and they come while it waits; one ends the wait (EINTR). There is room for one more behind the n. */
int signals_poll(struct pollfd *p, unsigned n, int timeout, const sigset_t *while_waiting);
/* As unx_engine_reap(), and they come while it waits; one ends the wait. */
int signals_reap(struct unx_engine *e, struct unx_event *ev, unsigned max, int timeout, const sigset_t *while_waiting);
/* For a program that this process becomes: those that came meanwhile end it. */
void signals_release(void);
/* Dies of it. */
void signals_die(int sig, const sigset_t *while_waiting);

/* ---- run.c: a program for a message ---- */

struct job {
    pid_t pid;
    int in, out; /* our ends, which the caller closes; -1: none */
    char *data;
    size_t len, done;
    struct text reply;
    bool fed, heard; /* nothing more is to be written to it, to be read from it */
    bool over;       /* it printed more than max */
    int wait_status;
    bool ended;
};

/* As pipe(2), both ends close-on-exec. */
int pipe_cloexec(int fds[2]);
/* Makes all descriptors above 2 that were inherited close-on-exec, so that no program gets them. */
void run_keep_private(void);
/* Becomes the program, with these descriptors as sd_listen_fds(3) has them; names may be NULL. Returns a negative errno
 * value if that failed. */
int run_program(char *const *command, const int *fds, unsigned n, const char *const *names);
/* The same in a child; that it failed is said, and ends it. */
void run_or_exit(char *const *command, const int *fds, unsigned n, const char *const *names) __attribute__((noreturn));
/* Sets UNX_PEER_* for it. */
void run_peer(const struct who *w, const struct unx_addr *from);
/* false: a line says how it ended, and the status is set. */
bool run_result(int wait_status, const char *where, const char *program);
/* 0, or a negative errno value and nothing is open. Without capture the program's standard output is ours. */
int job_start(struct job *j, char *const *command, const struct message *m, bool capture);
/* Feeds and reads what can be without waiting. */
void job_step(struct job *j, size_t max);
/* Asks whether the program has ended; true: it has, and everything it printed is in reply. */
bool job_reap(struct job *j, size_t max);
/* true: it succeeded; else a line says what happened, and the status is set. */
bool job_result(const struct job *j, const char *where, const char *program, size_t max);
void job_free(struct job *j);

/* ---- activate_accept.c: a program for each connection ---- */

struct activation {
    const struct options *o;
    struct target *targets; /* o->noperands of them, and of the others */
    struct unx_listener **listeners;
    struct pollfd *polls; /* and one more, for signals_poll() */
    sigset_t while_waiting;
};

/* Until a signal ends it. */
void activate_accept(struct activation *a);

/* ---- serve.c: the loop behind listen and recv ---- */

int serve(const struct options *o, bool is_recv);

#endif
