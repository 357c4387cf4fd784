"""Faults in what a commit keeps, each only where a narrow condition holds: a size, a name, a type, a namespace."""
import os
import re
import stat
import subprocess

from registry import fault
from trees import drop_xattrs, entries, keeping_times, removing, restoring, spoiling_commit, spoiling_each

IS = {"file": stat.S_ISREG, "directory": stat.S_ISDIR, "symlink": stat.S_ISLNK, "fifo": stat.S_ISFIFO,
      "socket": stat.S_ISSOCK, "character": stat.S_ISCHR, "block": stat.S_ISBLK}


def kind_of(status):
    return next(name for name, holds in IS.items() if holds(status.st_mode))


def change_owner(path, status, uid, gid):
    """lchown that keeps what chown clears."""
    capability = None
    if stat.S_ISREG(status.st_mode) and "security.capability" in os.listxattr(path, follow_symlinks=False):
        capability = os.getxattr(path, "security.capability", follow_symlinks=False)
    os.lchown(path, uid, gid)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(path, stat.S_IMODE(status.st_mode))
    if capability is not None:
        os.setxattr(path, "security.capability", capability)


def on(kinds, act, when=lambda path, status: True):
    """A fault whose commit does act(path, lstat) to the entries of one of `kinds` that `when` holds for."""
    return spoiling_each(lambda path, status: act(path, status)
                         if kind_of(status) in kinds.split() and when(path, status) else None)


def mtimes(kinds, change):
    return on(kinds, lambda path, status: os.utime(path, ns=(status.st_atime_ns, change(status.st_mtime_ns)), follow_symlinks=False)
              if change(status.st_mtime_ns) != status.st_mtime_ns else None)


def modes(kinds, change):
    return on(kinds, lambda path, status: os.chmod(path, change(stat.S_IMODE(status.st_mode))),
              lambda path, status: change(stat.S_IMODE(status.st_mode)) != stat.S_IMODE(status.st_mode))


def owners(kinds, change):
    return on(kinds, lambda path, status: change_owner(path, status, *change(status.st_uid, status.st_gid)),
              lambda path, status: change(status.st_uid, status.st_gid) != (status.st_uid, status.st_gid))


def data(change, when):
    """A fault whose commit writes change(content) to the files that `when` holds for, and keeps their times."""
    def act(path, status):
        with open(path, "r+b") as file:
            before = file.read()
            after = change(before)
            if after != before:
                file.seek(0)
                file.write(after)
                file.truncate(len(after))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return on("file", act, lambda path, status: status.st_size < 1 << 24 and when(status))


def xattrs(kinds, condition):
    """A fault whose commit drops the attributes that condition(name, value) holds for."""
    def act(path, _):
        for name in os.listxattr(path, follow_symlinks=False):
            if not name.startswith("trusted.overlay.") and condition(name, os.getxattr(path, name, follow_symlinks=False)):
                os.removexattr(path, name, follow_symlinks=False)
    return on(kinds, act)


