/* libFuzzer's entry for one target: compiled once per target with -DFUZZ_TARGET=fuzz_<name>. */
#include "base/log.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct err err;
    (void)argc, (void)argv;
    return log_open("fuzz", LOG_ERROR, NULL, &err); /* what a target logs of hostile input is no news */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FUZZ_TARGET(data, size);
    return 0;
}
