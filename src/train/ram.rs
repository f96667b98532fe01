//! Main memory: what this process may use, of the machine and of the job that it runs in.
//!
//! Slurm and containers put a job into a control group with less memory than the machine has, and a
//! process that takes more is killed without a message.

use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of memory that can still be allocated; `None` if the system does not report it.
pub fn available() -> Option<u64> {
    Root("/".into()).available()
}

/// Makes an allocation of this process beyond the memory of the machine or of the job fail, so that it
/// ends in an error message and not in a killed process. For programs: a library has no say over the
/// process that loads it.
///
/// Swap counts as memory. A lower limit, such as one of `ulimit -d`, stays.
pub fn limit_to_total() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let root = Root("/".into());
        let Rlimit { current, maximum } = getrlimit(Resource::Data);
        let Some(total) = root.total() else { return };
        // Above it already, by memory that is reserved and not used (as a sanitizer's), every further
        // allocation would fail.
        let is_below = root.reserved().is_some_and(|reserved| reserved < total);
        if is_below && current.is_none_or(|current| current > total) {
            // Refused only above the maximum, which is the lower limit then.
            let _ = setrlimit(Resource::Data, Rlimit { current: Some(total), maximum });
        }
    }
}

/// The root of the file system, or a folder that stands for it.
struct Root(PathBuf);

impl Root {
    fn available(&self) -> Option<u64> {
        let of_groups = self.groups().into_iter().filter_map(|group| group.available());
        self.of_machine("MemAvailable").into_iter().chain(of_groups).min()
    }

    fn total(&self) -> Option<u64> {
        let of_machine = self.of_machine("MemTotal")? + self.of_machine("SwapTotal").unwrap_or(0);
        let of_groups = self.groups().into_iter().filter_map(|group| group.limit());
        of_groups.chain([of_machine]).min()
    }

    fn of_machine(&self, key: &str) -> Option<u64> {
        self.kib_in("proc/meminfo", key)
    }

    /// Bytes that this process has allocated or reserved: what its limit is compared with.
    fn reserved(&self) -> Option<u64> {
        self.kib_in("proc/self/status", "VmData")
    }

    fn kib_in(&self, file: &str, key: &str) -> Option<u64> {
        let text = fs::read_to_string(self.0.join(file)).ok()?;
        let kib = number_after(&text, &format!("{key}:"))?;
        Some(kib * 1024)
    }

    /// The control groups of this process that may limit its memory, the innermost first.
    fn groups(&self) -> Vec<Group> {
        let text = fs::read_to_string(self.0.join("proc/self/cgroup")).unwrap_or_default();
        // `0::/path` in version 2, `9:memory:/path` in version 1.
        let group = |line: &str| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            let (mount, names) = match controllers {
                "" => ("sys/fs/cgroup", VERSION_2),
                _ if controllers.split(',').any(|it| it == "memory") => {
                    ("sys/fs/cgroup/memory", VERSION_1)
                }
                _ => return None,
            };
            let mount = self.0.join(mount);
            let inner = mount.join(path.trim_start_matches('/'));
            let folders = inner.ancestors().take_while(|folder| folder.starts_with(&mount));
            Some(folders.map(|folder| Group { folder: folder.into(), names }).collect::<Vec<_>>())
        };
        text.lines().filter_map(group).flatten().collect()
    }
}

/// Names of a control group's files: limit and use, and the line of `memory.stat` with the file cache,
/// which the kernel gives back when memory is needed.
type Names = [&'static str; 3];
const VERSION_2: Names = ["memory.max", "memory.current", "file"];
const VERSION_1: Names = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_cache"];

struct Group {
    folder: PathBuf,
    names: Names,
}

impl Group {
    /// `None` without a limit.
    fn limit(&self) -> Option<u64> {
        number_in(&self.folder.join(self.names[0]))
    }

    fn available(&self) -> Option<u64> {
        let used = number_in(&self.folder.join(self.names[1]))?;
        let stat = fs::read_to_string(self.folder.join("memory.stat")).unwrap_or_default();
        let cached = number_after(&stat, &format!("{} ", self.names[2])).unwrap_or(0);
        Some(self.limit()?.saturating_sub(used.saturating_sub(cached)))
    }
}

fn number_in(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number on the line that begins with `key`.
fn number_after(text: &str, key: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal: 1000 kB\nMemAvailable: 800 kB\nSwapTotal: 24 kB\n";

    /// A root with these files.
    fn root(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = Root(folder.path().into());
        (folder, root)
    }

    #[test]
    fn the_machine_alone_counts_without_a_control_group() {
        let (_folder, root) = root(&[("proc/meminfo", MEMINFO)]);
        assert_eq!((root.available(), root.total()), (Some(800 * 1024), Some(1024 * 1024)));
        assert_eq!(Root("/nonexistent".into()).available(), None);
    }

    #[test]
    fn reserved_memory_is_what_the_kernel_holds_against_the_limit() {
        let (_folder, root) = root(&[("proc/self/status", "VmPeak:\t  9 kB\nVmData:\t  3 kB\n")]);
        assert_eq!(root.reserved(), Some(3 * 1024));
    }

    #[test]
    fn a_job_has_the_memory_of_its_smallest_control_group() {
        let group = "sys/fs/cgroup/slurm/job_7";
        let (_folder, root) = root(&[
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/slurm/job_7/step_0\n"),
            (&format!("{group}/step_0/memory.max"), "max\n"),
            (&format!("{group}/step_0/memory.current"), "300000\n"),
            (&format!("{group}/memory.max"), "500000\n"),
            (&format!("{group}/memory.current"), "300000\n"),
            (&format!("{group}/memory.stat"), "anon 200000\nfile 100000\n"),
            ("sys/fs/cgroup/slurm/memory.max", "900000\n"),
        ]);
        assert_eq!((root.available(), root.total()), (Some(300_000), Some(500_000)));
    }

    #[test]
    fn version_1_of_control_groups_is_read_too() {
        let group = "sys/fs/cgroup/memory/slurm/job_7";
        let (_folder, root) = root(&[
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "8:cpu,cpuacct:/slurm\n9:memory:/slurm/job_7\n"),
            (&format!("{group}/memory.limit_in_bytes"), "500000\n"),
            (&format!("{group}/memory.usage_in_bytes"), "350000\n"),
            (&format!("{group}/memory.stat"), "cache 1\ntotal_cache 50000\n"),
            // No limit.
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        assert_eq!((root.available(), root.total()), (Some(200_000), Some(500_000)));
    }
}
