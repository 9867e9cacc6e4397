// SPDX-License-Identifier: MIT
/*
 * unx addr: what an address in text form means.
 *
 * Promises: it asks the system for nothing but its limits; the canonical text stands for the same bytes in every place
 * where an address is taken.
 */
#include "tool.h"
#include <stdlib.h>
#include <string.h>

/* The bytes of a name in the text form; an address writes its own, this is for paths that no address can hold. */
static void canonical(struct text *t, const char *path)
{
    if (*path == '@') {
        text_puts(t, "\\x40");
        path++;
    }
    for (const char *s = path; *s; s++) {
        if (*s == '\\') {
            text_puts(t, "\\\\");
        } else if (*s < 0x20 || *s > 0x7e) {
            text_printf(t, "\\x%02x", (unsigned char)*s);
        } else {
            text_add(t, s, 1);
        }
    }
}

struct described {
    const char *kind;
    const void *name;
    size_t len;
    bool fits;
    struct text text;
};

static void print(const struct options *o, const struct target *t, const struct described *d)
{
    struct text out = {0};
    const bool absolute = t->path && t->path[0] == '/';
    if (o->json) {
        text_puts(&out, "{");
        json_string(&out, "kind", d->kind);
        json_number(&out, "length", (long long)d->len);
        json_bytes(&out, "name", d->name, d->len);
        json_string(&out, "text", d->text.p);
        if (t->path) {
            json_bool(&out, "absolute", absolute);
        }
        json_bool(&out, "fits", d->fits);
        text_puts(&out, "}\n");
    } else {
        text_printf(&out, "kind: %s%s\nlength: %zu byte%s\nname: ", d->kind,
                    !t->path   ? ""
                    : absolute ? ", absolute"
                               : ", relative",
                    d->len, d->len == 1 ? "" : "s");
        text_quote(&out, d->name, d->len);
        text_printf(&out, "\ntext: %s\n", d->text.p);
        if (!d->fits) {
            text_printf(&out, "note: longer than the %d bytes of an address; unx reaches it all the same\n",
                        unx_limit(UNX_LIMIT_PATH));
        }
    }
    out_write(out.p, out.len);
    text_free(&out);
}

int cmd_addr(const struct options *o)
{
    struct target t;
    struct described d = {0};
    if (!target_parse(&t, o->operand)) {
        return STATUS_USAGE;
    }
    d.fits = t.addr.len > 0;
    if (d.fits) {
        char text[UNX_ADDR_TEXT];
        const int kind = unx_addr_name(&t.addr, &d.name, &d.len);
        const int len = unx_addr_format(&t.addr, text, sizeof(text));
        d.kind = kind == UNX_ABSTRACT ? "abstract" : "path";
        text_add(&d.text, text, len < 0 ? 0 : (size_t)len);
    } else {
        d.kind = "path";
        d.name = t.path;
        d.len = strlen(t.path);
        canonical(&d.text, t.path);
    }
    print(o, &t, &d);
    text_free(&d.text);
    target_free(&t);
    return report_status();
}
