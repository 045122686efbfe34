//! `messagebox-server compact`: rewrites a SQLite file without its unused space.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::config::Settings;
use crate::db::CompactPlan;

use crate::server::error::ServerError;
use crate::server::layer_settings::db_settings;

/// Writes the disk space and time that compacting takes to `out`, and compacts the file unless this is a dry run.
///
/// # Errors
/// [`ServerError`]; then the database is unchanged.
pub fn compact(
    settings: &Settings,
    dry_run: bool,
    out: &mut impl Write,
) -> Result<(), ServerError> {
    let settings = db_settings(settings)?;
    let plan = CompactPlan::of(&settings)?;
    let mut write = |line: String| {
        let written = writeln!(out, "{line}").and_then(|()| out.flush());
        written.map_err(ServerError::Broken)
    };
    write(format!(
        "{}: {} now, about {} when compacted. It takes up to {}, and {} of free space in {}, which has {}.",
        settings.url,
        size(plan.bytes),
        size(plan.bytes_left),
        time(plan.time),
        size(plan.bytes_needed),
        plan.folder.display(),
        size(plan.bytes_available),
    ))?;
    if dry_run {
        return Ok(());
    }
    let began = Instant::now();
    let left = plan.run()?;
    write(format!(
        "compacted: {} before, {} now, in {}",
        size(plan.bytes),
        size(left),
        time(began.elapsed()),
    ))
}

fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    let unit = UNITS.into_iter().find(|(_, unit)| bytes >= *unit);
    let (name, unit) = unit.unwrap_or(("bytes", 1));
    let tenths = bytes.saturating_mul(10) / unit;
    if unit > 1 && tenths < 100 {
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    } else {
        format!("{} {name}", tenths / 10)
    }
}

fn time(time: Duration) -> String {
    match time.as_secs() {
        0 => "less than a second".to_owned(),
        seconds @ 1..=119 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_readable() {
        assert_eq!(size(999), "999 bytes");
        assert_eq!(size(1_250), "1.2 kB");
        assert_eq!(size(12_500_000), "12 MB");
        assert_eq!(size(3_900_000_000), "3.9 GB");
        assert_eq!(size(1_234_000_000_000), "1234 GB");
        assert_eq!(time(Duration::from_millis(900)), "less than a second");
        assert_eq!(time(Duration::from_secs(119)), "119 s");
        assert_eq!(time(Duration::from_secs(121)), "3 min");
    }
}
