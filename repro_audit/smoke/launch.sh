# Finds a Python in the image and hands it the probe, which comes on standard input. Where there is none of 3.6 or
# newer, tells what a shell can: one line per fact, name and value parted by a tab. Run as `sh -c TEXT repro-audit ...`.
printf '\n@@repro-audit-shell@@ reached\n'
limit=
if command -v timeout > /dev/null 2>&1 && timeout 5 true > /dev/null 2>&1; then limit='timeout 20'; fi
first= fitting= tried= old= poor= stuck=
for name in python3 python /opt/conda/bin/python3 /opt/venv/bin/python3 /venv/bin/python3 /app/.venv/bin/python3 \
    /usr/local/bin/python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9 python3.8 \
    python3.7 python3.6; do
    path=$(command -v "$name" 2> /dev/null) || continue
    case " $tried " in *" $path "*) continue ;; esac
    tried="$tried $path"
    # 3: it has no frameworks, 4: it lacks what the probe needs, as Debian's python3-minimal does.
    $limit "$path" -c 'import sys
if sys.version_info < (3, 6): sys.exit(5)
if sys.path[:1] == [""]: del sys.path[0]
try: import ctypes, importlib.util, json, select, shutil, struct, subprocess, zlib
except ImportError: sys.exit(4)
sys.exit(0 if any(map(importlib.util.find_spec, sys.argv[1:])) else 3)' \
        torch tensorflow jax cupy < /dev/null > /dev/null 2>&1
    case $? in
        # Of several, the one that has a framework is the one that the image is for.
        0) fitting=$path && break ;;
        3) [ -n "$first" ] || first=$path ;;
        4) poor="$poor $path" ;;
        124 | 143) stuck="$stuck $path" ;;
        *) old="$old $path" ;;
    esac
done
python=${fitting:-$first}
if [ -n "$python" ]; then
    exec "$python" -B - "$@"
fi

say() { printf '%s\t%s\n' "$1" "$2"; }
first_line() { line= && { IFS= read -r line || [ -n "$line" ]; } 2> /dev/null < "$1" && say "$2" "$line"; }

printf '\n@@repro-audit-shell@@ begin\n'
for path in $old; do say old-python "$path"; done
for path in $poor; do say poor-python "$path"; done
for path in $stuck; do say stuck-python "$path"; done
for path in /dev/nvidia* /dev/nvhost-* /dev/nvmap /dev/dxg; do
    if [ -c "$path" ]; then
        if [ -r "$path" ] && [ -w "$path" ]; then say node "$path"; else say closed-node "$path"; fi
    fi
done
[ -r /proc/driver/nvidia/version ] && first_line /proc/driver/nvidia/version kernel-driver
if [ -r /etc/os-release ]; then
    while IFS= read -r line; do
        case $line in PRETTY_NAME=*) say system "${line#PRETTY_NAME=}" ;; esac
    done < /etc/os-release
fi
for path in /lib/ld-musl-*; do [ -e "$path" ] && say libc musl; done
for name in CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES NVIDIA_DRIVER_CAPABILITIES NVIDIA_REQUIRE_CUDA CUDA_VERSION \
    NVIDIA_DISABLE_REQUIRE CUDA_DEVICE_ORDER LD_LIBRARY_PATH LD_PRELOAD; do
    eval "given=\${$name+given} value=\${$name-}"
    [ -n "$given" ] && say environment "$name=$value"
done
IFS_WAS=$IFS
IFS=:
for folder in $LD_LIBRARY_PATH /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu /usr/lib64 /usr/lib /usr/lib/wsl/lib \
    /usr/local/nvidia/lib64 /usr/local/cuda/lib64 /usr/local/cuda/compat; do
    IFS=$IFS_WAS
    for path in "$folder"/libcuda.so.1 "$folder"/libnvidia-ml.so.1 "$folder"/libcudart.so.*.* "$folder"/libcudnn.so.*.* \
        "$folder"/libnccl.so.*.* "$folder"/libcublas.so.*.*; do
        [ -e "$path" ] && say library "$path"
    done
done
IFS=$IFS_WAS
for path in /usr/local/cuda/version.txt /usr/local/cuda/version.json; do
    if [ -r "$path" ]; then
        while IFS= read -r line; do say cuda-version "$line"; done < "$path"
    fi
done
say limit "memlock $(ulimit -l 2> /dev/null)"
say limit "nofile $(ulimit -n 2> /dev/null)"
command -v df > /dev/null 2>&1 && df -k /dev/shm 2> /dev/null | while IFS= read -r line; do say shm "$line"; done
if command -v nvidia-smi > /dev/null 2>&1; then
    answer=$($limit nvidia-smi --query-gpu=index,name,driver_version,uuid,pci.bus_id,memory.total \
        --format=csv,noheader,nounits 2>&1 < /dev/null)
    say nvidia-smi "$?"
    printf '%s\n' "$answer" | while IFS= read -r line; do say gpu "$line"; done
fi
printf '@@repro-audit-shell@@ end\n'
