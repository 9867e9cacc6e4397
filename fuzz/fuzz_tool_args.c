// SPDX-License-Identifier: MIT
/*
 * Fuzz target: the arguments of `unx`. Any list of words is run as the command would be; the verbs that do something
 * only look at what was understood, `unx addr` and every --help do all that they do.
 *
 * A wrong argument is status 2 and says so in printable lines; what is understood is within the limits that unx(1)
 * names; what `unx addr` calls the canonical text means the same address.
 */
#include "tool_inside.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 24

static const char *const words[] = {
    "listen",    "connect", "send",     "recv",        "activate",   "peer",    "addr",     "--help",
    "--version", "--type",  "stream",   "--accept",    "--children", "--name",  "--mode",   "--backlog",
    "--allow",   "--max",   "--once",   "--count",     "--echo",     "--data",  "--empty",  "--lines",
    "--reply",   "--fd",    "--no-fds", "--cred",      "--time",     "--pidfd", "--engine", "--timeout",
    "--json",    "--quiet", "--",       "--seqpacket", "user:root",  "group:0", "anyone",   "same-user,root",
};

static unsigned verbs_run;

static void check_target(const char *text)
{
    struct target t;
    if (!target_parse(&t, text)) {
        CHECK(report_status() == STATUS_USAGE);
        return;
    }
    const int kind = unx_addr_name(&t.addr, NULL, NULL);
    CHECK(kind == UNX_NONE || kind == UNX_PATH || kind == UNX_ABSTRACT);
    CHECK_INT(t.path == NULL, kind == UNX_ABSTRACT);
    CHECK(t.path == NULL || t.path[0] != '\0');
    target_free(&t);
}

int fuzz_verb(const struct options *o)
{
    verbs_run++;
    CHECK(o->timeout >= -1 && o->backlog >= -1 && o->max > 0 && o->max <= (size_t)INT_MAX * 2 && o->count > 0 &&
          o->children > 0);
    CHECK(o->mode == UNX_MODE_UMASK || o->mode <= 07777);
    CHECK(o->type == SOCK_STREAM || o->type == SOCK_SEQPACKET || o->type == SOCK_DGRAM);
    CHECK(o->operand != NULL && o->noperands > 0 && o->operands[0] == o->operand);
    CHECK(o->nfds <= FDS_MAX && (o->nfds == 0 || o->fds[o->nfds - 1][0] != '\0'));
    CHECK(o->command == NULL || o->command[0] != NULL);
    for (unsigned i = 0; i < o->nnames; i++) {
        CHECK(strlen(o->names[i]) <= 255 && strpbrk(o->names[i], ":\\") == NULL);
    }
    CHECK(!o->allow.anyone || (o->allow.policy.nuids == 0 && o->allow.policy.ngids == 0));
    for (unsigned i = 0; i < o->noperands; i++) {
        check_target(o->operands[i]);
    }
    return report_status();
}

/* `unx addr`: the canonical text, given to it again, is the same. */
static void check_addr(const char *operand, bool json)
{
    if (json) {
        struct text name = {0}, text = {0};
        tool_check_json(&fuzz_tool.out);
        text_puts(&name, "");
        text_puts(&text, "");
        CHECK(tool_json_bytes(&fuzz_tool.out, "name", &name) && tool_json_bytes(&fuzz_tool.out, "text", &text));
        struct target a, b;
        CHECK(target_parse(&a, operand) && target_parse(&b, text.p));
        CHECK_INT(unx_addr_compare(&a.addr, &b.addr), 0);
        CHECK((a.path == NULL) == (b.path == NULL) && (a.path == NULL || strcmp(a.path, b.path) == 0));
        CHECK(a.path == NULL || strcmp(a.path, name.p) == 0);
        target_free(&a);
        target_free(&b);
        text_free(&name);
        text_free(&text);
    } else {
        tool_check_printable(&fuzz_tool.out);
    }
}

static char *word(struct bytes *in)
{
    const unsigned first = in->n > 0 ? *in->p : 0;
    const unsigned known = sizeof words / sizeof *words;
    if (first >= 0xc0 && first - 0xc0 < known) {
        take_byte(in);
        if (in->n > 0 && *in->p == '=') {
            char *value = take_text(in, '\n', 300);
            char *both = malloc(strlen(words[first - 0xc0]) + strlen(value) + 1);
            strcat(strcpy(both, words[first - 0xc0]), value);
            free(value);
            return both;
        }
        return strdup(words[first - 0xc0]);
    }
    return take_text(in, '\n', 2000);
}

static bool has(int argc, char **argv, const char *what)
{
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], what) == 0) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    char *argv[WORDS_MAX + 2] = {strdup("unx")}, *kept[WORDS_MAX + 2];
    int argc = 1;
    while (in.n > 0 && argc <= WORDS_MAX) {
        argv[argc++] = word(&in);
    }
    /* getopt_long(3) sorts them. */
    memcpy(kept, argv, sizeof argv);
    tool_reset();
    verbs_run = 0;
    fds_before();
    const int status = tool_main(argc, argv);
    fds_after();
    CHECK(status == 0 || status == STATUS_USAGE);
    CHECK_INT(fuzz_tool.err.len > 0, status != 0);
    tool_check_err();
    const bool addr = argc > 1 && strcmp(argv[1], "addr") == 0;
    if (addr && status == 0 && strncmp(fuzz_tool.out.p, "Usage", 5) != 0) {
        const bool json = fuzz_tool.out.p[0] == '{';
        CHECK(!json || has(argc, argv, "--json") || status == 0);
        for (int i = 2; i < argc; i++) {
            if (argv[i][0] != '-' || argv[i][1] == '\0') {
                check_addr(argv[i], json);
                break;
            }
        }
    } else {
        CHECK(status != 0 || verbs_run == 1 || fuzz_tool.out.len > 0);
        tool_check_printable(&fuzz_tool.out);
    }
    tool_reset();
    for (int i = 0; i < argc; i++) {
        free(kept[i]);
    }
    return 0;
}
