/* A libcuda.so.1 that plays a GPU for the tests of the probe: it computes what the probe's kernel computes, on host
 * memory, and fails as FAKE_CUDA_FAULT says. Devices: FAKE_CUDA_DEVICES (default 1). */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))
typedef uint64_t ptr;

static int ready;

static int fault(const char *name) {
    const char *set = getenv("FAKE_CUDA_FAULT");
    return set && strcmp(set, name) == 0;
}

/* A fault written FUNCTION=CODE makes that function return that code. */
static int told(const char *function) {
    const char *set = getenv("FAKE_CUDA_FAULT");
    size_t length = strlen(function);
    if (set && strncmp(set, function, length) == 0 && set[length] == '=') return atoi(set + length + 1);
    if (set && strncmp(set, function, length) == 0 && set[length] == '!') {
        if (strcmp(set + length, "!hang") == 0) for (;;) pause();
        if (strcmp(set + length, "!segfault") == 0) raise(SIGSEGV);
        if (strcmp(set + length, "!exit") == 0) _exit(3);
    }
    return 0;
}

static int count(void) {
    const char *all = getenv("FAKE_CUDA_DEVICES"), *visible = getenv("CUDA_VISIBLE_DEVICES");
    int n = all ? atoi(all) : 1, seen = 0;
    if (getenv("FAKE_CUDA_NODES")) { /* as many as the container was given */
        char node[32];
        n = 0;
        for (int i = 0; i < 16; i++) {
            snprintf(node, sizeof node, "/dev/nvidia%d", i);
            n += access(node, F_OK) == 0;
        }
    }
    if (!visible) return n;
    char copy[256];
    snprintf(copy, sizeof copy, "%s", visible);
    for (char *part = strtok(copy, ","); part; part = strtok(NULL, ",")) {
        char *end;
        long index = strtol(part, &end, 10);
        if (end == part || index < 0 || index >= n) break; /* the first one that does not exist ends the list */
        seen++;
    }
    return seen;
}

API int cuInit(unsigned flags) {
    (void)flags;
    int code = told("cuInit");
    if (code) return code;
    if (count() == 0) return 100;
    ready = 1;
    fprintf(stderr, "fake driver: initialised\n");
    return 0;
}

API int cuDriverGetVersion(int *version) {
    const char *set = getenv("FAKE_CUDA_VERSION");
    *version = set ? atoi(set) : 12040;
    return told("cuDriverGetVersion");
}

API int cuDeviceGetCount(int *n) {
    if (!ready) return 3;
    *n = count();
    return told("cuDeviceGetCount");
}

API int cuDeviceGet(int *device, int index) {
    if (index < 0 || index >= count()) return 101;
    *device = index;
    return told("cuDeviceGet");
}

API int cuDeviceGetName(char *name, int length, int device) {
    snprintf(name, length, "NVIDIA Test GPU %d", device);
    return 0;
}

API int cuDeviceGetAttribute(int *value, int attribute, int device) {
    const char *set = getenv("FAKE_CUDA_CAPABILITY"); /* 90 for 9.0 */
    int capability = set ? atoi(set) : 90;
    (void)device;
    switch (attribute) {
    case 75: *value = capability / 10; return 0;
    case 76: *value = capability % 10; return 0;
    case 16: *value = 132; return 0;
    case 13: *value = 1980000; return 0;
    case 36: *value = 2619000; return 0;
    case 32: *value = 1; return 0;
    case 20: case 18: *value = 0; return 0;
    }
    return 1;
}

API int cuDeviceTotalMem_v2(size_t *bytes, int device) {
    (void)device;
    *bytes = (size_t)80 << 30;
    return 0;
}

API int cuDeviceGetUuid(unsigned char *uuid, int device) {
    for (int i = 0; i < 16; i++) uuid[i] = (unsigned char)(i * 17 + device);
    return 0;
}

API int cuDeviceGetPCIBusId(char *id, int length, int device) {
    snprintf(id, length, "0000:%02X:00.0", 0x1b + device);
    return 0;
}

