// SPDX-License-Identifier: MIT
/*
 * Runs a target on files, or on all files of folders, one after the other: the corpora as ordinary tests.
 *
 * Promises: every input is in memory of exactly its size; one that takes longer than a minute ends the program; no
 * input at all is a failure.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static unsigned inputs;

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (f == NULL || fstat(fileno(f), &st) != 0) {
        perror(path);
        exit(2);
    }
    uint8_t *data = malloc((size_t)st.st_size);
    const size_t n = st.st_size > 0 ? fread(data, 1, (size_t)st.st_size, f) : 0;
    fclose(f);
    if (n != (size_t)st.st_size) {
        fprintf(stderr, "%s: cut\n", path);
        exit(2);
    }
    /* Said before, so that it is known which input a crash belongs to. */
    fprintf(stderr, "%s\n", path);
    alarm(60);
    LLVMFuzzerTestOneInput(data, n);
    alarm(0);
    free(data);
    inputs++;
}

static int is_file(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void run(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        perror(path);
        exit(2);
    }
    if (!S_ISDIR(st.st_mode)) {
        run_file(path);
        return;
    }
    struct dirent **list;
    const int n = scandir(path, &list, is_file, alphasort);
    for (int i = 0; i < n; i++) {
        char *file = malloc(strlen(path) + strlen(list[i]->d_name) + 2);
        sprintf(file, "%s/%s", path, list[i]->d_name);
        run(file);
        free(file);
        free(list[i]);
    }
    free(list);
}

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize != NULL) {
        LLVMFuzzerInitialize(&argc, &argv);
    }
    for (int i = 1; i < argc; i++) {
        run(argv[i]);
    }
    printf("%u inputs\n", inputs);
    return inputs == 0;
}
