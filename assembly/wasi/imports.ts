/**
 * What the command asks of its host: twelve functions of wasi_snapshot_preview1, those that every host has (no
 * fd_pread, no fd_filestat_get). Each returns an errno, 0 for success; results are written where a pointer says.
 */

@external("wasi_snapshot_preview1", "args_sizes_get")
export declare function args_sizes_get(count: usize, bytes: usize): u32;

@external("wasi_snapshot_preview1", "args_get")
export declare function args_get(pointers: usize, bytes: usize): u32;

@external("wasi_snapshot_preview1", "fd_prestat_get")
export declare function fd_prestat_get(fd: u32, prestat: usize): u32;

@external("wasi_snapshot_preview1", "fd_prestat_dir_name")
export declare function fd_prestat_dir_name(fd: u32, name: usize, length: u32): u32;

@external("wasi_snapshot_preview1", "path_open")
export declare function path_open(
  folder: u32, lookup: u32, path: usize, length: u32, create: u32, rights: u64, inherited: u64, flags: u32, fd: usize,
): u32;

@external("wasi_snapshot_preview1", "fd_fdstat_get")
export declare function fd_fdstat_get(fd: u32, stat: usize): u32;

@external("wasi_snapshot_preview1", "fd_seek")
export declare function fd_seek(fd: u32, offset: i64, whence: u32, position: usize): u32;

@external("wasi_snapshot_preview1", "fd_read")
export declare function fd_read(fd: u32, vectors: usize, count: u32, read: usize): u32;

@external("wasi_snapshot_preview1", "fd_write")
export declare function fd_write(fd: u32, vectors: usize, count: u32, written: usize): u32;

@external("wasi_snapshot_preview1", "fd_close")
export declare function fd_close(fd: u32): u32;

@external("wasi_snapshot_preview1", "clock_time_get")
export declare function clock_time_get(clock: u32, precision: u64, time: usize): u32;

@external("wasi_snapshot_preview1", "proc_exit")
export declare function proc_exit(status: u32): void;

export namespace Errno {
  export const ACCES: u32 = 2;
  export const BADF: u32 = 8;
  export const ISDIR: u32 = 31;
  export const NOENT: u32 = 44;
  export const NOSPC: u32 = 51;
  export const PERM: u32 = 63;
  export const PIPE: u32 = 64;
  export const NOTCAPABLE: u32 = 76;
}

export namespace Rights {
  export const READ: u64 = 2;
  /** To seek and to tell: WAMR seeks only where both are allowed. */
  export const SEEK: u64 = 4 | 32;
  export const WRITE: u64 = 64;
}

/** What a descriptor is, the first byte that fd_fdstat_get writes: a terminal is a device of characters. */
export const CHARACTER_DEVICE: u8 = 2;

export namespace Create {
  export const CREATE: u32 = 1;
  export const TRUNCATE: u32 = 8;
}

/** To open a pipe without waiting for who writes to it. */
export const NONBLOCK: u32 = 4;

export const SEEK_SET: u32 = 0;
export const SEEK_END: u32 = 2;
export const CLOCK_REALTIME: u32 = 0;
export const CLOCK_MONOTONIC: u32 = 1;
