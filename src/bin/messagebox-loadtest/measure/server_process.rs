//! Samples a process from `/proc`: CPU time, memory, threads, file descriptors.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;

/// Ticks per second in `/proc/<pid>/stat`, the same on all Linux systems in use.
const TICKS: u64 = 100;

/// Resources of a process at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Usage {
    /// Nanoseconds on the run's clock.
    #[serde(rename = "at_ns")]
    pub(crate) at: u64,
    /// CPU time since the process started, all threads together.
    #[serde(rename = "cpu_ns")]
    pub(crate) cpu: u64,
    /// Resident memory in bytes.
    #[serde(rename = "rss_bytes")]
    pub(crate) rss: u64,
    pub(crate) threads: u64,
    #[serde(rename = "file_descriptors")]
    pub(crate) descriptors: u64,
}

/// A process to sample.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    folder: PathBuf,
    /// The last known CPU time of each thread, so that the time of ended threads counts.
    threads: HashMap<String, u64>,
}

impl ServerProcess {
    pub(crate) fn new(pid: u32) -> Self {
        Self {
            folder: PathBuf::from(format!("/proc/{pid}")),
            threads: HashMap::new(),
        }
    }

    pub(crate) fn own() -> Self {
        Self::new(std::process::id())
    }

    /// A sample; `None` without such a process, or without `/proc`.
    pub(crate) fn usage(&mut self, at: u64) -> Option<Usage> {
        let status = fs::read_to_string(self.folder.join("status")).ok()?;
        let descriptors = fs::read_dir(self.folder.join("fd")).map_or(0, Iterator::count);
        Some(Usage {
            at,
            cpu: self.cpu()?,
            rss: field(&status, "VmRSS:")?.saturating_mul(1024),
            threads: field(&status, "Threads:")?,
            descriptors: super::figures::count(descriptors),
        })
    }

    /// CPU time in nanoseconds from the scheduler, or in ticks of 10 ms if the kernel does not keep that.
    fn cpu(&mut self) -> Option<u64> {
        for entry in fs::read_dir(self.folder.join("task")).ok()?.flatten() {
            let schedstat = fs::read_to_string(entry.path().join("schedstat"));
            let used = schedstat.ok().as_deref().and_then(running_nanos);
            if let (Some(used), Ok(thread)) = (used, entry.file_name().into_string()) {
                let known = self.threads.entry(thread).or_default();
                *known = used.max(*known);
            }
        }
        let sum: u64 = self.threads.values().sum();
        if sum > 0 {
            return Some(sum);
        }
        let stat = fs::read_to_string(self.folder.join("stat")).ok()?;
        Some(ticks(&stat)? * (1_000_000_000 / TICKS))
    }
}

/// The number after a name in `/proc/<pid>/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The first number of `schedstat`.
pub(crate) fn running_nanos(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// User and system time in `stat`. The process name in parentheses may contain anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_proc_are_read() {
        let status = "Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t7\n";
        assert_eq!(field(status, "VmRSS:"), Some(1234));
        assert_eq!(field(status, "Threads:"), Some(7));
        assert_eq!(field(status, "VmSwap:"), None);
        assert_eq!(running_nanos("12345 678 9\n"), Some(12_345));
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(ticks(stat), Some(200));
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn a_process_that_works_uses_time() {
        let mut own = ServerProcess::own();
        let before = own.usage(0).unwrap();
        let mut sum = 0_u64;
        let start = std::time::Instant::now();
        let mut after = before;
        // Other processes may have the CPU meanwhile.
        while after.cpu <= before.cpu + 10_000_000 {
            assert!(start.elapsed().as_secs() < 20, "{before:?} {after:?}");
            for _ in 0..100_000 {
                sum = std::hint::black_box(sum.wrapping_add(1));
            }
            after = own.usage(1).unwrap();
        }
        assert!(after.rss > 0 && after.threads > 0 && after.descriptors > 0);
        assert_eq!(ServerProcess::new(u32::MAX).usage(0), None);
    }
}
