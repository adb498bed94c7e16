/* Runs the inputs under tests/fuzz/corpus/<target>/ through their targets. A target without inputs is a failure. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1u << 20)

static int replay_file(const char *path, fuzz_target *target)
{
    unsigned char *data;
    size_t length;
    struct err err;
    if (file_read(path, INPUT_MAX, &data, &length, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    /* A block of the exact size: any read beyond the input is seen. */
    unsigned char *exact = malloc(length ? length : 1);
    if (exact && length)
        memcpy(exact, data, length);
    if (exact)
        target(exact, length);
    free(exact);
    free(data);
    return 0;
}

static int replay_folder(const char *folder, const char *name, fuzz_target *target)
{
    char path[512];
    int count = 0, failed = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s/%s", folder, name, entry->d_name);
        failed |= replay_file(path, target);
        count++;
    }
    if (dir)
        closedir(dir);
    printf("%-12s %d inputs\n", name, count);
    if (count == 0)
        fprintf(stderr, "no inputs for target %s in %s\n", name, folder);
    return failed || count == 0;
}

int main(int argc, char **argv)
{
    const char *folder = argc > 1 ? argv[1] : "tests/fuzz/corpus";
    struct err err;
    int failed = log_open("replay", LOG_ERROR, NULL, &err) != 0;
#define REPLAY(name) failed |= replay_folder(folder, #name, fuzz_##name);
    FUZZ_TARGETS(REPLAY)
#undef REPLAY
    return failed;
}
