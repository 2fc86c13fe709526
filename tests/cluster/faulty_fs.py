#!/usr/bin/python3
"""faulty_fs.py BACKING MOUNTPOINT FAULT - shows the directory BACKING at MOUNTPOINT as a bad day on shared storage does.

Root is nobody there, as on NFS with root_squash. And what the file FAULT says comes true for everybody, at once, in what is
below MOUNTPOINT/bed, where the store of the cluster "bed" is:
  full    nothing more can be written, though there seem to be free blocks (a quota, another node's data)
  tight   no block is free, and everybody can see it
  broken  every operation is an I/O error
  hung    nothing is answered until it says something else
anything else, or no such file: nothing.

Runs on a node of the bed, as root; ends when it is unmounted.
"""

import errno
import os
import sys
import time

from fusepy import FUSE, FuseOSError, Operations, fuse_get_context

NOBODY = 65534
WRITING = {"create", "mkdir", "mknod", "symlink", "link", "write", "truncate"}


class Faulty(Operations):
    def __init__(self, backing, fault):
        self.backing = backing
        self.fault_file = fault

    def fault(self):
        try:
            with open(self.fault_file) as file:
                return file.read().strip()
        except FileNotFoundError:
            return ""

    def __call__(self, name, path, *arguments):
        if name in ("init", "destroy"):
            return None
        is_store = path is not None and path.startswith("/bed")
        while (fault := self.fault() if is_store else "") == "hung":
            time.sleep(0.05)
        if fault == "broken":
            raise FuseOSError(errno.EIO)
        if fault in ("full", "tight") and name in WRITING:
            raise FuseOSError(errno.ENOSPC)
        if not hasattr(self, name):
            raise FuseOSError(errno.ENOSYS)
        uid, gid, _ = fuse_get_context()
        os.setgroups([])
        os.setegid(gid if uid else NOBODY)
        os.seteuid(uid or NOBODY)
        try:
            return getattr(self, name)(None if path is None else self.backing + path, *arguments)
        except OSError as error:
            raise FuseOSError(error.errno) from None
        finally:
            os.seteuid(0)
            os.setegid(0)

    def getattr(self, path, fh=None):
        status = os.lstat(path)
        names = ("st_atime", "st_ctime", "st_gid", "st_ino", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid", "st_blocks")
        return {name: getattr(status, name) for name in names}

    def readdir(self, path, fh):
        return [".", "..", *os.listdir(path)]

    def statfs(self, path):
        facts = os.statvfs(path)
        names = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files", "f_flag", "f_frsize", "f_namemax")
        shown = {name: getattr(facts, name) for name in names}
        if self.fault() == "tight":
            shown["f_bavail"] = shown["f_bfree"] = 0
        return shown

    def access(self, path, mode):
        if not os.access(path, mode, effective_ids=True):
            raise FuseOSError(errno.EACCES)

    def open(self, path, flags):
        return os.open(path, flags & ~os.O_NOFOLLOW)

    def create(self, path, mode, fi=None):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def read(self, path, size, offset, fh):
        return os.pread(fh, size, offset)

    def write(self, path, data, offset, fh):
        return os.pwrite(fh, data, offset)

    def truncate(self, path, length, fh=None):
        os.truncate(path if fh is None else fh, length)

    def flush(self, path, fh):
        return 0

    def fsync(self, path, datasync, fh):
        os.fsync(fh)

    def release(self, path, fh):
        os.close(fh)

    def opendir(self, path):
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY))
        return 0

    def releasedir(self, path, fh):
        return 0

    def fsyncdir(self, path, datasync, fh):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def readlink(self, path):
        return os.readlink(path)

    def symlink(self, path, target):
        os.symlink(target, path)

    def link(self, path, target):
        os.link(self.backing + target, path)

    def mknod(self, path, mode, device):
        os.mknod(path, mode, device)

    def mkdir(self, path, mode):
        os.mkdir(path, mode)

    def rmdir(self, path):
        os.rmdir(path)

    def unlink(self, path):
        os.unlink(path)

    def rename(self, old, new):
        os.rename(old, self.backing + new)

    def chmod(self, path, mode):
        os.chmod(path, mode)

    def chown(self, path, uid, gid):
        os.chown(path, uid if uid != 0xFFFFFFFF else -1, gid if gid != 0xFFFFFFFF else -1, follow_symlinks=False)

    def utimens(self, path, times=None):
        os.utime(path, times, follow_symlinks=False)


if __name__ == "__main__":
    os.umask(0)
    FUSE(
        Faulty(sys.argv[1], sys.argv[3]),
        sys.argv[2],
        nothreads=True,
        allow_other=True,
        nonempty=True,
        use_ino=True,
        attr_timeout=0,
        entry_timeout=0,
    )
