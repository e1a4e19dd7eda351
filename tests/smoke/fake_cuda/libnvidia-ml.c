/* A libnvidia-ml.so.1 for the tests: one GPU with settings, or a failure as FAKE_NVML_FAULT says. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define API __attribute__((visibility("default")))

API int nvmlInit_v2(void) {
    const char *set = getenv("FAKE_NVML_FAULT");
    return set ? atoi(set) : 0;
}
API const char *nvmlErrorString(int code) { return code == 18 ? "Driver/library version mismatch" : "Unknown Error"; }
API int nvmlSystemGetDriverVersion(char *text, unsigned length) {
    const char *set = getenv("FAKE_NVML_DRIVER");
    snprintf(text, length, "%s", set ? set : "550.54.15");
    return 0;
}
API int nvmlSystemGetCudaDriverVersion_v2(int *version) { return *version = 12040, 0; }
API int nvmlDeviceGetCount_v2(unsigned *count) { return *count = 1, 0; }
API int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    static int devices[8];
    return *device = &devices[index], 0;
}
API int nvmlDeviceGetName(void *d, char *text, unsigned n) { return (void)d, snprintf(text, n, "NVIDIA Test GPU 0"), 0; }
API int nvmlDeviceGetUUID(void *d, char *text, unsigned n) {
    return (void)d, snprintf(text, n, "GPU-00112233-4455-6677-8899-aabbccddeeff"), 0;
}
API int nvmlDeviceGetPersistenceMode(void *d, unsigned *on) { return (void)d, *on = 1, 0; }
API int nvmlDeviceGetEnforcedPowerLimit(void *d, unsigned *mw) { return (void)d, *mw = 700000, 0; }
API int nvmlDeviceGetClockInfo(void *d, int kind, unsigned *mhz) { return (void)d, *mhz = kind == 2 ? 2619 : 1755, 0; }
API int nvmlDeviceGetMaxClockInfo(void *d, int kind, unsigned *mhz) { return (void)d, *mhz = kind == 2 ? 2619 : 1980, 0; }
API int nvmlDeviceGetEccMode(void *d, unsigned *now, unsigned *pending) { return (void)d, *now = *pending = 1, 0; }
