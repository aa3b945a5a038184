//! The machine as this process may use it: which CPUs, how much of them, how much memory.
//!
//! Three limits meet: the CPUs that the scheduler may choose (affinity, which cpusets narrow too), the CPU time
//! that control groups grant (a quota per period, which may be a fraction of a CPU), and the memory that they
//! grant. A control group is bound by every group above it, so the whole path up to the mount point is read, for
//! both versions of the interface.
//!
//! glommio's `CpuSet` lists the CPUs that are online, not those that this process may use, so the affinity mask
//! and the kernel's own lists of siblings are read instead. Everything but the outermost functions is pure.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// What this process may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The CPUs that threads may run on, never empty, in the order in which cores should take them: one thread of
    /// every physical core comes before any second one.
    pub cpus: Vec<usize>,
    /// The CPU time granted, in thousandths of a CPU; `None` means no limit.
    pub quota_millicpus: Option<u64>,
    /// The memory granted by control groups, in bytes; `None` means no limit.
    pub memory_limit_bytes: Option<u64>,
    /// The memory of the machine, in bytes.
    pub memory_total_bytes: u64,
}

impl Topology {
    /// Looks at this process and this machine. Fails only if the kernel does not say which CPUs may be used.
    pub fn detect() -> io::Result<Topology> {
        let read = |path: &Path| std::fs::read_to_string(path).ok();
        let limits = ControlGroupLimits::read(&read);
        Ok(Topology {
            cpus: spread(allowed_cpus()?, &read),
            quota_millicpus: limits.quota_millicpus,
            memory_limit_bytes: limits.memory_bytes,
            memory_total_bytes: memory_total_bytes(),
        })
    }

    /// How many cores should serve: as many as were `wanted`, or, when that is 0, as many as there are CPUs to
    /// use and CPU time for.
    pub fn core_count(&self, wanted: u32) -> usize {
        if wanted > 0 {
            return wanted as usize;
        }
        let granted = self.quota_millicpus.map_or(u64::MAX, |millicpus| millicpus.div_ceil(1000).max(1));
        self.cpus.len().min(usize::try_from(granted).unwrap_or(usize::MAX))
    }

    /// The CPU for the core of this index. With more cores than CPUs, cores share.
    pub fn cpu_of_core(&self, core: usize) -> usize {
        self.cpus[core % self.cpus.len()]
    }

    /// The memory that this process can have, in bytes: what the control groups grant, if it is less than the
    /// machine has.
    pub fn memory_usable_bytes(&self) -> u64 {
        self.memory_limit_bytes.map_or(self.memory_total_bytes, |limit| limit.min(self.memory_total_bytes))
    }
}

/// Makes the calling thread run on this CPU only.
pub fn pin_current_thread(cpu: usize) -> io::Result<()> {
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    // SAFETY: all zeros is the empty set, and `cpu` is within the set's size.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        set
    };
    // SAFETY: the pointer is good for the size given; 0 is the calling thread.
    match unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn allowed_cpus() -> io::Result<Vec<usize>> {
    // SAFETY: all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is good for the size given; 0 is the calling thread.
    if unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: every index is within the set's size.
    let is_allowed = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    let cpus: Vec<usize> = (0..libc::CPU_SETSIZE as usize).filter(is_allowed).collect();
    assert!(!cpus.is_empty(), "the kernel lets no thread run nowhere");
    Ok(cpus)
}

fn memory_total_bytes() -> u64 {
    // SAFETY: sysconf takes no pointers.
    let (pages, page_bytes) = unsafe { (libc::sysconf(libc::_SC_PHYS_PAGES), libc::sysconf(libc::_SC_PAGESIZE)) };
    u64::try_from(pages).unwrap_or(0) * u64::try_from(page_bytes).unwrap_or(0)
}

type ReadFile<'a> = dyn Fn(&Path) -> Option<String> + 'a;

/// Orders CPUs so that the first threads of all physical cores come first, then the second ones, and so on.
fn spread(cpus: Vec<usize>, read: &ReadFile<'_>) -> Vec<usize> {
    let rank = |cpu: usize| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let siblings = read(Path::new(&path)).map(|text| parse_cpu_list(&text)).unwrap_or_default();
        siblings.iter().filter(|sibling| **sibling < cpu && cpus.contains(sibling)).count()
    };
    let mut ranked: Vec<(usize, usize)> = cpus.iter().map(|cpu| (rank(*cpu), *cpu)).collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, cpu)| cpu).collect()
}

/// Reads the kernel's notation for sets of CPUs, such as `0-3,8`. What cannot be read is left out.
fn parse_cpu_list(text: &str) -> BTreeSet<usize> {
    let mut cpus = BTreeSet::new();
    for range in text.trim().split(',') {
        let (start, end) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(start), Ok(end)) = (start.parse::<usize>(), end.parse::<usize>()) {
            cpus.extend(start..=end.min(libc::CPU_SETSIZE as usize));
        }
    }
    cpus
}

/// The tightest limits on the path of this process's control groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ControlGroupLimits {
    quota_millicpus: Option<u64>,
    memory_bytes: Option<u64>,
}

