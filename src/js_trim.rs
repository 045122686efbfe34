//! Trims as JavaScript does, so that a name means the same here as in the servers and clients in use.

/// `String.prototype.trim`. Unlike [`str::trim`] it removes U+FEFF and keeps U+0085.
#[must_use]
pub fn js_trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Whether a text is empty after trimming.
#[must_use]
pub fn is_js_blank(text: &str) -> bool {
    js_trim(text).is_empty()
}

/// `WhiteSpace` and `LineTerminator` of ECMA-262.
fn is_space(character: char) -> bool {
    character == '\u{feff}' || (character != '\u{85}' && character.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The characters that `''.trim()` of Node.js removes, out of all 65,536 code units.
    const SPACES: [char; 25] = [
        '\u{9}', '\u{a}', '\u{b}', '\u{c}', '\u{d}', '\u{20}', '\u{a0}', '\u{1680}', '\u{2000}',
        '\u{2001}', '\u{2002}', '\u{2003}', '\u{2004}', '\u{2005}', '\u{2006}', '\u{2007}',
        '\u{2008}', '\u{2009}', '\u{200a}', '\u{2028}', '\u{2029}', '\u{202f}', '\u{205f}',
        '\u{3000}', '\u{feff}',
    ];

    #[test]
    fn what_javascript_trims_is_trimmed_and_nothing_else() {
        for character in '\0'..=char::MAX {
            assert_eq!(
                is_space(character),
                SPACES.contains(&character),
                "{character:?}"
            );
        }
        assert_eq!(js_trim("\u{feff} in box\t\u{feff}"), "in box");
        assert_eq!(js_trim("\u{85}box\u{200b}"), "\u{85}box\u{200b}");
        assert!(is_js_blank("") && is_js_blank("\u{feff}\n") && !is_js_blank("\u{85}"));
    }
}
