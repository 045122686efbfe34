//! Timestamps as the tables and the clients know them: ISO 8601, UTC, milliseconds.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Now, as `2026-01-31T23:59:59.999Z`.
pub(super) fn timestamp() -> String {
    // Formatting a date of this era with a fixed format does not fail.
    OffsetDateTime::now_utc().format(FORMAT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_timestamp_has_the_form_that_clients_parse() {
        let text = super::timestamp();
        assert_eq!(text.len(), 24);
        let parsed =
            time::OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339);
        assert!(parsed.unwrap().year() >= 2026);
    }
}