impl ControlGroupLimits {
    fn read(read: &ReadFile<'_>) -> ControlGroupLimits {
        let mut limits = ControlGroupLimits::default();
        let memberships = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
        let mounts = read(Path::new("/proc/self/mountinfo")).unwrap_or_default();
        for mount in mounts.lines().filter_map(Mount::parse) {
            for membership in memberships.lines().filter_map(Membership::parse) {
                if let Some(directory) = mount.directory_of(&membership) {
                    limits.add_path(&mount, &directory, read);
                }
            }
        }
        limits
    }

    /// Adds the limits of a group and of every group above it, up to the mount point.
    fn add_path(&mut self, mount: &Mount<'_>, directory: &Path, read: &ReadFile<'_>) {
        let groups = directory.ancestors().take_while(|group| group.starts_with(mount.point));
        for group in groups {
            let file = |name: &str| read(&group.join(name));
            let (quota, memory) = if mount.is_unified {
                (
                    file("cpu.max").and_then(|text| parse_cpu_max(&text)),
                    file("memory.max").and_then(|text| parse_memory_limit(&text)),
                )
            } else {
                let quota = file("cpu.cfs_quota_us").zip(file("cpu.cfs_period_us"));
                (
                    quota.and_then(|(quota, period)| parse_quota(&quota, &period)),
                    file("memory.limit_in_bytes").and_then(|text| parse_memory_limit(&text)),
                )
            };
            self.quota_millicpus = tighter(self.quota_millicpus, quota);
            self.memory_bytes = tighter(self.memory_bytes, memory);
        }
    }
}

fn tighter(left: Option<u64>, right: Option<u64>) -> Option<u64> {
    left.into_iter().chain(right).min()
}

/// A line of `/proc/self/cgroup`: `number:controllers:path`. Version 2 has no controllers in it.
#[derive(Debug, PartialEq, Eq)]
struct Membership<'a> {
    controllers: &'a str,
    path: &'a str,
}

impl<'a> Membership<'a> {
    fn parse(line: &'a str) -> Option<Membership<'a>> {
        let mut fields = line.splitn(3, ':').skip(1);
        Some(Membership { controllers: fields.next()?, path: fields.next()? })
    }
}

/// A line of `/proc/self/mountinfo` that mounts control groups.
#[derive(Debug, PartialEq, Eq)]
struct Mount<'a> {
    is_unified: bool,
    /// The group that is visible at the mount point; a container may see only its own part of the tree.
    root: &'a str,
    point: &'a Path,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Mount<'a>> {
        let (first, second) = line.split_once(" - ")?;
        let mut first = first.split(' ').skip(3);
        let mut second = second.split(' ');
        let is_unified = match second.next()? {
            "cgroup2" => true,
            "cgroup" => false,
            _ => return None,
        };
        Some(Mount { is_unified, root: first.next()?, point: Path::new(first.next()?), options: second.nth(1)? })
    }

    /// Where the group of `membership` is found under this mount, if this mount has it.
    ///
    /// The path may lie outside of what is mounted, as it does in a container without a namespace of its own; the
    /// mount point itself is then the container's group.
    fn directory_of(&self, membership: &Membership<'_>) -> Option<PathBuf> {
        let has_it = if self.is_unified {
            membership.controllers.is_empty()
        } else {
            membership.controllers.split(',').any(|controller| {
                matches!(controller, "cpu" | "memory") && self.options.split(',').any(|option| option == controller)
            })
        };
        if !has_it {
            return None;
        }
        let inside = Path::new(membership.path).strip_prefix(self.root).unwrap_or(Path::new(""));
        let is_escaping = inside.components().any(|part| part == std::path::Component::ParentDir);
        Some(if is_escaping { self.point.to_owned() } else { self.point.join(inside) })
    }
}

/// Version 2: `quota period` or `max period`, in microseconds.
fn parse_cpu_max(text: &str) -> Option<u64> {
    let (quota, period) = text.trim().split_once(' ')?;
    parse_quota(quota, period)
}

/// In thousandths of a CPU. `max` and -1 are no limit.
fn parse_quota(quota_us: &str, period_us: &str) -> Option<u64> {
    let quota_us: u64 = quota_us.trim().parse().ok()?;
    let period_us: u64 = period_us.trim().parse().ok()?;
    quota_us.saturating_mul(1000).checked_div(period_us)
}

