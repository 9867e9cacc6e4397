// SPDX-License-Identifier: MIT
/*
 * Fuzz target: what `unx` prints of what peers sent, and how it splits its input into lines. Every byte of a message
 * comes back out of its quoted form and out of its JSON, whatever it was; nothing that could steer a terminal is
 * printed; lines are the same in whatever pieces the input comes.
 */
#include "tool_inside.h"

#include <stdlib.h>
#include <string.h>

static void check_quote(const unsigned char *p, size_t n)
{
    struct text t = {0}, back = {0};
    text_quote(&t, p, n);
    CHECK_INT(tool_unquote(t.p, &back), t.len);
    CHECK_MEM(back.p, back.len, p, n);
    text_free(&back);
    text_free(&t);
}

static void check_json(const unsigned char *p, size_t n)
{
    struct text t = {0}, back = {0};
    text_puts(&t, "{");
    json_number(&t, "before", (long long)n - 3);
    json_bytes(&t, "data", p, n);
    json_null(&t, "none");
    json_bool(&t, "true", n % 2);
    text_puts(&t, "}\n");
    tool_check_json(&t);
    text_puts(&back, "");
    CHECK(tool_json_bytes(&t, "data", &back));
    CHECK_MEM(back.p, back.len, p, n);
    CHECK_INT(strstr(t.p, "\"data_base64\":") == NULL, tool_utf8((const char *)p, n));
    text_free(&back);
    text_free(&t);
}

/* A message as listen and recv show it, with everything that can be said of it. */
static void check_message(struct bytes *in, const unsigned char *p, size_t n)
{
    static const int fds[2] = {0, 0};
    const unsigned how = take_byte(in);
    char *path = take_text(in, '\n', 100), *label = take_text(in, '\n', 50);
    struct unx_addr from;
    struct who who = {.cred = {(pid_t)take_number(in, 40000), take_number(in, 70000), take_byte(in), take_byte(in) % 8},
                      .label = label,
                      .program = path};
    const bool named = unx_addr_abstract(&from, path, strlen(path)) == 0;
    const struct message m = {.data = (const char *)p,
                              .len = n,
                              .fds = fds,
                              .nfds = how & 1 ? 2 : 0,
                              .type = SOCK_SEQPACKET,
                              .number = how & 2 ? 7 : 0,
                              .connection = how & 4 ? 3 : 0,
                              .peer = how & 8 ? &who : NULL,
                              .sender = how & 16 ? &who : NULL,
                              .pidfd = how & 32 ? &who : NULL,
                              .timed = how & 64,
                              .time_ns = how & 128 ? -1 : (int64_t)((uint64_t)take_number(in, 1u << 31) << 32) + 5,
                              .from = named ? &from : NULL};
    struct text t = {0}, json = {0}, back = {0};
    message_show(&m, false, &t);
    tool_check_printable(&t);
    message_show(&m, true, &json);
    tool_check_json(&json);
    const char *data = strstr(t.p, "\n  data: ");
    CHECK(data != NULL);
    tool_unquote(data + strlen("\n  data: "), &back);
    CHECK_MEM(back.p, back.len, p, n);
    back.len = 0;
    CHECK(tool_json_bytes(&json, "data", &back));
    CHECK_MEM(back.p, back.len, p, n);
    text_free(&t);
    text_free(&json);
    text_free(&back);
    free(path);
    free(label);
}

static void check_lines(struct bytes *in, const unsigned char *p, size_t n)
{
    struct line_input lines = {0};
    const char *line;
    size_t len, at = 0;
    int r;
    tool_reset();
    fuzz_tool.input = (const char *)p;
    fuzz_tool.len = n;
    fuzz_tool.piece = take_byte(in);
    while ((r = input_line(&lines, &line, &len)) == 1) {
        const unsigned char *end = at < n ? memchr(p + at, '\n', n - at) : NULL;
        const size_t want = end != NULL ? (size_t)(end - p) - at : n - at;
        CHECK(at < n);
        CHECK_MEM(line, len, p + at, want);
        at += want + (end != NULL);
    }
    CHECK(r == 0 && at == n);
    text_free(&lines.text);
    tool_reset();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    struct bytes how = {data, size < 200 ? size / 2 : 100};
    in.p += how.n;
    in.n -= how.n;
    size_t n;
    unsigned char *p = take_block(&in, 4096, &n);
    check_quote(p, n);
    check_json(p, n);
    check_lines(&how, p, n);
    check_message(&how, p, n);
    free(p);
    return 0;
}
