//! The server's public address, for its documents and its page.

/// Normalizes the operator's setting: no slash at the end, and `https` for a bare domain.
pub(in crate::http) fn public_address(given: Option<&str>) -> Option<String> {
    let given = given.map(|given| given.trim().trim_end_matches('/'))?;
    if given.is_empty() || given.contains("://") {
        return Some(given.to_owned()).filter(|given| !given.is_empty());
    }
    Some(format!("https://{given}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_alone_is_reached_by_https() {
        for (given, expected) in [
            (None, None),
            (Some(" "), None),
            (Some("/"), None),
            (Some("box.example:8443/"), Some("https://box.example:8443")),
            (
                Some("http://box.example/api/"),
                Some("http://box.example/api"),
            ),
        ] {
            assert_eq!(public_address(given).as_deref(), expected, "{given:?}");
        }
    }
}
