//! Log lines as JSON: one object per line.

use std::io::{self, Write};

use log::Record;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::trace;

#[derive(Serialize)]
struct JsonLine<'a> {
    /// ISO 8601 in UTC, to the millisecond.
    ts: String,
    level: &'a str,
    target: &'a str,
    /// The id of the request or event.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    message: String,
}

/// Writes a record as one line.
pub(super) fn write(out: &mut impl Write, record: &Record<'_>) -> io::Result<()> {
    let line = JsonLine {
        ts: now(),
        level: record.level().as_str(),
        target: record.target(),
        id: trace::current().map(|id| id.to_string()),
        message: record.args().to_string(),
    };
    // The line is written in one piece: half a line would spoil the next.
    let mut text = serde_json::to_string(&line)?;
    text.push('\n');
    out.write_all(text.as_bytes())
}

pub(super) fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let milliseconds = now.millisecond();
    let now = now.replace_millisecond(milliseconds).unwrap_or(now);
    now.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;
    use serde_json::Value;

    #[test]
    fn every_message_is_one_object() {
        let message = "a \"quoted\" text\nwith {\"level\":\"ERROR\"} and \u{1b}[2J";
        let mut out = Vec::new();
        let args = format_args!("{message}");
        let mut record = Record::builder();
        record.level(Level::Warn).target("messagebox::x");
        write(&mut out, &record.args(args).build()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.ends_with("}\n") && !text.contains('\u{1b}'),
            "{text:?}"
        );
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], message);
        assert_eq!(
            (&line["level"], &line["target"]),
            (&"WARN".into(), &"messagebox::x".into())
        );
        let ts = line["ts"].as_str().unwrap();
        assert!(
            OffsetDateTime::parse(ts, &Rfc3339).is_ok() && ts.ends_with('Z'),
            "{ts}"
        );
        assert!(line.get("id").is_none());
    }
}
