//! Resources of the process, read from Linux's `/proc`; other systems give none.

use std::fs;

use serde::Serialize;
use utoipa::ToSchema;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessUsage {
    /// Resident memory of the process.
    pub resident_bytes: u64,
    /// CPU time of all threads.
    pub cpu_seconds: f64,
    pub threads: u64,
    /// Open files and connections.
    pub open_files: usize,
}

/// Clock ticks per second in `/proc/self/stat`, a constant of Linux's user interface.
const TICKS: f64 = 100.0;

pub(super) fn usage() -> Option<ProcessUsage> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let open_files = fs::read_dir("/proc/self/fd").ok()?.count();
    read(&status, &stat, open_files)
}

fn read(status: &str, stat: &str, open_files: usize) -> Option<ProcessUsage> {
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    // The process name before it may contain spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u32>().ok();
    Some(ProcessUsage {
        resident_bytes: kilobytes * 1024,
        cpu_seconds: (f64::from(number(11)?) + f64::from(number(12)?)) / TICKS,
        threads: number(17)?.into(),
        open_files,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_proc_are_read() {
        let stat = "7 (a (b) c) S 1 1 1 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 12 0 99 1 1";
        let usage = read("Name:\tx\nVmRSS:\t  2048 kB\n", stat, 3).unwrap();
        assert_eq!((usage.resident_bytes, usage.threads), (2 << 20, 12));
        assert!((usage.cpu_seconds - 2.0).abs() < 1e-9);
        assert_eq!(read("", stat, 3), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_known() {
        let usage = usage().unwrap();
        assert!(usage.resident_bytes > 1 << 16 && usage.threads >= 1 && usage.open_files >= 1);
    }
}