API int cuDevicePrimaryCtxRetain(void **context, int device) {
    static int contexts[16];
    *context = &contexts[device];
    return told("cuDevicePrimaryCtxRetain");
}

API int cuDevicePrimaryCtxRelease_v2(int device) { (void)device; return 0; }
API int cuCtxSetCurrent(void *context) { (void)context; return told("cuCtxSetCurrent"); }
API int cuCtxSynchronize(void) { return told("cuCtxSynchronize"); }

API int cuMemGetInfo_v2(size_t *free, size_t *total) {
    *free = fault("memory-full") ? 1 << 20 : (size_t)79 << 30;
    *total = (size_t)80 << 30;
    return 0;
}

API int cuMemAlloc_v2(ptr *pointer, size_t bytes) {
    int code = told("cuMemAlloc");
    if (code) return code;
    if (fault("memory-full")) return 2;
    *pointer = (ptr)(uintptr_t)malloc(bytes);
    return 0;
}

API int cuMemFree_v2(ptr pointer) {
    free((void *)(uintptr_t)pointer);
    return 0;
}

API int cuMemcpyHtoD_v2(ptr to, const void *from, size_t bytes) {
    int code = told("cuMemcpyHtoD");
    if (!code) memcpy((void *)(uintptr_t)to, from, bytes);
    return code;
}

API int cuMemcpyDtoH_v2(void *to, ptr from, size_t bytes) {
    int code = told("cuMemcpyDtoH");
    if (code) return code;
    memcpy(to, (void *)(uintptr_t)from, bytes);
    if (fault("copy-flips-a-bit") && bytes > 500000) ((unsigned char *)to)[bytes / 2] ^= 4;
    return 0;
}

API int cuModuleLoadDataEx(void **module, const void *image, unsigned n, int *options, void **values) {
    int code = told("cuModuleLoadDataEx");
    static int loaded;
    if (code) {
        if (n >= 1 && options[0] == 5) snprintf(values[0], 200, "ptxas fatal: the log of the compiler in the driver");
        return code;
    }
    /* As the driver's compiler would, refuse what is no PTX for a 64-bit target. */
    if (!strstr(image, ".version") || !strstr(image, ".target sm_") || !strstr(image, ".visible .entry repro_audit_axpy"))
        return 218;
    *module = &loaded;
    return 0;
}

API int cuModuleGetFunction(void **function, void *module, const char *name) {
    (void)module;
    if (strcmp(name, "repro_audit_axpy")) return 500;
    *function = (void *)name;
    return told("cuModuleGetFunction");
}

API int cuModuleUnload(void *module) { (void)module; return 0; }

API int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                       unsigned shared, void *stream, void **arguments, void **extra) {
    int code = told("cuLaunchKernel");
    (void)function, (void)shared, (void)stream, (void)extra;
    if (code) return code;
    const uint32_t *x = (void *)(uintptr_t)*(ptr *)arguments[0], *y = (void *)(uintptr_t)*(ptr *)arguments[1];
    uint32_t *out = (void *)(uintptr_t)*(ptr *)arguments[2];
    unsigned n = *(uint32_t *)arguments[3], factor = *(uint32_t *)arguments[4];
    for (unsigned i = 0; i < gx * gy * gz * bx * by * bz; i++)
        if (i < n) out[i] = factor * x[i] + y[i];
    if (fault("kernel-wrong")) out[n - 1] += 1;
    return 0;
}

API int cuDeviceCanAccessPeer(int *can, int device, int other) {
    *can = device != other && !fault("no-peer");
    return 0;
}

static const struct { int code; const char *name, *text; } errors[] = {
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {34, "CUDA_ERROR_STUB_LIBRARY", "CUDA driver is a stub library"},
    {46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {221, "CUDA_ERROR_JIT_COMPILER_NOT_FOUND", "PTX JIT compiler library not found"},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver / cuda driver combination"},
    {804, "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
     "forward compatibility was attempted on non supported HW"},
    {999, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

API int cuGetErrorName(int code, const char **text) {
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code) return *text = errors[i].name, 0;
    return 1;
}

API int cuGetErrorString(int code, const char **text) {
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == code) return *text = errors[i].text, 0;
    return 1;
}