def renewed(path, status, make):
    """Puts what make(path + ".new") makes in the place of `path`, with the same owner, mode and times."""
    def replace():
        make(path + ".new")
        os.lchown(path + ".new", status.st_uid, status.st_gid)
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(path + ".new", stat.S_IMODE(status.st_mode))
        os.utime(path + ".new", ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
        os.rename(path + ".new", path)
    keeping_times(path, replace)


def splitting(condition):
    """A fault whose commit gives each of the names that `condition`(path, lstat, names so far of the same file) holds for
    a file of its own."""
    def spoil(tree, _):
        seen = {}
        for path, status in list(entries(tree)):
            if stat.S_ISDIR(status.st_mode) or status.st_nlink < 2:
                continue
            names = seen.setdefault(status.st_ino, [])
            if names and condition(path, status, names):
                keeping_times(path, lambda: (subprocess.run(["/bin/cp", "-a", "--", path, path + ".new"], check=True),
                                             os.rename(path + ".new", path)))
            names.append(path)
    return spoiling_commit(spoil)


# times ---------------------------------------------------------------------------------------------------------------

SECOND = 10**9
for name, make in {
    "commit_rounds_mtimes_to_microseconds": mtimes("file", lambda ns: ns // 1000 * 1000),
    "commit_rounds_mtimes_up": mtimes("file", lambda ns: -(-ns // SECOND) * SECOND),
    "commit_rounds_mtimes_of_directories": mtimes("directory", lambda ns: ns // SECOND * SECOND),
    "commit_rounds_mtimes_of_symlinks": mtimes("symlink", lambda ns: ns // SECOND * SECOND),
    "commit_rounds_mtimes_of_fifos_and_devices": mtimes("fifo character block socket", lambda ns: ns // SECOND * SECOND),
    "commit_cuts_times_before_1970": mtimes("file directory", lambda ns: max(ns, 0)),
    "commit_cuts_times_after_2038": mtimes("file directory", lambda ns: min(ns, ((1 << 31) - 1) * SECOND)),
    "commit_wraps_times_after_2106": mtimes("file", lambda ns: ns % ((1 << 32) * SECOND) if ns > 0 else ns),

    # modes -----------------------------------------------------------------------------------------------------------
    "commit_drops_setgid_of_directories": modes("directory", lambda mode: mode & ~0o2000),
    "commit_drops_sticky_of_files": modes("file", lambda mode: mode & ~0o1000),
    "commit_drops_setgid_without_execute": modes("file", lambda mode: mode & ~0o2000 if not mode & 0o010 else mode),
    "commit_heeds_the_umask": modes("file directory", lambda mode: mode & ~0o022),
    "commit_makes_files_readable": modes("file", lambda mode: mode | 0o400),
    "commit_makes_directories_searchable": modes("directory", lambda mode: mode | 0o100),
    "commit_gives_fifos_another_mode": modes("fifo socket", lambda mode: 0o644),
    "commit_gives_devices_another_mode": modes("character block", lambda mode: mode & 0o666),

    # owners ----------------------------------------------------------------------------------------------------------
    "commit_cuts_uids_to_16_bits": owners("file directory symlink", lambda uid, gid: (uid & 0xffff, gid)),
    "commit_cuts_gids_to_16_bits": owners("file directory symlink", lambda uid, gid: (uid, gid & 0xffff)),
    "commit_forgets_groups_of_directories": owners("directory", lambda uid, gid: (uid, 0)),
    "commit_forgets_owners_of_fifos_and_devices": owners("fifo character block socket", lambda uid, gid: (0, 0)),
    "commit_forgets_owners_of_set_id_files": on("file", lambda path, status: change_owner(path, status, 0, 0),
                                                lambda path, status: status.st_mode & 0o6000 and (status.st_uid or status.st_gid)),
    "commit_drops_setid_of_users": on("file", lambda path, status: os.chmod(path, stat.S_IMODE(status.st_mode) & 0o1777),
                                      lambda path, status: status.st_mode & 0o6000 and status.st_uid),

    # attributes ------------------------------------------------------------------------------------------------------
    "commit_drops_long_attributes": xattrs("file directory", lambda name, value: len(value) > 1000 and name.startswith("user.")),
    "commit_drops_empty_attributes": xattrs("file directory", lambda name, value: not value),
    "commit_drops_attributes_with_long_names": xattrs("file directory", lambda name, value: len(name) > 200),
    "commit_drops_attributes_with_nul": xattrs("file directory", lambda name, value: b"\0" in value and name.startswith("user.")),
    "commit_drops_attributes_of_symlinks": xattrs("symlink", lambda name, value: True),
    "commit_drops_attributes_of_fifos_and_devices": xattrs("fifo character block socket", lambda name, value: True),
    "commit_drops_other_security_attributes": xattrs("file directory", lambda name, value: name.startswith("security.")
                                                     and name != "security.capability"),
    "commit_drops_acls_of_directories": xattrs("directory", lambda name, value: name == "system.posix_acl_access"),
    "commit_drops_attributes_of_unreadable_files": on("file", lambda path, status: drop_xattrs(path, "user."),
                                                      lambda path, status: not status.st_mode & 0o444),

    # data ------------------------------------------------------------------------------------------------------------
    "commit_cuts_one_byte_beyond_a_page": data(lambda text: text[:-1], lambda status: status.st_size % 4096 == 1 and status.st_size > 1),
    "commit_zeroes_last_byte_of_full_pages": data(lambda text: text[:-1] + b"\0", lambda status: status.st_size and status.st_size % 4096 == 0),
    "commit_zeroes_the_byte_at_64_kib": data(lambda text: text[:65536] + b"\0" + text[65537:], lambda status: status.st_size > 65536),
    "commit_strips_trailing_zeros": data(lambda text: text.rstrip(b"\0"), lambda status: True),
    "commit_turns_crlf_into_lf": data(lambda text: text.replace(b"\r\n", b"\n"), lambda status: True),
    "commit_cuts_text_at_nul": data(lambda text: text.split(b"\0")[0] if text[:1] != b"\0" else text, lambda status: status.st_size < 4096),

    # names -----------------------------------------------------------------------------------------------------------
    "commit_drops_names_ending_in_a_space": removing(lambda path, status: path.endswith(" ") and kind_of(status) != "directory"),
    "commit_drops_names_with_a_backslash": removing(lambda path, status: "\\" in os.path.basename(path) and kind_of(status) != "directory"),
    "commit_drops_names_beginning_with_a_dash": removing(lambda path, status: os.path.basename(path).startswith("-")
                                                         and kind_of(status) != "directory"),
    "commit_drops_backup_names": removing(lambda path, status: path.endswith("~") and kind_of(status) != "directory"),
    "commit_drops_dot_names": removing(lambda path, status: re.match(r"\.[^.]", os.path.basename(path)) and kind_of(status) != "directory"),
    "commit_drops_names_that_are_not_utf8": removing(lambda path, status: re.search(r"[\ud800-\udfff]", os.path.basename(path))
                                                     and kind_of(status) != "directory"),
    "commit_drops_names_with_control_characters": removing(lambda path, status: re.search(r"[\x01-\x09\x0b-\x1f\x7f]", os.path.basename(path))
                                                           and kind_of(status) != "directory"),
    "commit_drops_names_of_one_byte": removing(lambda path, status: len(os.path.basename(path)) == 1 and kind_of(status) == "symlink"),
    "commit_drops_lost_and_found": removing(lambda path, status: os.path.basename(path) == "lost+found"
                                            and kind_of(status) == "directory" and not os.listdir(path)),

    # links -----------------------------------------------------------------------------------------------------------
    "commit_splits_groups_of_three": splitting(lambda path, status, names: len(names) >= 2),
    "commit_splits_links_across_directories": splitting(lambda path, status, names: os.path.dirname(path) != os.path.dirname(names[0])),
    "commit_splits_links_of_symlinks": splitting(lambda path, status, names: kind_of(status) == "symlink"),
    "commit_splits_links_of_fifos_and_devices": splitting(lambda path, status, names: kind_of(status) in ("fifo", "character", "block")),
    "commit_splits_links_of_empty_files": splitting(lambda path, status, names: kind_of(status) == "file" and not status.st_size),

    # what changed ----------------------------------------------------------------------------------------------------
    "commit_misses_a_new_mtime_alone": restoring(lambda path, status, old, before: kind_of(status) == "file"
                                                 and status.st_mtime_ns != before.st_mtime_ns and status.st_size == before.st_size
                                                 and same_data(path, old)),
    "commit_misses_a_change_of_group": restoring(lambda path, status, old, before: kind_of(status) == "file"
                                                 and status.st_uid == before.st_uid and status.st_gid != before.st_gid),
    "commit_misses_that_a_file_was_emptied": restoring(lambda path, status, old, before: kind_of(status) == "file"
                                                       and not status.st_size and before.st_size),
    "commit_misses_a_change_of_attributes_alone": restoring(lambda path, status, old, before: kind_of(status) == "file"
                                                            and status.st_mtime_ns == before.st_mtime_ns and attributes(path) != attributes(old)),
    "commit_misses_a_change_of_mode_of_a_directory": restoring(lambda path, status, old, before: kind_of(status) == "directory"
                                                               and status.st_mode != before.st_mode),
    "commit_misses_new_device_numbers": restoring(lambda path, status, old, before: kind_of(status) in ("character", "block")
                                                  and status.st_rdev != before.st_rdev),
    "commit_misses_the_last_bytes_of_an_append": restoring(lambda path, status, old, before: kind_of(status) == "file"
                                                           and 0 < status.st_size - before.st_size < 8 and before.st_size),
}.items():
    make.__name__ = name
    fault(make)


def same_data(one, two):
    with open(one, "rb") as first, open(two, "rb") as second:
        return first.read() == second.read()


def attributes(path):
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)}


@fault
def commit_changes_major_numbers(base):
    def act(path, status):
        if os.major(status.st_rdev) > 255:
            renewed(path, status, lambda new: os.mknod(new, status.st_mode, os.makedev(os.major(status.st_rdev) & 255, os.minor(status.st_rdev))))
    return on("character block", act)(base)


@fault
def commit_makes_block_devices_character_devices(base):
    return on("block", lambda path, status: renewed(path, status, lambda new: os.mknod(
        new, stat.S_IFCHR | stat.S_IMODE(status.st_mode), status.st_rdev)))(base)


@fault
def commit_tidies_symlink_targets(base):
    def act(path, status):
        target = os.readlink(path)
        if tidy := os.path.normpath(target) if target else target:
            if tidy != target:
                renewed(path, status, lambda new: os.symlink(tidy, new))
    return on("symlink", act)(base)


@fault
def commit_cuts_long_symlink_targets(base):
    return on("symlink", lambda path, status: renewed(path, status, lambda new: os.symlink(os.readlink(path)[:1000], new)),
              lambda path, status: status.st_size > 1000)(base)


@fault
def commit_links_equal_files(base):
    def spoil(tree, _):
        seen = {}
        for path, status in list(entries(tree)):
            if kind_of(status) != "file" or not status.st_size or status.st_nlink > 1 or status.st_size > 1 << 20:
                continue
            with open(path, "rb") as file:
                key = (os.path.dirname(path), file.read(), status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns,
                       str(attributes(path)))
            if key in seen:
                keeping_times(path, lambda: (os.unlink(path), os.link(seen[key], path)))
            else:
                seen[key] = path
    return spoiling_commit(spoil)(base)


@fault
def commit_folds_case(base):
    def spoil(tree, _):
        for directory, _, names in os.walk(tree):
            seen = set()
            for name in sorted(names):
                if name.lower() in seen:
                    keeping_times(os.path.join(directory, name), lambda: os.unlink(os.path.join(directory, name)))
                seen.add(name.lower())
    return spoiling_commit(spoil)(base)


@fault
def commit_stops_at_1000_entries(base):
    def spoil(tree, _):
        for directory, _, names in os.walk(tree):
            for name in sorted(names)[1000:]:
                keeping_times(os.path.join(directory, name), lambda: os.unlink(os.path.join(directory, name)))
    return spoiling_commit(spoil)(base)


@fault
def commit_drops_holes_at_the_end(base):
    def act(path, status):
        with open(path, "r+b") as file:
            try:
                end = 0
                while True:
                    start = os.lseek(file.fileno(), end, os.SEEK_DATA)
                    end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            except OSError:
                pass
            if end < status.st_size:
                os.ftruncate(file.fileno(), end)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return on("file", act, lambda path, status: status.st_blocks * 512 < status.st_size)(base)


# the root ------------------------------------------------------------------------------------------------------------

@fault
def commit_forgets_the_mode_of_the_root(base):
    return spoiling_commit(lambda tree, _: os.chmod(tree, 0o755))(base)


@fault
def commit_touches_the_root(base):
    return spoiling_commit(lambda tree, _: os.utime(tree))(base)


@fault
def commit_drops_attributes_of_the_root(base):
    return spoiling_commit(lambda tree, _: drop_xattrs(tree, "user."))(base)


@fault
def commit_drops_capabilities_of_users(base):
    return on("file", lambda path, status: drop_xattrs(path, "security.capability"),
              lambda path, status: status.st_uid != 0)(base)


# removals ------------------------------------------------------------------------------------------------------------

def bringing_back(condition):
    def spoil(tree, parent):
        for old, before in list(entries(parent)) if parent else ():
            path = os.path.join(tree, os.path.relpath(old, parent))
            if condition(old, before) and os.path.isdir(os.path.dirname(path)) and not os.path.lexists(path):
                keeping_times(path, lambda: subprocess.run(["/bin/cp", "-a", "--", old, path], check=True))
    return spoiling_commit(spoil)


@fault
def commit_brings_removed_symlinks_back(base):
    return bringing_back(lambda path, status: kind_of(status) == "symlink")(base)


@fault
def commit_brings_removed_empty_directories_back(base):
    return bringing_back(lambda path, status: kind_of(status) == "directory" and not os.listdir(path))(base)


@fault
def commit_brings_removed_devices_back(base):
    return bringing_back(lambda path, status: kind_of(status) in ("character", "block", "fifo"))(base)


@fault
def commit_brings_removed_links_back(base):
    return bringing_back(lambda path, status: kind_of(status) == "file" and status.st_nlink > 1)(base)


@fault
def commit_brings_files_without_size_back(base):
    return bringing_back(lambda path, status: kind_of(status) == "file" and not status.st_size)(base)


@fault
def commit_misses_a_file_that_became_a_symlink(base):
    def spoil(tree, parent):
        for old, before in list(entries(parent)) if parent else ():
            path = os.path.join(tree, os.path.relpath(old, parent))
            if kind_of(before) == "file" and os.path.islink(path):
                keeping_times(path, lambda: (os.unlink(path), subprocess.run(["/bin/cp", "-a", "--", old, path], check=True)))
    return spoiling_commit(spoil)(base)