/// In bytes. Version 2 writes `max` for no limit, version 1 a number near the end of what 64 bits hold.
fn parse_memory_limit(text: &str) -> Option<u64> {
    const NO_LIMIT_MIN: u64 = 1 << 60;
    text.trim().parse().ok().filter(|bytes| *bytes < NO_LIMIT_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn limits(files: &[(&str, &str)]) -> ControlGroupLimits {
        let files: HashMap<PathBuf, String> =
            files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        ControlGroupLimits::read(&|path| files.get(path).cloned())
    }

    const UNIFIED: &str = "29 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn the_tightest_group_on_the_path_counts() {
        let found = limits(&[
            ("/proc/self/cgroup", "0::/kubepods/pod1/box\n"),
            ("/proc/self/mountinfo", UNIFIED),
            ("/sys/fs/cgroup/kubepods/pod1/box/cpu.max", "max 100000\n"),
            ("/sys/fs/cgroup/kubepods/pod1/box/memory.max", "max\n"),
            ("/sys/fs/cgroup/kubepods/pod1/cpu.max", "150000 100000\n"),
            ("/sys/fs/cgroup/kubepods/pod1/memory.max", "33554432\n"),
            ("/sys/fs/cgroup/kubepods/cpu.max", "800000 100000\n"),
            ("/sys/fs/cgroup/kubepods/memory.max", "1073741824\n"),
        ]);
        assert_eq!(found, ControlGroupLimits { quota_millicpus: Some(1500), memory_bytes: Some(32 << 20) });
    }

    #[test]
    fn version_one_has_a_tree_per_controller() {
        let found = limits(&[
            ("/proc/self/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n0::/\n"),
            (
                "/proc/self/mountinfo",
                "32 31 0:29 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                 35 31 0:32 /docker/abc /cg/memory rw - cgroup cgroup rw,memory\n\
                 41 31 0:38 / /cg/unified rw - cgroup2 cgroup2 rw\n\
                 50 31 0:40 / /home rw - ext4 /dev/sda1 rw\n",
            ),
            ("/cg/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "50000\n"),
            ("/cg/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n"),
            ("/cg/cpu,cpuacct/docker/cpu.cfs_quota_us", "-1\n"),
            ("/cg/cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n"),
            ("/cg/memory/memory.limit_in_bytes", "268435456\n"),
        ]);
        assert_eq!(found, ControlGroupLimits { quota_millicpus: Some(500), memory_bytes: Some(256 << 20) });
        assert_eq!(parse_memory_limit("9223372036854771712\n"), None);
    }

    #[test]
    fn a_container_without_a_namespace_of_its_own() {
        let found = limits(&[
            ("/proc/self/cgroup", "0::/system.slice/docker-abc.scope\n"),
            ("/proc/self/mountinfo", "29 22 0:26 /../other /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"),
            ("/sys/fs/cgroup/memory.max", "1000000\n"),
        ]);
        assert_eq!(found.memory_bytes, Some(1_000_000));
        let found = limits(&[
            ("/proc/self/cgroup", "0::/../outside\n"),
            ("/proc/self/mountinfo", UNIFIED),
            ("/sys/fs/cgroup/memory.max", "2000000\n"),
        ]);
        assert_eq!(found.memory_bytes, Some(2_000_000));
    }

    #[test]
    fn no_control_groups_no_limits() {
        assert_eq!(limits(&[]), ControlGroupLimits::default());
        assert_eq!(parse_cpu_max("max 100000"), None);
        assert_eq!(parse_cpu_max("100000 0"), None);
        assert_eq!(parse_cpu_max(""), None);
    }

    #[test]
    fn cores_follow_affinity_and_quota() {
        let topology = |quota_millicpus| Topology {
            cpus: vec![2, 3, 5],
            quota_millicpus,
            memory_limit_bytes: Some(10),
            memory_total_bytes: 100,
        };
        assert_eq!(topology(None).core_count(0), 3);
        assert_eq!(topology(Some(1500)).core_count(0), 2);
        assert_eq!(topology(Some(2000)).core_count(0), 2);
        assert_eq!(topology(Some(1)).core_count(0), 1);
        assert_eq!(topology(Some(0)).core_count(0), 1);
        assert_eq!(topology(Some(64_000)).core_count(0), 3);
        assert_eq!(topology(Some(500)).core_count(5), 5, "who asks for a number gets it");
        assert_eq!([0, 1, 2, 3].map(|core| topology(None).cpu_of_core(core)), [2, 3, 5, 2]);
        assert_eq!(topology(None).memory_usable_bytes(), 10);
    }

    #[test]
    fn physical_cores_come_first() {
        let siblings = |path: &Path| {
            let text = path.to_str()?;
            Some(if text.contains("cpu0/") || text.contains("cpu1/") { "0-1\n" } else { "2,3\n" }.to_owned())
        };
        assert_eq!(spread(vec![0, 1, 2, 3], &siblings), [0, 2, 1, 3]);
        assert_eq!(spread(vec![1, 2, 3], &siblings), [1, 2, 3], "the sibling of 1 may not be used");
        assert_eq!(spread(vec![0, 1], &|_| None), [0, 1]);
        assert_eq!(parse_cpu_list("0-2,8\n").into_iter().collect::<Vec<_>>(), [0, 1, 2, 8]);
        assert!(parse_cpu_list("\n").is_empty());
    }

    #[test]
    fn this_machine() {
        let topology = Topology::detect().expect("affinity can be read");
        assert!(topology.core_count(0) >= 1);
        assert!(topology.memory_usable_bytes() > 1 << 20);
        let cpu = topology.cpu_of_core(0);
        std::thread::spawn(move || {
            pin_current_thread(cpu).expect("an allowed CPU");
            assert_eq!(allowed_cpus().expect("affinity can be read"), [cpu]);
        })
        .join()
        .expect("no panic");
        assert!(pin_current_thread(1 << 20).is_err());
    }
}
